"""Pictures of a film as RGB arrays at chosen times.

The generators hold one picture at a time, whatever the length of the film.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import CorruptMediaError, InvalidInputError
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from retrieval.media.reader import ShouldStop, open_pictures

__all__ = ["Frame", "frame_at", "frames_between", "sampled_frames", "sync_frames"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a film."""

    seconds: float
    """From the first picture of the film."""
    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB, upright."""


def sync_frames(
    path: Path,
    *,
    max_side: int | None = None,
    min_gap_seconds: float = 0.0,
    limits: MediaLimits | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[Frame]:
    """Sync frames in order: by far the fastest way through a film.

    Args:
        path: A film.
        max_side: Longest side of the images in pixels; None for full size. Nothing is enlarged.
        min_gap_seconds: Least time between two of them.
        limits: Bounds on the file.
        should_stop: Asked often; raises OperationCancelled when it says yes.
    """
    with open_pictures(path, limits=limits, should_stop=should_stop) as reader:
        for picture in reader.sync_pictures(min_gap_seconds=min_gap_seconds):
            yield _frame(picture, max_side)


def frames_between(
    path: Path,
    start: float = 0.0,
    end: float | None = None,
    *,
    max_side: int | None = None,
    limits: MediaLimits | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[Frame]:
    """Every frame shown in `[start, end)` seconds; `end` None means to the end of the film."""
    for picture in _pictures_between(path, start, end, limits, should_stop):
        yield _frame(picture, max_side)


def sampled_frames(
    path: Path,
    *,
    every_seconds: float,
    start: float = 0.0,
    end: float | None = None,
    max_side: int | None = None,
    limits: MediaLimits | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[Frame]:
    """The first frame at or after each of `start`, `start + every_seconds`, … before `end`.

    Raises:
        InvalidInputError: `every_seconds` is not positive.
    """
    if not every_seconds > 0:
        raise InvalidInputError(f"got {every_seconds = }, expected a positive number of seconds")
    due = start
    for picture in _pictures_between(path, start, end, limits, should_stop):
        if picture.seconds >= due - 1e-6:
            yield _frame(picture, max_side)
            steps = int((picture.seconds - start + 1e-6) / every_seconds) + 1
            due = start + steps * every_seconds


def frame_at(
    path: Path,
    seconds: float,
    *,
    max_side: int | None = None,
    limits: MediaLimits | None = None,
) -> Frame:
    """The frame on screen at `seconds`; the last one when the film ends before.

    Raises:
        CorruptMediaError: no picture can be decoded.
        InvalidInputError: `seconds` is negative.
    """
    if not seconds >= 0:
        raise InvalidInputError(f"got {seconds = }, expected 0 or more")
    with open_pictures(path, limits=limits) as reader:
        reader.seek(seconds)
        shown: Frame | None = None
        for picture in reader.pictures():
            if shown is not None and picture.seconds > seconds + 1e-6:
                break
            shown = _frame(picture, max_side)
    if shown is None:
        raise CorruptMediaError(f"{path.name} has no picture that can be decoded")
    return shown


def _pictures_between(
    path: Path,
    start: float,
    end: float | None,
    limits: MediaLimits | None,
    should_stop: ShouldStop | None,
) -> Iterator[Picture]:
    if start < 0 or (end is not None and end < start):
        raise InvalidInputError(f"got {start = } and {end = }, expected 0 <= start <= end")
    with open_pictures(path, limits=limits, should_stop=should_stop) as reader:
        if start > 0:
            reader.seek(start)
        for picture in reader.pictures():
            if end is not None and picture.seconds >= end - 1e-6:
                return
            if picture.seconds >= start - 1e-6:
                yield picture


def _frame(picture: Picture, max_side: int | None) -> Frame:
    return Frame(picture.seconds, picture.image(max_side=max_side))
