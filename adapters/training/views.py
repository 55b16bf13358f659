"""Augmented views of training pictures: crops, mirror, colour, grey, blur, JPEG, letterbox.

View 0 is the plain picture and view 1 its mirror image; the others are random. Film frames are
soft, graded and compressed more than photographs, so the views are too.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from adapters.training.pairs import open_picture


def make_view(data: bytes, *, view: int, seed: int, size: int) -> NDArray[np.uint8]:
    """Decodes a picture and returns one of its views.

    Args:
        data: encoded JPEG or PNG.
        view: 0 plain, 1 mirrored, 2 and above random.
        seed: makes the random views repeatable; the same seed and view give the same pixels.
        size: side of the returned square; pictures are squashed to it, as in serving.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    picture = open_picture(data)
    if view >= 2:
        picture = _distort(picture, np.random.default_rng([seed, view]), size)
    elif view == 1:
        picture = ImageOps.mirror(picture)
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)


def _distort(picture: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    picture = _random_crop(picture, rng, size)
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(float(rng.uniform(0.7, 1.3)))
    if rng.random() < 0.05:
        picture = ImageOps.grayscale(picture).convert("RGB")
    if rng.random() < 0.1:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5))))
    if rng.random() < 0.1:
        picture = _recompress(picture, int(rng.integers(20, 60)))
    return picture


def _random_crop(picture: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """Cuts 50-100 % of the area at an aspect up to 1.25 off, and squashes it to a square."""
    width, height = picture.size
    area, aspect = rng.uniform(0.5, 1.0), np.exp(rng.uniform(-0.22, 0.22))
    crop_width = min(width, width * float(np.sqrt(area * aspect)))
    crop_height = min(height, height * float(np.sqrt(area / aspect)))
    left = float(rng.uniform(0, width - crop_width))
    top = float(rng.uniform(0, height - crop_height))
    box = (left, top, left + crop_width, top + crop_height)
    return picture.resize((size, size), Image.Resampling.BILINEAR, box=box)


def _recompress(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
