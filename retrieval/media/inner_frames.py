"""Frames within the frame: pictures in pictures, stacked films, borders, blurred sides.

Where one film was pasted over another, or beside it, a straight edge stays in place while what is
on both sides of it moves. Over a few seconds such edges add up and the edges of the scene do not;
rectangles whose sides are such edges (or the edge of the picture) are inner frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.types import Box, FloatArray

__all__ = ["find_inner_frames", "overlap"]

LONG_SIDE = 160
"""Pixels to which pictures are reduced; an edge is found to one of these."""
MIN_STEP = 5.0
"""Grey levels of a step that counts as an edge."""
MIN_STAND_OUT = 1.35
"""How many times steeper than its surroundings an edge must be."""
MIN_STEADY = 0.7
"""Share of the frames in which a place must be an edge."""
MIN_SUPPORT = 0.72
"""Share of each side that must be an edge."""
MIN_SIDE, MIN_AREA, MAX_AREA = 0.25, 0.08, 0.93
MAX_LINES = 6
MAX_FRAMES = 3
SAME_OVERLAP = 0.6


@dataclass(frozen=True)
class _Lines:
    """Candidate lines across one direction, the picture's own two edges included.

    Attributes:
        places: (K,) pixels; the line lies before this pixel.
        sums: (K, N + 1) edge pixels along each line, summed up.
        is_border: (K,) whether it is the picture's own edge.
    """

    places: NDArray[np.int64]
    sums: FloatArray
    is_border: NDArray[np.bool_]


def find_inner_frames(images: Sequence[NDArray[np.uint8]]) -> list[Box]:
    """Rectangles that stay in place over some seconds, most certain first, at most three.

    Args:
        images: Pictures of one size, (H, W, 3) uint8 RGB, some tenths of a second apart.

    Returns:
        Boxes as shares of the picture; none where fewer than three pictures are given.
    """
    if len(images) < 3:
        return []
    grey = np.stack([_small_grey(image) for image in images])
    if float(np.abs(np.diff(grey, axis=0)).mean()) < 0.5:
        return []  # nothing moves: every edge would stay in place
    height, width = grey.shape[1:]
    upright = _lines(_steady_edges(grey))
    level = _lines(_steady_edges(grey.transpose(0, 2, 1)))
    return _best_boxes(upright, level, width, height)


def overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    across = min(first.right, second.right) - max(first.left, second.left)
    down = min(first.bottom, second.bottom) - max(first.top, second.top)
    both = max(0.0, across) * max(0.0, down)
    return both / (_area(first) + _area(second) - both)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def _small_grey(image: NDArray[np.uint8]) -> FloatArray:
    picture = Image.fromarray(image).convert("L")
    scale = LONG_SIDE / max(picture.size)
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32)


def _steady_edges(grey: FloatArray) -> FloatArray:
    """(H, W + 1) 1 where an upright edge lies before a column in most of the frames, else 0."""
    steps = np.abs(np.diff(grey, axis=2))
    # A pasted edge may be soft or fall between two pixels: the larger of two steps counts.
    around = np.zeros_like(steps)
    for shift in (-4, -3, 3, 4):
        around = np.maximum(around, np.roll(steps, shift, axis=2) * 0.5)
        around += np.roll(steps, shift, axis=2) * 0.125
    is_edge = (steps >= MIN_STEP) & (steps >= MIN_STAND_OUT * around)
    steady = is_edge.mean(axis=0) >= MIN_STEADY
    padded = np.zeros((grey.shape[1], grey.shape[2] + 1), dtype=np.float32)
    padded[:, 1:-1] = steady
    return padded


def _lines(edges: FloatArray) -> _Lines:
    """The columns with the longest stretches of edge; neighbours lend each other pixels."""
    height, columns = edges.shape
    thick = edges.copy()
    thick[:, 1:] = np.maximum(thick[:, 1:], edges[:, :-1])
    gains = np.cumsum(np.concatenate([np.zeros((1, columns)), thick - 0.6]), axis=0)
    longest = (gains - np.minimum.accumulate(gains, axis=0)).max(axis=0) / 0.4
    longest[[0, -1]] = 0.0
    longest[[1, 2, -2, -3]] = 0.0
    chosen: list[int] = []
    for place in np.argsort(-longest, kind="stable").tolist():
        if longest[place] < 0.7 * MIN_SIDE * height or len(chosen) == MAX_LINES:
            break
        if all(abs(place - other) > 2 for other in chosen):
            chosen.append(place)
    places = np.array([0, *sorted(chosen), columns - 1])
    sums = np.cumsum(np.concatenate([np.zeros((1, columns)), thick]), axis=0)[:, places].T
    is_border = (places == 0) | (places == columns - 1)
    return _Lines(places, sums.astype(np.float32), is_border)


def _best_boxes(upright: _Lines, level: _Lines, width: int, height: int) -> list[Box]:
    """All rectangles between candidate lines, the best supported first, no two alike."""
    found: list[tuple[float, Box]] = []
    for left, right in _pairs(upright.places, MIN_SIDE * width):
        for top, bottom in _pairs(level.places, MIN_SIDE * height):
            across = _supports(level, top, bottom, upright.places[left], upright.places[right])
            down = _supports(upright, left, right, level.places[top], level.places[bottom])
            sides = [share for share in (*across, *down) if share is not None]
            if not sides or min(sides) < MIN_SUPPORT:
                continue
            box = Box(
                float(upright.places[left]) / width,
                float(level.places[top]) / height,
                float(upright.places[right]) / width,
                float(level.places[bottom]) / height,
            )
            if MIN_AREA <= _area(box) <= MAX_AREA:
                found.append((len(sides) * 0.25 + float(np.mean(sides)), box))
    found.sort(key=lambda item: -item[0])
    kept: list[Box] = []
    for _, box in found:
        if len(kept) < MAX_FRAMES and all(overlap(box, one) < SAME_OVERLAP for one in kept):
            kept.append(box)
    return kept


def _pairs(places: NDArray[np.int64], least: float) -> list[tuple[int, int]]:
    count = len(places)
    return [
        (one, other)
        for one in range(count)
        for other in range(one + 1, count)
        if places[other] - places[one] >= least
    ]


def _supports(
    lines: _Lines, first: int, second: int, start: int, end: int
) -> tuple[float | None, float | None]:
    """Shares of two lines that are edge between `start` and `end`; None for the picture's own."""
    shares = [
        None
        if lines.is_border[line]
        else float(lines.sums[line, end] - lines.sums[line, start]) / (end - start)
        for line in (first, second)
    ]
    return shares[0], shares[1]
