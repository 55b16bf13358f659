"""The page: header, four tabs, look; and how it is mounted on the HTTP application."""

import atexit
import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from app.ui import render
from app.ui.classify_tab import build_classify
from app.ui.library_tab import build_library
from app.ui.match_tab import build_match
from app.ui.options import UiOptions
from app.ui.parts import film_choices
from app.ui.search_tab import build_search
from app.ui.theme import make_theme
from retrieval.engine import Engine

__all__ = ["build_ui", "mount"]

CACHE_SECONDS = (1800, 24 * 3600)
"""How often uploads are looked through, and how old those are that go."""


def build_ui(engine: Engine, *, options: UiOptions | None = None) -> gr.Blocks:
    """Build the interface over an open engine; `mount` serves it."""
    options = options or UiOptions()
    folder = _private_folder()
    with gr.Blocks(
        title="Sceneprint", analytics_enabled=False, fill_width=True, delete_cache=CACHE_SECONDS
    ) as blocks:
        header = gr.HTML(lambda: render.header(engine.info()), elem_id="header")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Search", id="search"):
                search_film = build_search(engine, options)
            with gr.Tab("Match", id="match"):
                match_film = build_match(engine, options, folder=folder)
            with gr.Tab("Classify", id="classify"):
                classify_film = build_classify(engine, options)
            with gr.Tab("Library", id="library"):
                table = build_library(engine, options)

        def refresh() -> list[Any]:
            films = film_choices(engine)
            first = gr.Dropdown(choices=films)
            none = gr.Dropdown(choices=[("None", films[0][1]), *films[1:]])
            return [render.header(engine.info()), first, first, none]

        outputs = [header, search_film, match_film, classify_film]
        table.change(refresh, None, outputs, api_visibility="private", show_progress="hidden")
    return blocks


def mount(app: FastAPI, engine: Engine, *, options: UiOptions | None = None) -> FastAPI:
    """Serve the interface at `/` of the HTTP application; mount it after all other routes.

    Thumbnails and clips come from the application's own `/v1/thumbnails` and `/v1/clips`.
    """
    options = options or UiOptions()
    gr.mount_gradio_app(
        app,
        build_ui(engine, options=options),
        path="/",
        theme=make_theme(),
        css_paths=[Path(str(resources.files("app") / "static" / "ui.css"))],
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=options.max_upload_bytes,
        allowed_paths=[],
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    return app


def _private_folder() -> Path:
    """Make the folder for uploads, readable by this user alone, and have Gradio use it.

    Gradio's default is one folder that all users of a machine share. It takes another only from
    the environment.
    """
    folder = Path(tempfile.mkdtemp(prefix="sceneprint-ui-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
