"""Long work behind a button: progress while it runs, a way to stop it, our errors as notices.

The work runs in a thread of its own; the event handler is a generator that looks at the latest
report a few times a second and yields it to the page.
"""

import logging
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from html import escape
from typing import Generic, TypeVar

import gradio as gr

from retrieval.errors import OperationCancelled, SceneprintError
from retrieval.types import Progress, ProgressCallback

__all__ = ["Done", "Stops", "notify", "run"]

T = TypeVar("T")
Work = Callable[[ProgressCallback, Callable[[], bool]], T]

POLL_SECONDS = 0.2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done(Generic[T]):
    """The end of the work, with what it returned."""

    value: T


@dataclass
class Stops:
    """The stop switches of running work, by browser session."""

    _switches: dict[str, threading.Event] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, session: str | None) -> threading.Event:
        """Make the switch of new work; work that the session still runs is stopped."""
        switch = threading.Event()
        with self._lock:
            previous = self._switches.pop(session or "", None)
            self._switches[session or ""] = switch
        if previous is not None:
            previous.set()
        return switch

    def stop(self, request: gr.Request) -> None:
        """Stop what the session runs, because a person asked or the page was left."""
        with self._lock:
            switch = self._switches.pop(request.session_hash or "", None)
        if switch is not None:
            switch.set()


def run(work: Work[T], switch: threading.Event) -> Generator[Progress | Done[T] | None, None, None]:
    """Yield the latest report while `work` runs (None before the first), then `Done`.

    Raises whatever the work raises. When the page goes away the generator is closed, which stops
    the work.
    """
    latest: list[Progress | None] = [None]

    def report(progress: Progress) -> None:
        latest[0] = progress

    with ThreadPoolExecutor(1, thread_name_prefix="sceneprint-ui") as pool:
        future = pool.submit(work, report, switch.is_set)
        try:
            while not future.done():
                yield latest[0]
                wait([future], timeout=POLL_SECONDS)
            yield Done(future.result())
        finally:
            switch.set()


def notify(error: Exception) -> None:
    """Show an error as a notice: our own message, or that the log has the details."""
    if isinstance(error, OperationCancelled):
        gr.Info("Stopped.", title="Stopped")
    elif isinstance(error, SceneprintError):
        gr.Warning(escape(str(error)), title="Not done")
    else:
        logger.error("the interface failed", exc_info=error)
        gr.Warning("Something unexpected happened; the server's log has the details.", title="Oh")
