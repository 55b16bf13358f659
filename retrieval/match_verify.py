"""The strict half of copy matching: decode the reference where a copy may be, and compare pictures.

Stored frames may lie ten seconds apart, and an embedding cannot tell two takes of one street. So
the reference's own file is opened around the candidate line, four frames a second are laid beside
the query's (see `match_layout`), and the line, the crop and the ends of the segment are read off
their similarities (see `match_lines`).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import COARSE_WINDOWS, FULL, Window, describe, nearby_windows
from retrieval.match_lines import (
    Line,
    Run,
    along,
    best_run,
    fit_line,
    moments,
    run_along,
    sharpest_line,
)
from retrieval.media.frames import sampled_frames
from retrieval.media.letterbox import crop_bars
from retrieval.types import FloatArray

__all__ = ["Alignment", "QueryFrames", "ReferenceFrames", "align", "extend"]

Times = NDArray[np.float64]
THRESHOLD = 0.45
"""Similarity that neither speaks for a copy nor against it; unrelated films stay below it."""
GLANCE_THRESHOLD = 0.35
"""At a glance (one stored frame, up to a quarter of a second off) a copy is at least this alike."""
SURE_FULL = 0.85
"""Similarity of whole frames from which nobody need look for a crop."""
REF_STEP_SECONDS = 0.25
BLOCK_SECONDS = 10.0
MAX_BLOCKS = 64
REACH = 0.3
"""Seconds between a line and a reference frame that still count as meeting."""
CHUNK_SECONDS = 10.0


@dataclass(frozen=True)
class QueryFrames:
    """The frames of a query.

    Attributes:
        times: (Q,) seconds, rising.
        vectors: (Q, D) embeddings, unit norm.
        layouts: (Q, L) layouts, all zero for flat frames.
        duration_seconds: Of the whole query.
    """

    times: Times
    vectors: FloatArray
    layouts: FloatArray
    duration_seconds: float

    @property
    def is_flat(self) -> NDArray[np.bool_]:
        """(Q,) whether a frame shows nothing."""
        return np.asarray(~self.layouts.any(axis=1))

    @property
    def step_seconds(self) -> float:
        """Usual time between two frames."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.5


@dataclass(frozen=True)
class Alignment:
    """A run of query frames that shows the reference.

    Attributes:
        line: Where in the reference.
        first: Place of the first query frame.
        last: Place of the last query frame, inclusive.
        similarities: (last - first + 1,) of each of these frames; NaN where it is flat.
        moments: When each of them is on in the reference, in seconds, by its own similarity.
        weights: How sure each moment is.
        window: Part of the reference's frame that the query shows.
    """

    line: Line
    first: int
    last: int
    similarities: FloatArray
    moments: Times
    weights: Times
    window: Window

    @property
    def score(self) -> float:
        """Mean similarity in [0, 1]."""
        finite = self.similarities[np.isfinite(self.similarities)]
        return float(np.clip(finite.mean(), 0.0, 1.0)) if len(finite) else 0.0


