"""Small JPEG pictures that stand for shots in lists and reports."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.errors import InvalidInputError

__all__ = ["MAX_SIDE", "jpeg_thumbnail"]

MAX_SIDE = 320
"""Longest side in pixels of what a library keeps."""


def jpeg_thumbnail(
    image: NDArray[np.uint8], *, max_side: int = MAX_SIDE, quality: int = 80
) -> bytes:
    """Encode an (H, W, 3) uint8 RGB image as a JPEG whose longest side is at most `max_side`.

    Nothing is enlarged; the shape of the picture is kept.

    Raises:
        InvalidInputError: the array is not such an image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InvalidInputError(
            f"got {image.shape = } {image.dtype}, expected a non-empty (H, W, 3) uint8 image"
        )
    picture = Image.fromarray(image)
    scale = min(1.0, max_side / max(picture.size))
    if scale < 1.0:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
