"""Black bars around a picture: found, so that they can be cut off before encoding.

A bar is a run of rows (or columns) at the border in which nearly no pixel is brighter than
black. Dark scenes look like that too, so a bar must pay for itself: what begins after it must be
clearly brighter at once (a bar ends with a straight edge, a dark sky does not), and opposite
bars must be of about the same width, as letterboxing and pillarboxing make them. Over several
pictures of one film the smallest bars win, and pictures too dark to tell have no say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInputError

__all__ = ["Box", "common_box", "crop", "crop_bars", "find_bars"]

_BLACK = 32
"""Luma (full range 0-255) up to which a pixel counts as black; TV black is 16 before scaling."""
_QUANTILE = 98.0
"""Percent of a line's pixels that must be black: compression leaves specks."""
_EDGE_STEP = 10.0
"""Luma by which the first lines of the picture must outshine the last ones of the bar."""
_MAX_ASYMMETRY = 0.03
"""Difference between opposite bars, as a share of the side."""
_MIN_CONTENT = 0.35
"""Least share of a side that remains; more bar than that is a dark picture."""
_MIN_BAR = 0.015
"""Narrower bars than this share of the side are left alone."""


@dataclass(frozen=True)
class Box:
    """The part of a picture without bars: rows `[top, bottom)`, columns `[left, right)`."""

    top: int
    bottom: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(f"got {self}, expected 0 <= top < bottom and 0 <= left < right")


def find_bars(image: NDArray[np.uint8]) -> Box:
    """The box of an (H, W, 3) uint8 RGB picture without its bars; all of it where none is sure.

    Raises:
        InvalidInputError: the array is not such a picture.
    """
    return _find(image) or _whole(image)


def common_box(images: Sequence[NDArray[np.uint8]]) -> Box:
    """The smallest bars over several pictures of one film, all of one size.

    Pictures that are black nearly everywhere are not counted.

    Raises:
        InvalidInputError: no picture, or pictures of different sizes.
    """
    if not images or len({image.shape for image in images}) != 1:
        raise InvalidInputError("got no picture or pictures of different sizes, expected one size")
    boxes = [box for box in map(_find, images) if box is not None]
    if not boxes:
        return _whole(images[0])
    return Box(
        top=min(box.top for box in boxes),
        bottom=max(box.bottom for box in boxes),
        left=min(box.left for box in boxes),
        right=max(box.right for box in boxes),
    )


def crop(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The part of the picture in the box, as a view."""
    return image[box.top : box.bottom, box.left : box.right]


def crop_bars(images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """The pictures of one film without their bars, as views.

    Pictures of one size are cut alike (`common_box`); each size is judged for itself.
    """
    sizes: dict[tuple[int, ...], list[NDArray[np.uint8]]] = {}
    for image in images:
        sizes.setdefault(image.shape, []).append(image)
    boxes = {shape: common_box(group) for shape, group in sizes.items()}
    return [crop(image, boxes[image.shape]) for image in images]


def _whole(image: NDArray[np.uint8]) -> Box:
    return Box(0, image.shape[0], 0, image.shape[1])


def _find(image: NDArray[np.uint8]) -> Box | None:
    """The box without bars, or None where the picture is too dark to tell."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InvalidInputError(
            f"got {image.shape = } {image.dtype}, expected a non-empty (H, W, 3) uint8 image"
        )
    # Green carries most of luma; the brightest channel would do for saturated colours.
    luma = image.max(axis=2)
    if float(np.percentile(luma[::4, ::4], 90)) <= _BLACK:
        return None
    top, bottom = _bars(luma)
    left, right = _bars(luma[top : luma.shape[0] - bottom].T)
    return Box(top, luma.shape[0] - bottom, left, luma.shape[1] - right)


def _bars(luma: NDArray[np.uint8]) -> tuple[int, int]:
    """Numbers of bar rows at the top and the bottom of an (H, W) picture."""
    height = len(luma)
    is_black = np.percentile(luma, _QUANTILE, axis=1) <= _BLACK
    if not is_black[0] or not is_black[-1] or is_black.all():
        return 0, 0
    top = int(np.argmin(is_black))
    bottom = int(np.argmin(is_black[::-1]))
    sharp = _has_edge(luma, top) and _has_edge(luma[::-1], bottom)
    even = abs(top - bottom) <= max(2.0, _MAX_ASYMMETRY * height)
    wide = min(top, bottom) >= max(2.0, _MIN_BAR * height)
    if not (sharp and even and wide) or height - top - bottom < _MIN_CONTENT * height:
        return 0, 0
    return top, bottom


def _has_edge(luma: NDArray[np.uint8], bar: int) -> bool:
    """Whether the picture begins at once after the bar (one row is left for a soft edge)."""
    inside, outside = luma[bar + 1 : bar + 4], luma[max(0, bar - 3) : bar]
    return inside.size > 0 and float(inside.mean()) - float(outside.mean()) >= _EDGE_STEP
