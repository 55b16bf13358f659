"""Puts the HTTP application together: routes, guards, errors, and the browser interface."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.http import (
    routes_adapters,
    routes_classify,
    routes_health,
    routes_jobs,
    routes_labels,
    routes_match,
    routes_media,
    routes_search,
    routes_videos,
)
from app.http.errors import PROBLEM_SCHEMA, add_error_handlers
from app.http.guard import Guard, Observe
from app.http.metrics import Metrics
from app.http.state import AppState
from app.jobs import JobStore
from app.settings import Settings
from retrieval.engine import Engine

__all__ = ["create_app"]

ROUTES = (
    routes_search,
    routes_match,
    routes_classify,
    routes_videos,
    routes_media,
    routes_labels,
    routes_adapters,
    routes_jobs,
    routes_health,
)

DESCRIPTION = """\
Find shots and scenes by words, stills and clips; find copied footage; score labels.

Times are seconds from the start of a film; segments are half-open. Errors are problem details
(RFC 9457). Work that takes long is a job: wait for it with `?wait=30`, or ask for its `url`."""

logger = logging.getLogger(__name__)


def create_app(
    settings: Settings, *, engine: Engine, on_ready: Callable[[], None] | None = None
) -> FastAPI:
    """Make the application over an open engine, which stays the caller's to close.

    Args:
        settings: Bounds and addresses.
        engine: The library that is served.
        on_ready: Called once encoder and index are loaded.
    """
    state = AppState(engine, settings, _job_store(settings), Metrics())
    _add_gauges(state)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_preload, args=(state, on_ready), daemon=True).start()
        yield
        state.jobs.close()

    app = FastAPI(
        title="Sceneprint",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.sceneprint = state
    for module in ROUTES:
        app.include_router(module.router)
    add_error_handlers(app)
    app.add_middleware(
        Guard,
        allowed_hosts={*settings.server.allowed_hosts, settings.server.host},
        max_body_bytes=settings.upload.max_bytes,
    )
    app.add_middleware(Observe, metrics=state.metrics)
    _describe(app)
    return _with_ui(app, state) if settings.server.ui else app


def _job_store(settings: Settings) -> JobStore:
    jobs = settings.jobs
    return JobStore(
        workers=jobs.workers, max_waiting=jobs.max_waiting, keep_seconds=jobs.keep_seconds
    )


def _add_gauges(state: AppState) -> None:
    gauge = state.metrics.gauge
    gauge("jobs_unfinished", "Jobs that wait or run", state.jobs.count_unfinished)
    gauge("videos", "Films in the library", lambda: state.engine.info().num_videos)
    gauge("shots", "Shots in the library", lambda: state.engine.info().num_shots)
    gauge("ready", "1 once encoder and index are loaded", lambda: float(state.ready.is_set()))


def _preload(state: AppState, on_ready: Callable[[], None] | None) -> None:
    """Load encoder and index before the first request needs them."""
    try:
        state.engine.warm_up()
    except Exception as exc:
        logger.error("the encoder cannot be loaded: %s", exc)
        state.failure = exc
        return
    state.ready.set()
    if on_ready is not None:
        on_ready()


def _version() -> str:
    from importlib.metadata import version

    return version("sceneprint")


def _describe(app: FastAPI) -> None:
    """Have the OpenAPI hold the problem model and none of FastAPI's own error shapes."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components["ProblemView"] = PROBLEM_SCHEMA.model_json_schema()
            components.pop("HTTPValidationError", None)
            components.pop("ValidationError", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_ui(app: FastAPI, state: AppState) -> FastAPI:
    from app.ui import UiOptions, mount

    server = state.settings.server
    options = UiOptions(
        max_upload_bytes=state.settings.upload.max_bytes,
        max_upload_seconds=state.settings.upload.max_seconds,
        accepts_paths=server.host in ("127.0.0.1", "localhost", "::1"),
        may_change=server.may_change,
    )
    return mount(app, state.engine, options=options)
