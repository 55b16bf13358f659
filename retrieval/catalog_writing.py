"""How a catalog is changed: one transaction at a time, each with a new generation."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.catalog_connection import ConnectionPool
from retrieval.catalog_lock import WriterLock
from retrieval.catalog_reader import CatalogReader

__all__ = ["LOCK_NAME", "CatalogWriting"]

LOCK_NAME = ".lock"


class CatalogWriting(CatalogReader):
    """A catalog that can be read and changed; the arguments are those of `CatalogReader`."""

    def __init__(self, library: Path, pool: ConnectionPool) -> None:
        super().__init__(library, pool)
        self._lock = WriterLock(library / LOCK_NAME)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing during a longer work; every write takes this lock too.

        Raises:
            CatalogBusyError: Another process is writing; the message says which.
        """
        with self._lock.held():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Write under the lock, giving the library a new generation; all or nothing."""
        with self._lock.held(), self._pool.writer() as connection:
            yield connection, begin_generation(connection)


def begin_generation(connection: sqlite3.Connection) -> int:
    """Give the library a new state inside a transaction; return its number."""
    cursor = connection.execute(
        "INSERT INTO generations (token) VALUES (?)", (os.urandom(8).hex(),)
    )
    return int(cursor.lastrowid or 0)
