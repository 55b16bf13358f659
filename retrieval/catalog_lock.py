"""The lock that lets one process at a time write a library, and says who holds it.

The operating system drops the lock when its process ends in any way, so a killed ingest never
leaves a library locked. The file `.lock` itself stays; only the lock on it counts.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import CatalogBusyError, CatalogError

__all__ = ["WriterLock"]

WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.05

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    _FAR = 1 << 30  # the locked byte lies beyond the text, which others may then read

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class WriterLock:
    """A lock between processes, counted within this one.

    Threads of one process share it (SQLite orders their transactions); another process, or
    another opening of the library, is refused after a short wait.

    Args:
        path: The lock file, in the library.
        doing: What the holder does to the library, for the message.
        wait_seconds: How long the holder is waited for.
    """

    def __init__(
        self, path: Path, doing: str = "written", *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._path = path
        self._doing = doing
        self._wait_seconds = wait_seconds
        self._mutex = threading.Lock()
        self._num_holders = 0
        self._descriptor = -1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for a block of work.

        Raises:
            CatalogBusyError: Another process holds it; the message says which.
            CatalogError: The lock file cannot be made.
        """
        with self._mutex:
            if self._num_holders == 0:
                self._acquire()
            self._num_holders += 1
        try:
            yield
        finally:
            with self._mutex:
                self._num_holders -= 1
                if self._num_holders == 0:
                    os.close(self._descriptor)  # which drops the lock

    def _acquire(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise CatalogError(
                f"cannot open {self._path} to lock the library ({error.strerror}); "
                "check the permissions of its directory"
            ) from error
        try:
            self._wait_for(descriptor)
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _own_name().encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                os.lseek(descriptor, 0, os.SEEK_SET)
                holder = os.read(descriptor, 300).decode(errors="replace").strip()
                raise CatalogBusyError(
                    f"the library {self._path.parent} is being {self._doing} by "
                    f"{holder or 'another process'}; wait until it is done, or stop it"
                )
            time.sleep(_POLL_SECONDS)


def _own_name() -> str:
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} ({program}) on {socket.gethostname()} since {since}"
