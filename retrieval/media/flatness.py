"""Says which pictures hold too little to be recognised by: black, fades, test patterns, titles.

Such frames are the same in every film, so they must never make a match. What is measured is
structure that is neither flat nor a pattern of straight rows and columns:

    p = picture in grey, 64 x 64;  p(y, x) = rows(y) + columns(x) + rest(y, x)

Flat frames, gradients and colour bars are all rows and columns; a scene is mostly rest.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["information", "is_uninformative"]

_SIDE = 64
_CELLS = 8
LEAST_DEVIATION = 2.5
"""Grey levels: root of the mean square of the rest; coder noise on black stays below 1."""
LEAST_TEXTURED = 0.1
"""Share of the 8 x 8 cells that hold structure of their own; a line of a title fills less."""
_CELL_DEVIATION = 2.0
"""Grey levels within a cell from which it counts as textured."""


def information(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Measure structure.

    Args:
        images: N pictures, (H, W, 3) uint8 RGB.

    Returns:
        (N, 2): deviation of the rest in grey levels, and share of textured cells in [0, 1].
    """
    return np.array([_measure(image) for image in images], dtype=np.float64).reshape(-1, 2)


def is_uninformative(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Whether each picture holds too little to make a match of; (N,) bool."""
    measured = information(images)
    return (measured[:, 0] < LEAST_DEVIATION) | (measured[:, 1] < LEAST_TEXTURED)


def _measure(image: NDArray[np.uint8]) -> tuple[float, float]:
    grey = Image.fromarray(np.ascontiguousarray(image)).convert("L")
    cells = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    rest = _without_rows_and_columns(cells)
    edge = _SIDE // _CELLS
    blocks = cells.reshape(_CELLS, edge, _CELLS, edge).transpose(0, 2, 1, 3)
    deviations = _without_rows_and_columns(blocks).std(axis=(2, 3))
    return float(rest.std()), float((deviations > _CELL_DEVIATION).mean())


def _without_rows_and_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take off the mean of every row and column of the last two axes."""
    rows = values.mean(axis=-1, keepdims=True)
    columns = values.mean(axis=-2, keepdims=True)
    whole = values.mean(axis=(-2, -1), keepdims=True)
    return np.asarray(values - rows - columns + whole)
