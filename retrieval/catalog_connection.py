"""Connections to a library's catalog file, shared by threads, with errors put in our words.

A connection serves one thread at a time and goes back to the pool, so that the short-lived
threads of a server neither share a connection nor leave one behind.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.catalog_schema import prepare
from retrieval.errors import CatalogBusyError, CatalogError, InvalidInputError, NotFoundError

__all__ = ["ConnectionPool", "sqlite_errors"]

BUSY_TIMEOUT_SECONDS = 10.0


class ConnectionPool:
    """Open connections to one catalog file.

    Args:
        path: The catalog file.
        create: Whether a missing or empty file becomes a new catalog (its directory must exist).

    Raises:
        NotFoundError: There is no catalog and `create` is false.
        CatalogError: The file cannot be opened and written, or is not a catalog (see `prepare`).
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        _check_access(path, create=create)
        with sqlite_errors(path):
            connection = _connect(path, create=create)
            try:
                prepare(connection, path, create=create)
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a read transaction: one unchanging view of the catalog."""
        with self._lent() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writer(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a write transaction; committed unless the block raises."""
        with self._lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close what is idle now; what is lent is closed when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self._path):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._is_closed:
                raise CatalogError(f"the catalog {self._path} is closed; open it again")
            if self._idle:
                return self._idle.pop()
        return _connect(self._path, create=False)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            connection.rollback()  # ends a read; undoes a write that did not reach its commit
        except sqlite3.Error:
            connection.close()
            return
        with self._lock:
            if not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into CatalogError with advice, keeping the cause."""
    try:
        yield
    except sqlite3.OperationalError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise CatalogBusyError(
                f"{path} stayed locked by another process; try again when it is done ({error})"
            ) from error
        advice = _OPERATIONAL_ADVICE.get(name.split("_")[1] if "_" in name else "", "")
        raise CatalogError(f"cannot use {path}: {error}{advice}") from error
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"got {error.object!r:.200}, which is not valid Unicode") from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a mistake of ours, not of the file
    except sqlite3.DatabaseError as error:
        raise CatalogError(
            f"{path} is damaged or is not a catalog ({error}); put back a copy of it, or move "
            "the library directory away and ingest the films again (the films are untouched)"
        ) from error


_OPERATIONAL_ADVICE = {
    "FULL": "; free some disk space and go on: what was finished is kept",
    "READONLY": "; a library must be writable, copy it to a writable place",
    "CANTOPEN": "; check that the directory exists and is readable and writable",
    "IOERR": "; the disk or network share failed, check it and go on: what was finished is kept",
}


def _check_access(path: Path, *, create: bool) -> None:
    """Refuse early, with advice, what SQLite would refuse late or open read-only."""
    library = path.parent
    if library.exists() and not library.is_dir():
        raise CatalogError(f"got {library}, a file; expected the directory of a library")
    if not path.exists() and not create:
        raise NotFoundError(
            f"got {library}, which holds no library; add films to it with "
            f"`sceneprint ingest PATH --library {library}`, or name another one with --library"
        )
    for place in (library, path):
        is_effective = os.access in os.supports_effective_ids
        if place.exists() and not os.access(place, os.R_OK | os.W_OK, effective_ids=is_effective):
            raise CatalogError(
                f"cannot read and write {place}; a library needs both (SQLite keeps files beside "
                "the catalog even for reading); change the permissions or copy the library"
            )


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file in autocommit mode: transactions begin and end where we say."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # the pool lends it to one thread at a time
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
    return connection
