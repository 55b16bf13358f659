"""Watching a folder: every media file that arrives is matched once, whatever happens between.

A file counts as arrived when its size and time are the same in two looks at the folder. What was
looked through is remembered in the library, so a restart goes on where the last run ended; a file
that was in work when the program was killed is looked through again.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.files import write_whole
from app.matching import Asked, Outcome, Suspect, concerns_all, match_file
from retrieval.engine import Engine
from retrieval.errors import (
    CatalogBusyError,
    InvalidInputError,
    NotFoundError,
    OperationCancelled,
    SceneprintError,
)
from retrieval.ingest_scan import scan
from retrieval.types import ProgressCallback

__all__ = ["Seen", "Watcher", "seen_path"]

VERSION = 1

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""
Status = Literal["copies", "none", "failed"]

logger = logging.getLogger(__name__)


def seen_path(library: Path, folder: Path) -> Path:
    """Where the library remembers what was seen in a folder."""
    digest = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()
    return library / "watch" / f"{digest[:16]}.json"


@dataclass
class Seen:
    """The files of one folder that were looked through, kept in a small JSON file."""

    path: Path
    folder: Path
    _files: dict[str, tuple[Stamp, Status]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, folder: Path) -> "Seen":
        """Read what is remembered; nothing where there is no file or a damaged one.

        Raises:
            InvalidInputError: A newer version wrote it.
        """
        seen = cls(path, folder)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            version = value["version"]
            if version == VERSION:
                seen._files = {name: _entry(entry) for name, entry in value["files"].items()}
        except FileNotFoundError:
            return seen
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            logger.warning("%s is damaged and begun anew: %s", path, error)
            return seen
        if version != VERSION:
            raise InvalidInputError(
                f"got {path} of version {version!r}, this Sceneprint knows {VERSION}; upgrade it, "
                "or delete the file to look through the folder again"
            )
        return seen

    def knows(self, file: Path, stamp: Stamp) -> bool:
        """Whether this file, as it is now, was looked through."""
        entry = self._files.get(self._name(file))
        return entry is not None and entry[0] == stamp

    def add(self, file: Path, stamp: Stamp, status: Status) -> None:
        """Remember a file, on disk too."""
        self._files[self._name(file)] = (stamp, status)
        files = {name: [*entry[0], entry[1]] for name, entry in self._files.items()}
        value = {"version": VERSION, "folder": str(self.folder), "files": files}
        write_whole(self.path, json.dumps(value))  # as ASCII: names may be no UTF-8

    def _name(self, file: Path) -> str:
        return os.path.relpath(file, self.folder)


class _FolderAway(NotFoundError):
    """The watched folder does not exist."""


def _entry(value: Sequence[Any]) -> tuple[Stamp, Status]:
    size, modified_ns, status = value
    return (int(size), int(modified_ns)), status


@dataclass
class Watcher:
    """Looks at a folder again and again.

    Attributes:
        engine: The library that is compared with.
        folder: To watch; its sub-folders too.
        asked: What counts as a match.
        seen: What was looked through.
        on_outcome: Told of each file that was looked through.
        interval_seconds: Between two looks.
        progress: Told of the file in work.
        should_stop: Asked often.
    """

    engine: Engine
    folder: Path
    asked: Asked
    seen: Seen
    on_outcome: Callable[[Outcome], None]
    interval_seconds: float = 5.0
    progress: ProgressCallback | None = None
    should_stop: Callable[[], bool] = lambda: False
    _waiting: dict[Path, Stamp] = field(default_factory=dict)

    def run_once(self) -> None:
        """Look through what lies there now; files that are still being written are left.

        Raises:
            NotFoundError: The folder does not exist.
            SceneprintError: What concerns all files; see `look`.
        """
        self.look()
        if self._waiting:
            self._pause()
            self.look()

    def run(self) -> None:
        """Go on until `should_stop`; a folder that is away for a while is waited for.

        Raises:
            NotFoundError: The folder does not exist at the start.
            SceneprintError: What concerns all files; see `look`.
        """
        is_first, is_away = True, False
        while not self.should_stop():
            try:
                self.look()
                is_away = False
            except CatalogBusyError as error:
                logger.warning("tried again: %s", error)
            except _FolderAway:
                if is_first:
                    raise
                if not is_away:
                    logger.warning("%s is away; waiting for it", self.folder)
                is_away = True
            is_first = False
            self._pause()

    def look(self) -> None:
        """List the folder once and look through the files that have arrived.

        Raises:
            NotFoundError: The folder does not exist.
            SceneprintError: What concerns all files: an empty library, an unknown bank, another
                encoder.
        """
        found = self._listing()
        fresh = {file: stamp for file, stamp in found.items() if not self.seen.knows(file, stamp)}
        ready = [file for file, stamp in fresh.items() if self._waiting.get(file) == stamp]
        self._waiting = fresh
        for file in ready:
            if self.should_stop():
                return
            try:
                outcome = self._matched(file)
            except OperationCancelled:
                return
            self._end(outcome, self._waiting.pop(file))

    def _listing(self) -> dict[Path, Stamp]:
        """Media files that hold anything, by name."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"got {self.folder}, which is a file; name a folder to watch")
        stamps = {}
        for file in self._scanned():
            try:
                stat = file.stat()
            except OSError:  # gone meanwhile
                continue
            if stat.st_size > 0:
                stamps[file] = (stat.st_size, stat.st_mtime_ns)
        return stamps

    def _scanned(self) -> list[Path]:
        try:
            return scan([self.folder], library=self.engine.library).files
        except NotFoundError as error:
            raise _FolderAway(str(error)) from error

    def _matched(self, file: Path) -> Outcome:
        """Match a file; what is wrong with it alone becomes part of the outcome."""
        suspect = Suspect(file, was_named=False)
        try:
            return match_file(self.engine, suspect, self.asked, self.progress, self.should_stop)
        except OperationCancelled:
            raise
        except SceneprintError as error:
            if concerns_all(error, file):
                raise
            if not file.exists():
                return Outcome(file, was_named=False, error=f"{file.name} is gone")
            return Outcome(file, was_named=False, error=str(error))
        except Exception as error:  # a decoder's bug must not end the watch
            logger.error("unexpected error at %s", file, exc_info=error)
            kind = type(error).__name__
            return Outcome(file, was_named=False, error=f"{file.name}: unexpected {kind}: {error}")

    def _end(self, outcome: Outcome, stamp: Stamp) -> None:
        """Tell first and remember then: after a kill in between, the file is told again."""
        self.on_outcome(outcome)
        status: Status = "failed" if outcome.error else "copies" if outcome.matches else "none"
        self.seen.add(outcome.path, stamp, status)

    def _pause(self) -> None:
        ends = time.monotonic() + self.interval_seconds
        while not self.should_stop() and (left := ends - time.monotonic()) > 0:
            time.sleep(min(0.1, left))
