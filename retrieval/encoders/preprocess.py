"""From pictures of any sizes to what a picture network sees, with Pillow and numpy alone.

Equal to the transforms of open_clip and transformers, so that an exported network gives what its
original gives; each way of resizing is one function from the picture's size to a `_Plan`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders.manifest import ImageTower
from retrieval.types import FloatArray

__all__ = ["pictures_to_batch"]


@dataclass(frozen=True)
class _Plan:
    """How one picture gets the network's size."""

    resized: tuple[int, int]
    """Height and width after scaling."""
    top: int = 0
    """Row of the scaled picture at which the result begins; below zero rows are filled in."""
    left: int = 0


def pictures_to_batch(images: Sequence[NDArray[np.uint8]], tower: ImageTower) -> FloatArray:
    """Bring pictures to the network's size and scale their values.

    Args:
        images: N pictures, each (H, W, 3) uint8 RGB.
        tower: size, how to get there, mean and deviation.

    Returns:
        (N, 3, height, width) float32, (x / 255 - mean) / std.
    """
    height, width = tower.size
    factor = (1.0 / (255.0 * np.array(tower.std))).astype(np.float32)[:, None, None]
    shift = (-np.array(tower.mean) / np.array(tower.std)).astype(np.float32)[:, None, None]
    batch = np.empty((len(images), 3, height, width), dtype=np.float32)
    for row, image in zip(batch, images, strict=True):
        np.multiply(_fitted(image, tower).transpose(2, 0, 1), factor, out=row)
        row += shift
    return batch


def _fitted(image: NDArray[np.uint8], tower: ImageTower) -> NDArray[np.uint8]:
    """One picture, scaled and cut or filled to the network's size."""
    plan = _PLANS[tower.resize](image.shape[0], image.shape[1], tower)
    if image.shape[:2] != plan.resized:
        height, width = plan.resized
        resample = Image.Resampling[tower.interpolation.upper()]
        small = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), resample)
        image = np.asarray(small)
    return image if plan.resized == tower.size else _placed(image, plan, tower)


def _placed(image: NDArray[np.uint8], plan: _Plan, tower: ImageTower) -> NDArray[np.uint8]:
    """Cut out of a scaled picture what the network sees; what lies outside it is filled."""
    canvas = np.full((*tower.size, 3), tower.fill, dtype=np.uint8)
    from_rows, to_rows = _overlap(plan.top, tower.size[0], image.shape[0])
    from_columns, to_columns = _overlap(plan.left, tower.size[1], image.shape[1])
    canvas[to_rows, to_columns] = image[from_rows, from_columns]
    return canvas


def _overlap(start: int, wanted: int, there: int) -> tuple[slice, slice]:
    """Where a window lies in a line of pixels, and where these lie in the window."""
    first, last = max(start, 0), min(start + wanted, there)
    return slice(first, last), slice(first - start, last - start)


def _squash(height: int, width: int, tower: ImageTower) -> _Plan:
    return _Plan(tower.size)


def _shortest(height: int, width: int, tower: ImageTower) -> _Plan:
    """Scale so that the shorter side fits, then cut out the centre."""
    if tower.edge is None and tower.size[0] != tower.size[1]:
        ratio = min(height / tower.size[0], width / tower.size[1])
        resized = _scaled(height, width, ratio)
    else:
        edge = tower.edge or tower.size[0]
        longer = int(edge * max(height, width) / min(height, width))
        resized = (edge, longer) if height <= width else (longer, edge)
    return _centred(resized, tower)


def _longest(height: int, width: int, tower: ImageTower) -> _Plan:
    """Scale so that the longer side fits, then fill up around the centre."""
    ratio = max(height / tower.size[0], width / tower.size[1])
    return _centred(_scaled(height, width, ratio), tower)


def _scaled(height: int, width: int, ratio: float) -> tuple[int, int]:
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _centred(resized: tuple[int, int], tower: ImageTower) -> _Plan:
    top, left = (
        _start(there, wanted, tower.crop) for there, wanted in zip(resized, tower.size, strict=True)
    )
    return _Plan(resized, top, left)


def _start(there: int, wanted: int, crop: str) -> int:
    """First pixel of the centre; negative where fewer are there than wanted.

    The half pixel of an odd rest goes below and to the right of what is filled in, and where the
    reference rounds it when it cuts.
    """
    if there < wanted:
        return -((wanted - there) // 2)
    return (there - wanted) // 2 if crop == "down" else round((there - wanted) / 2)


_PLANS: dict[str, Callable[[int, int, ImageTower], _Plan]] = {
    "squash": _squash,
    "shortest": _shortest,
    "longest": _longest,
}
