"""Pictures that stand for a whole clip, when the clip itself is the question."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import NotMediaError
from retrieval.media.frames import Frame, sampled_frames, sync_frames
from retrieval.media.letterbox import crop_bars
from retrieval.media.probe import probe

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = ["MAX_SIDE", "clip_frames", "is_flat"]

MAX_SIDE = 384
"""Longest side in pixels of pictures for an encoder: more than any common input size."""
MAX_FULL_DECODE_SECONDS = 60.0
FLAT_DEVIATION = 4.0


def clip_frames(
    path: Path, *, max_frames: int, limits: "MediaLimits | None" = None
) -> list[NDArray[np.uint8]]:
    """Frames spread evenly over a clip, without bars and without flat (black, white) ones.

    A short clip is decoded, at most two frames a second; of a long one the sync frames are read.

    Returns:
        1 to `max_frames` pictures (H, W, 3) uint8 RGB; the flat ones only where all are flat.

    Raises:
        NotFoundError: There is no such file.
        NotMediaError: It has no picture.
        MediaError: It cannot be read.
    """
    info = probe(path, limits=limits) if limits is not None else probe(path)
    if not info.has_picture:
        raise NotMediaError(f"{path.name} has no picture to search with")
    gap = max(0.5, info.duration_seconds / max_frames)
    frames: list[Frame] = []
    if info.duration_seconds <= MAX_FULL_DECODE_SECONDS:
        frames = list(sampled_frames(path, every_seconds=gap, max_side=MAX_SIDE, limits=limits))
    else:
        frames = list(sync_frames(path, max_side=MAX_SIDE, min_gap_seconds=gap, limits=limits))
    images = crop_bars([frame.image for frame in frames[: 2 * max_frames]])
    telling = [image for image in images if not is_flat(image)] or images
    if not telling:
        raise NotMediaError(f"no picture of {path.name} can be decoded")
    places = np.linspace(0, len(telling) - 1, min(max_frames, len(telling))).round().astype(int)
    return [telling[place] for place in places]


def is_flat(image: NDArray[np.uint8]) -> bool:
    """Whether a picture is one even tone: black, white, a fade, fog."""
    return float(image[::4, ::4].std(axis=(0, 1)).max()) < FLAT_DEVIATION
