"""The identity of a video: a hash of its content, so that a moved file keeps its name."""

import hashlib
import time
from pathlib import Path

from retrieval.errors import MediaError, OperationCancelled
from retrieval.media.container import check_file
from retrieval.media.limits import MediaLimits
from retrieval.media.reader import ShouldStop
from retrieval.types import Progress, ProgressCallback

__all__ = ["content_id"]

_CHUNK_BYTES = 4 * 1024**2


def content_id(
    path: Path,
    *,
    limits: MediaLimits | None = None,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> str:
    """`v` and the first 24 hex digits (96 bits) of the SHA-256 over the whole file.

    A million videos collide by chance with a probability below 1e-17.

    Raises:
        NotFoundError, NotMediaError, MediaLimitError: see `check_file`.
        MediaError: the file cannot be read, or its length changed meanwhile.
        OperationCancelled: `should_stop` said so.
    """
    size = check_file(path, limits=limits or MediaLimits()).st_size
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    started, done = time.monotonic(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(view[:count])
                done += count
                if should_stop is not None and should_stop():
                    raise OperationCancelled(f"stopped while reading {path.name}")
                if progress is not None:
                    elapsed = time.monotonic() - started
                    progress(Progress("hash", path.name, done, size, "B", elapsed))
    except OSError as exc:
        raise MediaError(f"{path.name} cannot be read: {exc.strerror}") from exc
    if done != size:
        raise MediaError(f"{path.name} changed while it was read; try again when it is complete")
    return "v" + digest.hexdigest()[:24]
