"""How far long work over films is: seconds of film done and to do, speed, and time left.

`ingest` and `reindex` report through it, so that both show the same.
"""

import time
from dataclasses import dataclass, field

from retrieval.types import Progress, ProgressCallback

__all__ = ["Pace"]


@dataclass
class Pace:
    """Seconds of film done and to do, over all files.

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

    def tell(self, stage: str, item: str, inside_seconds: float = 0.0) -> None:
        """Report, `inside_seconds` into the present file."""
        if self.report is None:
            return
        elapsed = time.monotonic() - self.started
        read = self.read_seconds + inside_seconds
        speed = read / elapsed if read > 0 and elapsed > 0 else None
        done = min(self.done_seconds + inside_seconds, self.total_seconds)
        left = (self.total_seconds - done) / speed if speed else None
        self.report(
            Progress(
                stage, item, done, self.total_seconds, "s", elapsed, speed=speed, eta_seconds=left
            )
        )
