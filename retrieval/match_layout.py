"""What a frame looks like, as a small layout of edges: the second, stricter eye of copy matching.

Embeddings say that two frames show the same kind of thing; a copy shows the same picture. The
layout of a frame is its 24 x 14 grid of light, differentiated along both axes and scaled to unit
norm: brightness and contrast fall out, and the inner product of two layouts is their normalised
correlation. On unrelated real films it stays below about 0.45 at the best of all moments, on
copies it is above 0.65 after re-encoding or a crop of a tenth.

A suspect is often a crop of the original, so reference frames are described in several windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.types import FloatArray

__all__ = [
    "COARSE_WINDOWS",
    "DEEP_WINDOWS",
    "FULL",
    "LightSums",
    "Window",
    "describe",
    "layouts_of",
    "light_grids",
    "nearby_windows",
]

GRID_WIDTH, GRID_HEIGHT = 24, 14
HALF = (GRID_WIDTH - 1) * (GRID_HEIGHT - 1)
ALL = slice(None)
MIN_CONTRAST = 25.0
"""Norm of the differentiated grid below which a frame is flat (black, white, fog): it would match
any other flat frame, so its layout is zero and speaks neither for nor against a match."""


@dataclass(frozen=True)
class Window:
    """A part of the frame: its size and the place of its corner, all in [0, 1]."""

    scale: float
    """Share of the width, and of the height too unless `scale_down` says otherwise."""
    x: float
    y: float
    """Place of the corner, 0 = left or top edge, 1 = as far right or down as it fits."""
    scale_down: float | None = None
    """Share of the height where the window has another aspect than the frame."""

    @property
    def height(self) -> float:
        """Share of the height."""
        return self.scale if self.scale_down is None else self.scale_down

    def box(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels."""
        left = self.x * (1.0 - self.scale) * width
        top = self.y * (1.0 - self.height) * height
        return left, top, left + self.scale * width, top + self.height * height


FULL = Window(1.0, 0.0, 0.0)
COARSE_WINDOWS = (
    FULL,
    *(Window(scale, x, y) for scale in (0.9, 0.8) for x in (0, 0.5, 1) for y in (0, 0.5, 1)),
)


PLACES = (0, 0.25, 0.5, 0.75, 1)
DEEP_WINDOWS = (
    *(Window(scale, x, y) for scale in (0.7, 0.6, 0.5, 0.42) for x in PLACES for y in PLACES),
    *(Window(scale, x, 0, 1.0) for scale in (0.8, 0.63, 0.5) for x in (0, 0.5, 1)),
    *(Window(1.0, 0, y, scale) for scale in (0.75, 0.5) for y in (0, 0.5, 1)),
)
"""Stronger crops, and those that cut one direction only: looked at where the others do not fit."""
MIN_SCALE = 0.36


def nearby_windows(window: Window, *, step: float = 0.05) -> tuple[Window, ...]:
    """Windows around `window`, to sharpen a first choice: `step` smaller, larger, and beside."""
    moves = (-5 * step, 0.0, 5 * step)
    xs = sorted({min(1.0, max(0.0, window.x + move)) for move in moves})
    ys = sorted({min(1.0, max(0.0, window.y + move)) for move in moves})
    found = [window]
    for change in (-step, 0.0, step):
        across = round(min(1.0, window.scale + change), 3) if window.scale < 1 else 1.0
        down = round(min(1.0, window.height + change), 3) if window.height < 1 else 1.0
        if min(across, down) < MIN_SCALE:
            continue
        scale_down = None if window.scale_down is None else down
        found += [Window(across, x, y, scale_down) for x in xs for y in ys]
    return tuple(found)


def describe(images: Sequence[NDArray[np.uint8]]) -> FloatArray:
    """Layouts (N, L) of whole frames; see `light_grids` and `layouts_of`."""
    return layouts_of(light_grids(images))


def light_grids(images: Sequence[NDArray[np.uint8]]) -> FloatArray:
    """The light of frames on a small grid.

    Args:
        images: N frames, (H, W, 3) RGB or (H, W) light, uint8, of any sizes.

    Returns:
        (N, 14, 24) float32.
    """
    grids = np.empty((len(images), GRID_HEIGHT, GRID_WIDTH), dtype=np.float32)
    for grid, image in zip(grids, images, strict=True):
        picture = Image.fromarray(image)
        light = picture if picture.mode == "L" else picture.convert("L")
        grid[:] = np.asarray(light.resize((GRID_WIDTH, GRID_HEIGHT), Image.Resampling.BOX))
    return grids


class LightSums:
    """Frames summed up from their corner, so that any window is described in a few look-ups.

    Args:
        frames: N frames of light, (N, H, W) uint8.
    """

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        count, self._height, self._width = frames.shape
        self._sums = np.zeros((count, self._height + 1, self._width + 1), dtype=np.float32)
        light = frames.astype(np.float32) - 128.0  # small sums keep float32 exact enough
        self._sums[:, 1:, 1:] = light.cumsum(axis=1).cumsum(axis=2)

    def describe(self, window: Window, places: NDArray[np.int64] | slice = ALL) -> FloatArray:
        """Layouts (N, L) of the frames at some places through a window."""
        left, top, right, bottom = window.box(self._width, self._height)
        xs, ys = np.linspace(left, right, GRID_WIDTH + 1), np.linspace(top, bottom, GRID_HEIGHT + 1)
        corners = _between(_between(self._sums[places], ys, 1), xs, 2)
        cells = np.diff(np.diff(corners, axis=1), axis=2)
        return layouts_of(cells / ((ys[1] - ys[0]) * (xs[1] - xs[0])))


def _between(sums: FloatArray, at: NDArray[np.float64], axis: int) -> FloatArray:
    """Values along an axis at places between its own."""
    low = np.minimum(at.astype(np.int64), sums.shape[axis] - 2)
    share = (at - low).astype(np.float32)
    share = share[:, None] if axis == 1 else share
    found = sums.take(low, axis) * (1 - share) + sums.take(low + 1, axis) * share
    return np.asarray(found, dtype=np.float32)


def layouts_of(grids: FloatArray) -> FloatArray:
    """Layouts of grids of light.

    Args:
        grids: (N, 14, 24).

    Returns:
        (N, L) float32; unit norm, or all zero for a flat frame.
    """
    across = np.diff(grids, axis=2)[:, :-1].reshape(len(grids), HALF)
    down = np.diff(grids, axis=1)[:, :, :-1].reshape(len(grids), HALF)
    layouts = np.concatenate([across, down], axis=1)
    norms = np.linalg.norm(layouts, axis=1, keepdims=True)
    return np.where(norms < MIN_CONTRAST, 0.0, layouts / np.maximum(norms, 1e-6)).astype(np.float32)
