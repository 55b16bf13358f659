"""An alignment of query frames with a reference, and how one is read off their similarities.

`match_verify` opens the files and decides where to look; this is the arithmetic between them: the
line that gains most, sharpened and fitted to its frames, with the run of frames that keep to it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.match_lines import (
    Line,
    Run,
    Times,
    along,
    best_run,
    fit_line,
    moments,
    run_along,
    sharpest_line,
)
from retrieval.match_windows import Sight
from retrieval.types import FloatArray

__all__ = [
    "MAX_SPEED",
    "MIN_SPEED",
    "OFF_PEAK_COST",
    "REACH",
    "SLACK_SECONDS",
    "THRESHOLD",
    "Alignment",
    "aligned_near",
    "alignment_along",
    "layout_similarity",
    "overlap",
    "peaked",
]

MIN_SPEED, MAX_SPEED = 0.48, 2.08
"""Fitting may move a line a little beyond the speeds that are tried; farther, it has slipped."""
THRESHOLD = 0.45
"""Similarity that neither speaks for a copy nor against it; unrelated films stay below it."""
REACH = 0.3
"""Seconds between a line and a reference frame that still count as meeting."""
OFF_PEAK_COST = 4.0
"""Similarity lost for each unit by which a pair is below the best moment of its query frame."""
MAX_OFF_PEAK = 0.5
SLACK_SECONDS = 2.5
"""How far a run's line may be off."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A run of query frames that shows the reference.

    Attributes:
        line: Where in the reference.
        first: Place of the first query frame.
        last: Place of the last query frame, inclusive.
        similarities: (last - first + 1,) of each of these frames, in [0, 1]; NaN where it is flat.
        moments: When each of them is on in the reference, in seconds, by its own similarity.
        weights: How sure each moment is.
        sight: How the query shows the reference.
        seen_by: Which likeness `similarities` are of.
    """

    line: Line
    first: int
    last: int
    similarities: FloatArray
    moments: Times
    weights: Times
    sight: Sight
    seen_by: Literal["layout", "descriptor"] = "layout"

    @property
    def score(self) -> float:
        """Mean similarity in [0, 1]."""
        finite = self.similarities[np.isfinite(self.similarities)]
        return float(np.clip(finite.mean(), 0.0, 1.0)) if len(finite) else 0.0


def overlap(item: Alignment, other: Alignment) -> float:
    """Share of the frames of an alignment that another has too."""
    shared = min(item.last, other.last) - max(item.first, other.first) + 1
    return max(0, shared) / (item.last - item.first + 1)


def layout_similarity(layouts: FloatArray, described: FloatArray) -> FloatArray:
    """(Q, R) similarities; NaN where either frame is flat."""
    query_flat, ref_flat = np.all(layouts == 0, axis=1), np.all(described == 0, axis=1)
    flat = np.logical_or.outer(query_flat, ref_flat)
    return np.where(flat, np.nan, layouts @ described.T).astype(np.float32)


def peaked(similarity: FloatArray, cost: float) -> FloatArray:
    """Similarity (Q, R) with pairs off the best moment of their query frame marked down.

    In a quiet shot every moment resembles every other, and a wrong line through all of it would
    gain more than the right one through its part.
    """
    if similarity.size == 0:
        return similarity
    peaks = np.max(np.nan_to_num(similarity, nan=-1.0), axis=1, keepdims=True)
    lost = np.minimum(cost * (peaks - similarity), MAX_OFF_PEAK)
    return np.asarray(similarity - lost, dtype=np.float32)


def aligned_near(
    similarity: FloatArray,
    times: Times,
    ref_times: Times,
    line: Line,
    first: int,
    sight: Sight,
) -> Alignment | None:
    """Search all speeds near a line, then sharpen what gains most."""
    seed = best_run(
        similarity,
        times,
        ref_times,
        threshold=THRESHOLD,
        reach=REACH,
        near=line,
        near_seconds=SLACK_SECONDS,
    )
    if seed is None:
        return None
    inside = slice(seed.first, seed.last + 1)
    sharp = sharpest_line(
        similarity[inside],
        times[inside],
        ref_times,
        near=seed.line,
        near_seconds=SLACK_SECONDS,
        reach=REACH,
    )
    return alignment_along(similarity, times, ref_times, sharp, first, sight)


def alignment_along(
    similarity: FloatArray,
    times: Times,
    ref_times: Times,
    line: Line,
    first: int,
    sight: Sight,
    *,
    reach: float = REACH,
) -> Alignment | None:
    """The run along a line, with the line fitted to it, and the run along that."""
    fitted = _fitted(similarity, times, ref_times, line, reach)
    fitted = None if fitted is None else _fitted(similarity, times, ref_times, fitted[0], reach)
    if fitted is None or not MIN_SPEED <= fitted[0].speed <= MAX_SPEED:
        return None
    line, run, found, weights = fitted
    inside = slice(run.first, run.last + 1)
    values = along(similarity[inside], times[inside], ref_times, line, reach=reach)
    return Alignment(line, first + run.first, first + run.last, values, found, weights, sight)


def _fitted(
    similarity: FloatArray, times: Times, ref_times: Times, line: Line, reach: float
) -> tuple[Line, Run, Times, Times] | None:
    """The run along a line, and the line, moments and weights that its frames give."""
    run = run_along(similarity, times, ref_times, line, threshold=THRESHOLD, reach=reach)
    if run is None:
        return None
    inside = slice(run.first, run.last + 1)
    found, weights = moments(similarity[inside], times[inside], ref_times, line, reach=2 * reach)
    return fit_line(times[inside], found, weights, near=line), run, found, weights
