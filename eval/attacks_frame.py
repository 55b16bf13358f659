"""What every edit of the picture is made of: its signature, and small steps that many share.

An edit is made once for a film, from a strength 1 to 3 and a random generator, and becomes a
function of one frame, its time, and a frame of other footage (None outside the copied part).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.attacks_material import Picture

__all__ = [
    "BILINEAR",
    "FrameEdit",
    "MakeEdit",
    "PictureEdit",
    "even",
    "level",
    "on_image",
    "to_bytes",
]

FrameEdit = Callable[[Picture, float, "Picture | None"], Picture]
MakeEdit = Callable[[int, np.random.Generator], FrameEdit]
BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class PictureEdit:
    """One kind of edit: its name, the family it is counted in, and how it is made."""

    name: str
    family: str
    make: MakeEdit


def on_image(change: Callable[[Image.Image], Image.Image]) -> FrameEdit:
    """A frame edit from a function of a PIL image."""
    return lambda image, _seconds, _other: np.asarray(change(Image.fromarray(image)))


def level(strength: int, *values: float) -> float:
    """The value of a strength from 1 to 3."""
    return values[strength - 1]


def to_bytes(values: NDArray[Any]) -> Picture:
    """Clip to 0 to 255 and round down."""
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def even(value: float) -> int:
    """The nearest even whole number, at least 2, as codecs want sides."""
    return max(2, round(value / 2) * 2)
