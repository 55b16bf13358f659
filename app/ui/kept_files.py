"""Files that the interface makes for a page (clips, tables, reports); the oldest go first."""

import secrets
import shutil
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["KeptFiles"]


@dataclass
class KeptFiles:
    """Gives each file a folder of its own, which nobody guesses, and deletes the oldest.

    Attributes:
        folder: Of the interface, which serves what lies in it.
        max_files: How many are kept.
    """

    folder: Path
    max_files: int = 48
    _folders: deque[Path] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def path(self, name: str) -> Path:
        """Where to write the next file; its folder is made."""
        with self._lock:
            own = self.folder / secrets.token_urlsafe(16)
            own.mkdir(parents=True)
            self._folders.append(own)
            while len(self._folders) > self.max_files:
                shutil.rmtree(self._folders.popleft(), ignore_errors=True)
        return own / name
