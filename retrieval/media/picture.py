"""One decoded picture, and how it becomes an image."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

__all__ = ["Picture", "to_rgb"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture before any conversion."""

    seconds: float
    frame: VideoFrame
    pixel_aspect: Fraction = Fraction(1)
    """Width of a pixel over its height."""
    sync_number: int | None = None
    """0-based count of the sync frames in the file, where only those are read."""

    def image(self, *, max_side: int | None = None) -> NDArray[np.uint8]:
        """An upright (H, W, 3) RGB image with square pixels, longest side at most `max_side`."""
        return to_rgb(self.frame, max_side=max_side, pixel_aspect=self.pixel_aspect)


def to_rgb(
    frame: VideoFrame, *, max_side: int | None = None, pixel_aspect: Fraction = Fraction(1)
) -> NDArray[np.uint8]:
    """An upright (H, W, 3) RGB picture with square pixels, longest side at most `max_side`.

    Square pixels are made by shrinking the longer direction: nothing is enlarged.
    """
    width = frame.width * min(1.0, float(pixel_aspect))
    height = frame.height / max(1.0, float(pixel_aspect))
    scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
    small = frame.reformat(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        format="rgb24",
        interpolation="AREA" if scale < 0.5 else "BILINEAR",
    )
    image = small.to_ndarray().astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
