"""Pieces that several tabs share: the film filter, upload kinds, filled fragments."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.options import UiOptions
from retrieval.engine import Engine
from retrieval.errors import MediaLimitError

__all__ = [
    "ANY_FILM",
    "QUICK",
    "Tab",
    "check_suspect",
    "check_upload",
    "film_choice",
    "film_choices",
    "fragment",
    "sound_extensions",
    "suspect_extensions",
    "video_extensions",
]

QUICK: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""How events are wired that answer at once."""

ANY_FILM = ""
"""The value of the film filter that filters nothing."""

_VIDEO_EXTENSIONS = (
    *(".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".mxf", ".wmv", ".flv", ".ogv", ".3gp", ".vob"),
)
_SOUND_EXTENSIONS = (".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".wav", ".mka", ".wma")
_STILL_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Tab:
    """What of a tab follows the library.

    Attributes:
        film: Its choice of a film.
        results: Where it shows what was found.
        start: What stands there before anything was asked.
        no_film: Name of the choice of no film in particular.
    """

    film: gr.Dropdown
    results: gr.HTML
    start: Callable[[], str]
    no_film: str = "Any film"

    def films(self, engine: Engine) -> gr.Dropdown:
        """The drop-down with the films of now."""
        return gr.Dropdown(choices=film_choices(engine, none=self.no_film))


def video_extensions() -> list[str]:
    """File name endings that the browser offers; what a file is, is decided by its content."""
    return list(_VIDEO_EXTENSIONS)


def sound_extensions() -> list[str]:
    """The same for an example of sound: sound files, and films for their sound."""
    return [*_SOUND_EXTENSIONS, *_VIDEO_EXTENSIONS]


def suspect_extensions() -> list[str]:
    """The same for what copies are looked for in: films, sound files and stills."""
    return [*_VIDEO_EXTENSIONS, *_SOUND_EXTENSIONS, *_STILL_EXTENSIONS]


def film_choices(engine: Engine, *, none: str = "Any film") -> list[tuple[str, str]]:
    """All films by name, after the choice of none in particular."""
    films = [(video.name, video.video_id) for video in engine.videos()]
    return [(none, ANY_FILM), *films]


def film_choice(engine: Engine, *, label: str = "In film", none: str = "Any film") -> gr.Dropdown:
    """A drop-down of the library's films."""
    return gr.Dropdown(film_choices(engine, none=none), value=ANY_FILM, label=label)


def fragment(value: str, *scripts: str, elem_id: str) -> gr.HTML:
    """A part of the page that our templates fill; `scripts` of `app/static` run once with it."""
    folder = resources.files("app") / "static"
    code = "\n".join((folder / name).read_text(encoding="utf-8") for name in scripts)
    return gr.HTML(value, js_on_load=code or None, apply_default_css=False, elem_id=elem_id)


def check_upload(path: Path, engine: Engine, options: UiOptions) -> None:
    """Refuse an upload that is no film or longer than uploads may be.

    Raises:
        MediaError: It cannot be read, or it is too long.
    """
    from retrieval.media.probe import probe

    _check_length(path, probe(path, limits=engine.limits).duration_seconds, options)


def check_suspect(path: Path, engine: Engine, options: UiOptions) -> None:
    """Refuse an upload that is neither film nor sound nor a still, or too long.

    Raises:
        MediaError: It cannot be read, or it is too long.
    """
    from retrieval.match_reading import open_suspect

    _check_length(path, open_suspect(path, limits=engine.limits).duration_seconds, options)


def _check_length(path: Path, seconds: float, options: UiOptions) -> None:
    if seconds > options.max_upload_seconds:
        raise MediaLimitError(
            f"{path.name} lasts {seconds:.0f} s, an upload at most {options.max_upload_seconds:.0f}"
            " s; add longer films with `sceneprint ingest`"
        )
