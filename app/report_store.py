"""Evidence reports that the server keeps for a while, under names that nobody guesses.

They lie in the library's cache, which is derived: anything in it may be deleted at any time. The
oldest go first when there are too many.
"""

import re
import secrets
from contextlib import suppress
from pathlib import Path

from app.files import write_whole
from retrieval.errors import NotFoundError

__all__ = ["ReportStore"]

MAX_REPORTS = 200
MAX_BYTES = 512 * 1024**2
_ID = re.compile(r"[0-9a-f]{32}")


class ReportStore:
    """Keeps HTML pages in a folder of its own.

    Args:
        folder: Made on the first report.
        max_reports: How many are kept.
        max_bytes: How large they may be together.
    """

    def __init__(
        self, folder: Path, *, max_reports: int = MAX_REPORTS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._max_reports = max_reports
        self._max_bytes = max_bytes

    def add(self, page: str) -> str:
        """Keep a page; returns its id."""
        report_id = secrets.token_hex(16)
        write_whole(self._path(report_id), page)
        self._trim(keep=report_id)
        return report_id

    def get(self, report_id: str) -> Path:
        """The file of a report.

        Raises:
            NotFoundError: There is none of this id, or it went to make room.
        """
        if _ID.fullmatch(report_id) and self._path(report_id).is_file():
            return self._path(report_id)
        raise NotFoundError(
            f"there is no report {report_id!r}; reports are kept for a while only, match again"
        )

    def _path(self, report_id: str) -> Path:
        return self._folder / f"{report_id}.html"

    def _trim(self, *, keep: str) -> None:
        """Delete the oldest while there are too many."""
        pages = []
        for path in self._folder.glob("*.html"):
            with suppress(OSError):
                stat = path.stat()
                pages.append((stat.st_mtime_ns, stat.st_size, path))
        total, surplus = sum(size for _, size, _ in pages), len(pages) - self._max_reports
        for _, size, path in sorted(pages):
            if path.stem == keep or (total <= self._max_bytes and surplus <= 0):
                continue
            with suppress(OSError):
                path.unlink()
            total, surplus = total - size, surplus - 1
