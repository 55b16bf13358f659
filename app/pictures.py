"""Stills that a person brings as a query: read from a hostile file into upright RGB.

Only common still formats are opened, the size is checked from the header before any pixel is
decoded, and what Pillow raises comes out as our media errors.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from retrieval.errors import CorruptMediaError, MediaLimitError, NotFoundError, NotMediaError

__all__ = ["FORMATS", "MAX_PIXELS", "read_picture"]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 8192 * 4320


def read_picture(
    source: Path | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Read a still image (of an animation the first picture).

    Args:
        source: Path or an open binary file.
        name: How errors call it; the file name by default.
        max_pixels: Width x height that is accepted.

    Returns:
        `(H, W, 3) uint8` RGB, turned upright by its EXIF flag.

    Raises:
        NotFoundError: There is no such file.
        NotMediaError: It is not an image of a known format.
        MediaLimitError: It has more than `max_pixels`.
        CorruptMediaError: It cannot be decoded.
    """
    shown = name or (source.name if isinstance(source, Path) else "image")
    try:
        with Image.open(source, formats=FORMATS) as image:
            _check_size(image, shown, max_pixels)
            return _upright_rgb(image)
    except FileNotFoundError as exc:
        raise NotFoundError(f"there is no image file {source}; give the path of a file") from exc
    except UnidentifiedImageError as exc:
        known = ", ".join(FORMATS)
        raise NotMediaError(f"{shown} is not an image; expected one of {known}") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise MediaLimitError(f"{shown} has too many pixels, at most {max_pixels}") from exc
    except MediaLimitError:
        raise
    except Exception as exc:  # decoders fail on hostile bytes in many ways; all mean the same
        raise CorruptMediaError(f"{shown} cannot be decoded as an image: {exc}") from exc


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise MediaLimitError(
            f"{name} is {width} x {height}, at most {max_pixels} pixels are allowed; scale it down"
        )


def _upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        ground = Image.new("RGBA", upright.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(ground, upright)
    return np.asarray(upright.convert("RGB"), dtype=np.uint8)
