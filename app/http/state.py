"""What the routes share: the engine, the settings, jobs and metrics, and the room to compute in."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from app.http.errors import ProblemError
from app.http.metrics import Metrics
from app.jobs import JobStore
from app.report_store import ReportStore
from app.settings import Settings
from retrieval.engine import Engine

__all__ = ["AppState", "State"]

T = TypeVar("T")


@dataclass
class AppState:
    """One running application."""

    engine: Engine
    settings: Settings
    jobs: JobStore
    metrics: Metrics
    ready: threading.Event = field(default_factory=threading.Event)
    """Set once encoder and index are loaded."""
    failure: Exception | None = None
    """Why they could not be."""

    @cached_property
    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(self.settings.server.max_concurrency)

    @property
    def uploads_dir(self) -> Path:
        """Where ingested uploads stay."""
        return self.engine.library / "uploads"

    @cached_property
    def reports(self) -> ReportStore:
        """Evidence reports of matches."""
        return ReportStore(self.engine.library / "cache" / "reports")

    async def compute(self, work: Callable[[], T]) -> T:
        """Run work in a thread while the event loop goes on, a bounded number at a time.

        Raises:
            ProblemError: 503, when too many requests wait already.
        """
        waiting = self._limiter.statistics().tasks_waiting
        if waiting > self.settings.server.max_waiting:
            raise ProblemError(503, f"{waiting} requests wait already; try again later")
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.sceneprint
    return state


State = Annotated[AppState, Depends(_state)]
