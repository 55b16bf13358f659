"""Pieces that several tabs share: the film filter, upload kinds, filled fragments."""

from importlib import resources

import gradio as gr

from retrieval.engine import Engine

__all__ = ["ANY_FILM", "film_choice", "film_choices", "fragment", "video_extensions"]

ANY_FILM = ""
"""The value of the film filter that filters nothing."""

_VIDEO_EXTENSIONS = (
    *(".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".mxf", ".wmv", ".flv", ".ogv", ".3gp", ".vob"),
)


def video_extensions() -> list[str]:
    """File name endings that the browser offers; what a file is, is decided by its content."""
    return list(_VIDEO_EXTENSIONS)


def film_choices(engine: Engine) -> list[tuple[str, str]]:
    """All films by name, after the choice of any."""
    films = [(video.path.name, video.video_id) for video in engine.videos()]
    return [("Any film", ANY_FILM), *films]


def film_choice(engine: Engine, *, label: str = "In film") -> gr.Dropdown:
    """A drop-down of the library's films."""
    return gr.Dropdown(film_choices(engine), value=ANY_FILM, label=label)


def fragment(value: str, *scripts: str, elem_id: str) -> gr.HTML:
    """A part of the page that our templates fill; `scripts` of `app/static` run once with it."""
    folder = resources.files("app") / "static"
    code = "\n".join((folder / name).read_text(encoding="utf-8") for name in scripts)
    return gr.HTML(value, js_on_load=code or None, apply_default_css=False, elem_id=elem_id)
