"""The page: header, five tabs, look; and how it is mounted on the HTTP application."""

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Scope

from app.ui import render
from app.ui.classify_tab import build_classify
from app.ui.label_tab import build_label
from app.ui.library_tab import build_library, library_table
from app.ui.match_tab import build_match
from app.ui.options import UiOptions
from app.ui.parts import Tab, fragment
from app.ui.search_tab import build_search
from app.ui.theme import make_theme
from app.ui.work import Stops
from retrieval.engine import Engine

__all__ = ["build_ui", "mount"]

T = TypeVar("T")

CACHE_SECONDS = (1800, 24 * 3600)
"""How often uploads are looked through, and how old those are that go."""


def build_ui(engine: Engine, *, options: UiOptions | None = None) -> gr.Blocks:
    """Build the interface over an open engine; `mount` serves it."""
    return _in_a_loop(lambda: _build(engine, options or UiOptions(), _private_folder()))


def _build(engine: Engine, options: UiOptions, folder: Path) -> gr.Blocks:
    match_stops, classify_stops, library_stops = Stops(), Stops(), Stops()
    with gr.Blocks(
        title="Sceneprint", analytics_enabled=False, fill_width=True, delete_cache=CACHE_SECONDS
    ) as blocks:
        header = fragment("", elem_id="header")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Search", id="search"):
                search = build_search(engine, options)
            with gr.Tab("Match", id="match"):
                match = build_match(engine, options, stops=match_stops, folder=folder)
            with gr.Tab("Classify", id="classify"):
                classify = build_classify(engine, options, stops=classify_stops)
            tabs = [search, match, classify]
            if options.may_change:
                with gr.Tab("Label", id="label") as tab:
                    tabs.append(build_label(engine, options, tab=tab, page=blocks))
            with gr.Tab("Library", id="library"):
                table = build_library(engine, options, stops=library_stops)
        _follow_library(engine, blocks, (header, table), tabs)
        for stops in (match_stops, classify_stops, library_stops):
            blocks.unload(stops.stop)
    return blocks


def _follow_library(
    engine: Engine, blocks: gr.Blocks, own: tuple[gr.HTML, gr.HTML], tabs: Sequence[Tab]
) -> None:
    """Show the library as it is when a page opens, and again when the page changed it."""
    header, table = own

    def refresh(*shown: str) -> list[Any]:
        starts = [
            tab.start() if "sp-empty" in (html or "") else gr.skip()
            for tab, html in zip(tabs, shown, strict=True)
        ]
        return [render.header(engine.info()), *(tab.films(engine) for tab in tabs), *starts]

    results = [tab.results for tab in tabs]
    outputs = [header, *(tab.film for tab in tabs), *results]
    table.change(refresh, results, outputs, api_visibility="private", show_progress="hidden")
    blocks.load(refresh, results, outputs, api_visibility="private", show_progress="hidden")
    blocks.load(
        lambda: library_table(engine), None, table, api_visibility="private", show_progress="hidden"
    )


def mount(app: FastAPI, engine: Engine, *, options: UiOptions | None = None) -> FastAPI:
    """Serve the interface at `/` of the HTTP application; mount it after all other routes.

    Thumbnails and clips come from the application's own `/v1/thumbnails` and `/v1/clips`.
    """
    options = options or UiOptions()
    blocks = build_ui(engine, options=options)
    _in_a_loop(lambda: _mount(app, blocks, options))
    return app


def _mount(app: FastAPI, blocks: gr.Blocks, options: UiOptions) -> None:
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=make_theme(),
        css_paths=[
            Path(str(resources.files("app") / "static" / "ui.css")),
            Path(str(resources.files("app") / "templates" / "evidence.css")),
        ],
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
    *own, page = app.router.routes
    assert isinstance(page, Mount)
    app.router.routes[-1] = _PageMount(page.app, own)


class _PageMount(Mount):
    """Serves the page at `/` and leaves the API's paths to the API, also its 404 and 405."""

    def __init__(self, page: ASGIApp, own: Sequence[BaseRoute]) -> None:
        super().__init__("/", app=page, name="page")
        self.own = own

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what the API does not know."""
        path = scope["path"]
        if path == "/v1" or path.startswith("/v1/"):
            return Match.NONE, {}
        if any(route.matches(scope)[0] is Match.PARTIAL for route in self.own):
            return Match.NONE, {}
        return super().matches(scope)


def _private_folder() -> Path:
    """Make the folder for uploads, readable by this user alone, and have Gradio use it.

    Gradio's default is one folder that all users of a machine share. It takes another only from
    the environment.
    """
    folder = Path(tempfile.mkdtemp(prefix="sceneprint-ui-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _in_a_loop(make: Callable[[], T]) -> T:
    """Call `make` while an event loop runs: where none does, Gradio leaves one of its own open."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:

        async def run() -> T:
            return make()

        return asyncio.run(run())
    return make()