class ReferenceFrames:
    """Dense small frames of one reference file, decoded in blocks and kept while they are near."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks: OrderedDict[int, tuple[Times, list[NDArray[np.uint8]]]] = OrderedDict()
        self._layouts: dict[tuple[int, Window], FloatArray] = {}

    def layouts(self, start: float, end: float, window: Window) -> tuple[Times, FloatArray]:
        """Times (R,) and layouts (R, L) of the frames in `[start, end)`, seen through a window.

        Raises:
            MediaError: The file cannot be read.
        """
        numbers = range(
            max(0, int(start // BLOCK_SECONDS)), int(max(0.0, end) // BLOCK_SECONDS) + 1
        )
        times = np.concatenate([self._block(number)[0] for number in numbers])
        layouts = np.concatenate([self._described(number, window) for number in numbers])
        inside = (times >= start) & (times < end)
        return times[inside], layouts[inside]

    def _block(self, number: int) -> tuple[Times, list[NDArray[np.uint8]]]:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK_SECONDS
        frames = list(
            sampled_frames(
                self._path,
                every_seconds=REF_STEP_SECONDS,
                start=start,
                end=start + BLOCK_SECONDS,
                max_side=160,
            )
        )
        times = np.array([frame.seconds for frame in frames], dtype=np.float64)
        images = crop_bars([frame.image for frame in frames]) if frames else []
        self._blocks[number] = times, list(images)
        if len(self._blocks) > MAX_BLOCKS:
            oldest, _ = self._blocks.popitem(last=False)
            self._layouts = {key: item for key, item in self._layouts.items() if key[0] != oldest}
        return self._blocks[number]

    def _described(self, number: int, window: Window) -> FloatArray:
        _, images = self._block(number)
        key = number, window
        if key not in self._layouts:
            self._layouts[key] = describe(images, window)
        return self._layouts[key]


def glance(
    query: QueryFrames, places: Sequence[int], ref: ReferenceFrames, ref_times: Sequence[float]
) -> bool:
    """Whether any of a few likely pairs is alike enough to look closer."""
    for place, seconds in zip(places, ref_times, strict=True):
        near = np.flatnonzero(np.abs(query.times - query.times[place]) <= 1.0)
        for window in COARSE_WINDOWS:
            _, layouts = ref.layouts(seconds - 0.6, seconds + 0.6, window)
            if len(layouts) and float((query.layouts[near] @ layouts.T).max()) >= GLANCE_THRESHOLD:
                return True
    return False


def align(
    query: QueryFrames, first: int, last: int, ref: ReferenceFrames, line: Line, *, slack: float
) -> Alignment | None:
    """Find the copied run among query frames `first` to `last`, near a candidate line.

    Args:
        query: The query.
        first: First query frame to look at.
        last: Last query frame, inclusive.
        ref: The reference.
        line: Where the copy may be.
        slack: Seconds by which the line may be off.

    Returns:
        The best run, or None where nothing is alike.

    Raises:
        MediaError: The reference cannot be read.
    """
    places = slice(first, last + 1)
    times, layouts = query.times[places], query.layouts[places]
    targets = line.at(times)
    start, end = float(targets.min()) - slack - 1.0, float(targets.max()) + slack + 1.0
    window = _best_window(times, layouts, ref, line, start, end, slack)
    if window is None:
        return None
    ref_times, described = ref.layouts(start, end, window)
    similarity = _similarity(layouts, described)
    seed = best_run(
        similarity,
        times,
        ref_times,
        threshold=THRESHOLD,
        reach=REACH,
        near=line,
        near_seconds=slack,
    )
    if seed is None:
        return None
    inside = slice(seed.first, seed.last + 1)
    sharp = sharpest_line(
        similarity[inside],
        times[inside],
        ref_times,
        near=seed.line,
        near_seconds=slack,
        reach=REACH,
    )
    return _alignment(similarity, times, ref_times, sharp, first, window)


def extend(
    query: QueryFrames, found: Alignment, ref: ReferenceFrames, *, direction: int
) -> Alignment:
    """Follow a copy beyond the window in which it was found, chunk by chunk, while it goes on.

    Raises:
        MediaError: The reference cannot be read.
    """
    while True:
        edge = found.last if direction > 0 else found.first
        chunk = _next_chunk(query, edge, direction)
        if chunk is None:
            return found
        more = _align_chunk(query, chunk, ref, found)
        if more is None or not _touches(query, found, more, direction):
            return found
        found = _joined(query, found, more)


def _best_window(
    times: Times,
    layouts: FloatArray,
    ref: ReferenceFrames,
    line: Line,
    start: float,
    end: float,
    slack: float,
) -> Window | None:
    """The part of the reference's frame that the query shows: full, or a crop of it."""

    def fit(window: Window) -> float:
        ref_times, described = ref.layouts(start, end, window)
        if len(ref_times) == 0:
            return -1.0
        similarity = layouts @ described.T
        off = np.abs(ref_times[None, :] - line.at(times)[:, None]) > slack
        best = np.sort(np.where(off, -1.0, similarity).max(axis=1))
        return float(best[len(best) // 2 :].mean())

    if fit(FULL) >= SURE_FULL:
        return FULL
    fits = {window: fit(window) for window in COARSE_WINDOWS}
    best = max(fits, key=lambda window: fits[window])
    if fits[best] < GLANCE_THRESHOLD:
        return None
    around = {window: fit(window) for window in nearby_windows(best)}
    return max(around, key=lambda window: around[window])


def _similarity(layouts: FloatArray, described: FloatArray) -> FloatArray:
    """(Q, R) similarities; NaN where either frame is flat."""
    query_flat, ref_flat = np.all(layouts == 0, axis=1), np.all(described == 0, axis=1)
    flat = np.logical_or.outer(query_flat, ref_flat)
    return np.where(flat, np.nan, layouts @ described.T).astype(np.float32)


def _alignment(
    similarity: FloatArray,
    times: Times,
    ref_times: Times,
    line: Line,
    first: int,
    window: Window,
) -> Alignment | None:
    """The run along a line, with the line fitted to it, and the run along that."""
    fitted = _fitted(similarity, times, ref_times, line)
    fitted = None if fitted is None else _fitted(similarity, times, ref_times, fitted[0])
    if fitted is None:
        return None
    line, run, found, weights = fitted
    inside = slice(run.first, run.last + 1)
    values = along(similarity[inside], times[inside], ref_times, line, reach=REACH)
    return Alignment(line, first + run.first, first + run.last, values, found, weights, window)


def _fitted(
    similarity: FloatArray, times: Times, ref_times: Times, line: Line
) -> tuple[Line, Run, Times, Times] | None:
    """The run along a line, and the line, moments and weights that its frames give."""
    run = run_along(similarity, times, ref_times, line, threshold=THRESHOLD, reach=REACH)
    if run is None:
        return None
    inside = slice(run.first, run.last + 1)
    found, weights = moments(similarity[inside], times[inside], ref_times, line, reach=0.6)
    return fit_line(times[inside], found, weights, near=line), run, found, weights


def _next_chunk(query: QueryFrames, edge: int, direction: int) -> tuple[int, int] | None:
    seconds = query.times[edge]
    if direction > 0:
        inside = (query.times > seconds) & (query.times <= seconds + CHUNK_SECONDS)
    else:
        inside = (query.times < seconds) & (query.times >= seconds - CHUNK_SECONDS)
    places = np.flatnonzero(inside)
    return (int(places[0]), int(places[-1])) if len(places) else None


def _align_chunk(
    query: QueryFrames, chunk: tuple[int, int], ref: ReferenceFrames, found: Alignment
) -> Alignment | None:
    first, last = chunk
    times, layouts = query.times[first : last + 1], query.layouts[first : last + 1]
    targets = found.line.at(times)
    ref_times, described = ref.layouts(
        float(targets.min()) - 2.0, float(targets.max()) + 2.0, found.window
    )
    if len(ref_times) == 0:
        return None
    similarity = _similarity(layouts, described)
    line = sharpest_line(
        similarity,
        times,
        ref_times,
        near=found.line,
        near_seconds=0.5,
        speeds=np.array([found.line.speed]),
        reach=REACH,
    )
    return _alignment(similarity, times, ref_times, line, first, found.window)


def _touches(query: QueryFrames, found: Alignment, more: Alignment, direction: int) -> bool:
    """Whether the new run goes on where the old one stopped (a second may be missing)."""
    gap = (
        query.times[more.first] - query.times[found.last]
        if direction > 0
        else query.times[found.first] - query.times[more.last]
    )
    return bool(gap <= 1.0 + 2 * query.step_seconds)


def _joined(query: QueryFrames, found: Alignment, more: Alignment) -> Alignment:
    """One alignment over both runs, along the line that fits the frames of both."""
    first, last = min(found.first, more.first), max(found.last, more.last)
    times = query.times[first : last + 1]
    similarities = np.full(len(times), np.nan, dtype=np.float32)
    moments_, weights = found.line.at(times), np.zeros(len(times))
    for part in (found, more):
        places = slice(part.first - first, part.last - first + 1)
        similarities[places] = part.similarities
        moments_[places], weights[places] = part.moments, part.weights
    line = fit_line(times, moments_, weights, near=found.line)
    return Alignment(line, first, last, similarities, moments_, weights, found.window)
