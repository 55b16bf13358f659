"""Clips of hits, cut once and kept in a bounded cache in the library.

The cache is derived: anything in it may be deleted at any time.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.media.clip import cut_clip
from retrieval.types import Segment, Video

__all__ = ["MAX_CLIP_SECONDS", "cached_clip"]

logger = logging.getLogger(__name__)

MAX_CLIP_SECONDS = 120.0
MAX_CACHE_BYTES = 2 * 1024**3
MAX_CACHE_FILES = 1_000

_locks: dict[Path, threading.Lock] = {}
_locks_guard = threading.Lock()


def cached_clip(
    video: Video,
    segment: Segment,
    *,
    cache: Path,
    max_bytes: int = MAX_CACHE_BYTES,
    cut: Callable[[Path, Segment, Path], Path] = cut_clip,
) -> Path:
    """A playable MP4 of a segment; cut on the first call, found again on the next.

    Args:
        video: Of the library.
        segment: Part of it, at most two minutes; its end may lie a little beyond the film's.
        cache: Directory for clips; it is made.
        max_bytes: Size of the cache; those unused for longest go first.
        cut: Cuts a clip out of a file.

    Returns:
        The path of the clip.

    Raises:
        InvalidInputError: The segment is empty, too long or outside the video.
        NotFoundError: The video's file is not where it was.
        MediaError: The file cannot be read.
    """
    wanted = _checked(video, segment)
    path = (
        cache
        / f"{video.video_id}_{_millis(wanted.start_seconds)}_{_millis(wanted.end_seconds)}.mp4"
    )
    with _lock_of(path):
        if path.is_file():
            with suppress(OSError):
                path.touch()  # used now
            return path
        if not video.path.is_file():
            raise NotFoundError(
                f"{video.path} is not where it was; bring it back, or ingest it at its new place"
            )
        cache.mkdir(parents=True, exist_ok=True)
        cut(video.path, wanted, path)
    _trim(cache, keep=path, max_bytes=max_bytes)
    return path


def _checked(video: Video, segment: Segment) -> Segment:
    if not video.has_picture and not video.has_sound:
        raise InvalidInputError(f"{video.path.name} has nothing to play")
    end = min(segment.end_seconds, video.duration_seconds)
    seconds = end - segment.start_seconds
    if seconds <= 0:
        raise InvalidInputError(
            f"got {segment.start_seconds:.3f} to {segment.end_seconds:.3f} s of {video.path.name}, "
            f"which is {video.duration_seconds:.3f} s long; expected a part of it"
        )
    if seconds > MAX_CLIP_SECONDS:
        raise InvalidInputError(
            f"got a segment of {seconds:.0f} s, clips are at most {MAX_CLIP_SECONDS:.0f} s"
        )
    return Segment(segment.start_seconds, end)


def _millis(seconds: float) -> int:
    return round(seconds * 1000)


def _lock_of(path: Path) -> threading.Lock:
    """One lock a clip, so that two viewers of a hit cut it once."""
    with _locks_guard:
        if len(_locks) > 10_000:
            _locks.clear()
        return _locks.setdefault(path, threading.Lock())


def _trim(cache: Path, *, keep: Path, max_bytes: int) -> None:
    """Delete the clips that were not used for longest while there are too many."""
    clips = []
    for path in cache.glob("*.mp4"):
        with suppress(OSError):
            stat = path.stat()
            clips.append((stat.st_mtime_ns, stat.st_size, path))
    clips.sort()
    total = sum(size for _, size, _ in clips)
    surplus = len(clips) - MAX_CACHE_FILES
    for _, size, path in clips:
        if path == keep or (total <= max_bytes and surplus <= 0):
            continue
        with suppress(OSError):
            path.unlink()
        total -= size
        surplus -= 1
