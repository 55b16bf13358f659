"""How far long work over films is: seconds of film done and to do, speed, and time left.

`ingest` and `reindex` report through it, so that both show the same.
"""

import threading
import time
from dataclasses import dataclass, field

from retrieval.types import Progress, ProgressCallback

__all__ = ["Pace"]


@dataclass
class Pace:
    """Seconds of film done and to do, over all files; may be told from several threads.

    Attributes:
        report: Where reports go; None for nowhere.
        started: When the work began, on the monotonic clock.
        total_seconds: Of film to look at.
        done_seconds: Of film that is done with.
        read_seconds: Of the done ones, those that were read: what speed is measured on.
    """

    report: ProgressCallback | None
    started: float = field(default_factory=time.monotonic)
    total_seconds: float = 0.0
    done_seconds: float = 0.0
    read_seconds: float = 0.0

    _inside: dict[str, float] = field(default_factory=dict)
    """Of the files in work."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, stage: str, item: str, inside_seconds: float = 0.0) -> None:
        """Report, `inside_seconds` into the present file."""
        with self._lock:
            self._inside[item] = inside_seconds
            self._report(stage, item)

    def finish(self, stage: str, item: str, seconds: float) -> None:
        """Report that a file of so many seconds is done with."""
        with self._lock:
            self._inside.pop(item, None)
            self.done_seconds += seconds
            self._report(stage, item)

    def _report(self, stage: str, item: str) -> None:
        if self.report is None:
            return
        elapsed, inside = time.monotonic() - self.started, sum(self._inside.values())
        read = self.read_seconds + inside
        speed = read / elapsed if read > 0 and elapsed > 0 else None
        done = min(self.done_seconds + inside, self.total_seconds)
        left = (self.total_seconds - done) / speed if speed else None
        self.report(
            Progress(
                stage, item, done, self.total_seconds, "s", elapsed, speed=speed, eta_seconds=left
            )
        )
