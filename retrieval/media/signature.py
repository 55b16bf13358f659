"""A tiny summary of a picture for telling whether two pictures show the same shot.

It is read straight from the decoder's planes, without converting the picture: a grid of mean
luma and two of chroma. Comparing two of them takes tens of microseconds.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from retrieval.types import FloatArray

__all__ = ["GRID", "Signature", "change", "signature"]

GRID = (18, 32)
"""Rows and columns of the luma grid; chroma has half of each."""
_SAMPLES = (4, 8)
"""Pixels read per cell at least, down and across: a regular lattice, not all of them."""
_FLATNESS = 16.0
"""Variance (levels squared) below which structure is only noise."""
_COLOUR_GAIN = 4.0
"""A mean shift of a quarter of the range in luma or chroma is a complete change."""
_CLEAR = 0.97
"""Correlation from which no further movement is tried."""
_SAME_STRUCTURE, _OTHER_LIGHT = 0.15, 0.3
"""Change of structure up to which a picture is the same in another light, and the most change
that another light can make."""
_SAME = 3.0
"""Mean steps in luma and chroma (levels) below which no closer look is taken."""
_PLANAR = {
    # format: (bytes per sample, bits to drop)
    **dict.fromkeys(("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"), (1, 0)),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le", "yuv444p10le"), (2, 2)),
    **dict.fromkeys(("yuv420p12le", "yuv422p12le", "yuv444p12le"), (2, 4)),
}


@dataclass(frozen=True, eq=False)
class Signature:
    """Means over a grid, in levels 0-255."""

    luma: FloatArray
    """(18, 32)."""
    chroma: FloatArray
    """(2, 9, 16): blue and red difference."""

    @cached_property
    def ordered(self) -> FloatArray:
        """(3, 144) values of each plane in rising order: what colours there are, anywhere."""
        luma = self.luma.reshape(GRID[0] // 2, 2, GRID[1] // 2, 2).mean(axis=(1, 3))
        return np.sort(np.concatenate([luma[None], self.chroma]).reshape(3, -1), axis=1)

    @cached_property
    def inner(self) -> tuple[FloatArray, float]:
        """(16, 30) luma without the border, less its mean, and the variance of it."""
        inner = self.luma[1:-1, 1:-1]
        inner = inner - inner.mean()
        return inner, float(np.vdot(inner, inner)) / inner.size + _FLATNESS

    @property
    def mean(self) -> float:
        """Mean luma."""
        return float(self.luma.mean())

    @property
    def detail(self) -> float:
        """Mean step between neighbouring cells in levels: higher for a sharp, rich picture."""
        across = np.abs(np.diff(self.luma, axis=1)).mean()
        down = np.abs(np.diff(self.luma, axis=0)).mean()
        return float(across + down)

    @property
    def is_flat(self) -> bool:
        """Whether the picture is one even tone (black, white, a fade)."""
        return float(self.luma.var()) < 2 * _FLATNESS and float(self.chroma.std()) < 3.0


def signature(frame: VideoFrame) -> Signature:
    """Summarise a decoded picture."""
    if frame.format.name not in _PLANAR or min(frame.width, frame.height) < 64:
        height, width = GRID[0] * _SAMPLES[0], GRID[1] * _SAMPLES[1]
        frame = frame.reformat(width, height, "yuv444p", interpolation="BILINEAR")
    size, drop = _PLANAR[frame.format.name]
    half = (GRID[0] // 2, GRID[1] // 2)
    luma, blue, red = (
        _cells(_plane(plane, size), grid)
        for plane, grid in zip(frame.planes[:3], (GRID, half, half), strict=True)
    )
    if drop:
        luma, blue, red = (cells / np.float32(1 << drop) for cells in (luma, blue, red))
    return Signature(luma, np.stack([blue, red]))


def change(first: Signature, second: Signature) -> float:
    """How much two pictures differ, in [0, 1]: 0 for the same, above about 0.4 another shot.

    The larger of a change of structure, which brightness does not affect and for which a
    movement by one cell is none, and half of it with a change of the colours there are.
    """
    quick = float(np.abs(first.luma - second.luma).mean())
    if quick + float(np.abs(first.chroma - second.chroma).mean()) < _SAME:
        return quick / 255.0
    structure = _structure_change(first, second)
    if structure < _SAME_STRUCTURE and min(first.inner[1], second.inner[1]) > 10 * _FLATNESS:
        return min(_OTHER_LIGHT, 0.5 * structure + _colour_change(first, second))
    return min(1.0, max(0.5 * structure + _colour_change(first, second), 0.9 * structure))


def _structure_change(first: Signature, second: Signature) -> float:
    """1 - the best regularised correlation of two grids over shifts by up to one cell.

    `(cov + e) / sqrt((var1 + e) (var2 + e))`: without structure on both sides it is 1 (no change),
    with structure on one side only it is small.
    """
    inner, variance = first.inner
    rows, columns = inner.shape
    best = -1.0
    for down, right in ((1, 1), (1, 0), (1, 2), (0, 1), (2, 1)):
        other = second.luma[down : down + rows, right : right + columns]
        mean = float(other.sum()) / other.size
        square = float(np.vdot(other, other)) / other.size - mean * mean + _FLATNESS
        product = float(np.vdot(inner, other)) / inner.size + _FLATNESS
        best = max(best, product / math.sqrt(variance * max(square, _FLATNESS)))
        if best > _CLEAR:
            break
    return 1.0 - max(0.0, best)


def _colour_change(first: Signature, second: Signature) -> float:
    """Earth mover's distance of luma and chroma values, 1 for a quarter of the range."""
    luma, blue, red = np.abs(first.ordered - second.ordered).mean(axis=1).tolist()
    return min(1.0, _COLOUR_GAIN * float(0.5 * luma + blue + red) / 255.0)


def _plane(plane: VideoPlane, size: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """A view of a plane as (rows, columns), without the padding at the ends of lines."""
    kind = np.dtype(np.uint8) if size == 1 else np.dtype("<u2")
    lines = np.frombuffer(memoryview(plane), kind).reshape(plane.height, plane.line_size // size)
    return cast("NDArray[np.uint8]", lines[:, : plane.width])


def _cells(plane: NDArray[np.uint8] | NDArray[np.uint16], grid: tuple[int, int]) -> FloatArray:
    """Means over a grid of cells, of a lattice of samples in each cell."""
    (rows, down, top, row_step), (columns, across, left, column_step) = (
        _lattice(length, cells, samples)
        for length, cells, samples in zip(plane.shape, grid, _SAMPLES, strict=True)
    )
    lattice = plane[top::row_step, left::column_step][: rows * down, : columns * across]
    # One axis after the other: twice as fast as both at once.
    strips = lattice.reshape(rows, down, columns * across).sum(axis=1, dtype=np.float32)
    sums: FloatArray = strips.reshape(rows, columns, across).sum(axis=2)
    return sums / np.float32(down * across)


def _lattice(length: int, cells: int, samples: int) -> tuple[int, int, int, int]:
    """Cells, samples in each, first sample and step, so that nearly all of `length` is covered."""
    step = max(1, length // (cells * samples))
    number = length // (cells * step)
    return cells, number, (length - cells * number * step) // 2 + step // 2, step
