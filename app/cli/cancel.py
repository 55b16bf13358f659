"""Ctrl-C for long work: once stops cleanly, twice aborts at once.

Either is safe, because a film is in the library whole or not at all; a clean stop also finishes
the report. SIGTERM counts as Ctrl-C.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from app.cli.output import note
from app.problems import ABORTED

__all__ = ["stop_on_interrupt"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield the `should_stop` of the work inside; the handlers are put back afterwards."""
    is_stopping = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        if is_stopping:
            note("\naborted; finished films are kept")
            os._exit(ABORTED)
        is_stopping = True
        note("\nstopping … (Ctrl-C again aborts at once)")

    previous = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield lambda: is_stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
