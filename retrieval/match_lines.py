"""Where two films run in step: the line `ref = speed x query + offset` along a similarity matrix.

Pure numpy over times and similarities. A copied segment is a straight line in the (query, ref)
plane; how much a line gains is the largest sum of `similarity - threshold` over one contiguous
run of query frames, so the ends of a segment fall out of the search and one odd frame does not
break it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.types import FloatArray

__all__ = [
    "SPEEDS",
    "Line",
    "Run",
    "Times",
    "along",
    "best_run",
    "fit_line",
    "moments",
    "run_along",
    "sharpest_line",
]

SPEEDS = np.unique(np.round(np.append(np.geomspace(0.5, 2.0, 41), [1.0, 1.25, 1.5, 0.75]), 4))
"""Speed ratios that are tried: steps of 3.5 %, and the ones that people use."""

UNUSUAL_SPEED_PENALTY = 0.05
"""Share of its gain that a line loses when its speed is not 1: on a still picture all lines are
equally good, and the plain explanation should win."""

UNTOLD_SECONDS = 0.25
"""Drift over a run that may as well be an error of the moments at its ends."""
CODER_NOISE = 0.008
"""Rise of a similarity over its median that the coding of a still picture makes by itself."""

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """`ref_seconds = speed * query_seconds + offset_seconds`."""

    speed: float
    offset_seconds: float

    def at(self, query_seconds: Times) -> Times:
        """Times in the reference, (N,) like `query_seconds`."""
        return np.asarray(self.speed * query_seconds + self.offset_seconds)


@dataclass(frozen=True)
class Run:
    """A contiguous run of query frames along a line."""

    line: Line
    first: int
    """Place of its first query frame."""
    last: int
    """Place of its last query frame, inclusive."""
    gain: float
    """Sum of `similarity - threshold`, more is better."""


def along(
    similarity: FloatArray, query_times: Times, ref_times: Times, line: Line, *, reach: float
) -> FloatArray:
    """Similarity of each query frame to the reference where the line puts it.

    The better of the two reference frames around that time counts; beyond `reach` seconds from
    any reference frame it is NaN.

    Args:
        similarity: (Q, R) float32.
        query_times: (Q,) seconds.
        ref_times: (R,) seconds, rising, R >= 1.
        line: Where to look.
        reach: Seconds.

    Returns:
        (Q,) float32.
    """
    values = _along(similarity, line.at(query_times)[None, :], ref_times, reach)
    return np.asarray(values[0])


def best_run(
    similarity: FloatArray,
    query_times: Times,
    ref_times: Times,
    *,
    threshold: float,
    reach: float,
    speeds: NDArray[np.float64] = SPEEDS,
    offset_step: float = 0.125,
    near: Line | None = None,
    near_seconds: float = 2.0,
) -> Run | None:
    """Find the line and the run along it with the largest gain.

    Args:
        similarity: (Q, R) float32; NaN where a frame says nothing.
        query_times: (Q,) seconds, rising.
        ref_times: (R,) seconds, rising.
        threshold: Similarity that neither gains nor loses.
        reach: Seconds between a line and a reference frame that still count as meeting.
        speeds: Ratios to try.
        offset_step: Seconds between the offsets that are tried.
        near: Look only around this line (at the middle of the query).
        near_seconds: How far around it.

    Returns:
        The best run, or None where no line gains anything.
    """
    if len(query_times) == 0 or len(ref_times) == 0:
        return None
    best: Run | None = None
    middle = float(np.mean(query_times))
    for speed in speeds:
        offsets = _offsets(float(speed), query_times, ref_times, offset_step)
        if near is not None:
            at_middle = near.speed * middle + near.offset_seconds
            offsets = offsets[np.abs(speed * middle + offsets - at_middle) <= near_seconds]
        run = _best_of_offsets(
            similarity, query_times, ref_times, float(speed), offsets, threshold, reach
        )
        if run is not None and (best is None or _worth(run) > _worth(best)):
            best = run
    return best


def sharpest_line(
    similarity: FloatArray,
    query_times: Times,
    ref_times: Times,
    *,
    near: Line,
    near_seconds: float,
    speeds: NDArray[np.float64] = SPEEDS,
    reach: float,
    offset_step: float = 0.125,
) -> Line:
    """Choose among lines that all gain: the one that runs along the peaks.

    In a quiet shot every moment resembles every other, and the sum of similarities hardly tells
    lines apart. So each query frame votes by its own peak: 1 where the similarity is at its
    maximum near the line, falling off within a quarter of what that maximum rises above the
    median; its say is that rise. A frame that fits everywhere has none.
    """
    middle = float(np.mean(query_times))
    span = near_seconds + float(np.ptp(query_times)) * 0.6 + reach
    at_middle = float(near.at(np.array([middle]))[0])
    local = np.where(np.abs(ref_times[None, :] - near.at(query_times)[:, None]) <= span, 1, np.nan)
    values = similarity * local
    is_telling = np.isfinite(values).sum(axis=1) >= 2
    if not is_telling.any():
        return near
    values, times = values[is_telling], query_times[is_telling]
    highest = np.nanmax(values, axis=1, keepdims=True)
    rise = highest - np.nanmedian(values, axis=1, keepdims=True)
    if float(rise.mean()) < CODER_NOISE:
        return near
    votes = (rise * np.exp((values - highest) / (0.25 * rise + 0.003))).astype(np.float32)
    best, best_votes = near, -1.0
    for speed in sorted(speeds, key=lambda value: abs(np.log(value))):
        shifts = np.arange(-near_seconds, near_seconds + offset_step / 2, offset_step)
        shifts = shifts[np.argsort(np.abs(shifts), kind="stable")]
        offsets = at_middle + shifts - speed * middle
        targets = speed * times[None, :] + offsets[:, None]
        sums = np.nansum(_along(votes, targets, ref_times, reach), axis=1)
        place = int(np.argmax(sums))
        worth = float(sums[place]) * (1.0 if speed == 1.0 else 1.0 - UNUSUAL_SPEED_PENALTY)
        if worth > best_votes * (1.0 + 1e-6):
            best, best_votes = Line(float(speed), float(offsets[place])), worth
    return best


def run_along(
    similarity: FloatArray,
    query_times: Times,
    ref_times: Times,
    line: Line,
    *,
    threshold: float,
    reach: float,
) -> Run | None:
    """The run with the largest gain along one line; None where it gains nothing."""
    offsets = np.array([line.offset_seconds])
    return _best_of_offsets(
        similarity, query_times, ref_times, line.speed, offsets, threshold, reach
    )


def moments(
    similarity: FloatArray, query_times: Times, ref_times: Times, line: Line, *, reach: float
) -> tuple[Times, Times]:
    """When each query frame is on in the reference, near a line, and how sure that is.

    The centre of the similarities close to a frame's maximum within `reach` seconds of the line: a
    sharp peak places it well, a plateau (a still picture) leaves it about where the line has it
    and gets next to no weight.

    Returns:
        Moments (Q,) in seconds and weights (Q,) >= 0.
    """
    found, weights = line.at(query_times), np.zeros(len(query_times))
    for place, centre in enumerate(line.at(query_times)):
        near = (np.abs(ref_times - centre) <= reach) & np.isfinite(similarity[place])
        values = similarity[place, near]
        if len(values) < 2:
            continue
        rise = float(values.max() - np.median(values))
        shares = np.clip(values - values.max() + max(0.5 * rise, 1e-4), 0.0, None)
        found[place] = np.average(ref_times[near], weights=shares)
        weights[place] = rise
    return found, weights


def fit_line(query_times: Times, found: Times, weights: Times, *, near: Line) -> Line:
    """Least squares through moments, weighted, twice: the second time without outliers.

    The speed is only fitted where the frames move and spread enough to tell it, and one that sets
    the ends apart by less than moments can tell is taken as 1: that is how film plays.
    """
    line = near
    for tolerance in (0.6, 0.3):
        kept = weights * (np.abs(found - line.at(query_times)) <= tolerance)
        if kept.sum() <= 1e-6:
            return line
        middle = float(np.average(query_times, weights=kept))
        centred = query_times - middle
        spread = float(np.sum(kept * centred**2))
        speed = line.speed
        is_telling = float(kept.mean()) >= CODER_NOISE / 2
        if is_telling and np.sqrt(spread / kept.sum()) > 0.7:  # seconds: a run of some 2.5 s
            slope = float(np.sum(kept * centred * (found - np.average(found, weights=kept))))
            speed = slope / spread
        if abs(speed - 1.0) * float(np.ptp(query_times)) < UNTOLD_SECONDS:
            speed = 1.0
        line = Line(speed, float(np.average(found, weights=kept)) - speed * middle)
    return line


def _worth(run: Run) -> float:
    return run.gain * (1.0 if run.line.speed == 1.0 else 1.0 - UNUSUAL_SPEED_PENALTY)


def _offsets(speed: float, query_times: Times, ref_times: Times, step: float) -> Times:
    """All offsets that let some query frame meet some reference frame."""
    low = ref_times[0] - speed * query_times[-1]
    high = ref_times[-1] - speed * query_times[0]
    return np.asarray(np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step)


def _best_of_offsets(
    similarity: FloatArray,
    query_times: Times,
    ref_times: Times,
    speed: float,
    offsets: Times,
    threshold: float,
    reach: float,
) -> Run | None:
    """Kadane's largest contiguous sum, over all offsets at once."""
    if len(offsets) == 0:
        return None
    targets = speed * query_times[None, :] + offsets[:, None]
    gains = np.nan_to_num(_along(similarity, targets, ref_times, reach) - threshold, nan=0.0)
    sums = np.concatenate([np.zeros((len(offsets), 1)), np.cumsum(gains, axis=1)], axis=1)
    lowest = np.minimum.accumulate(sums, axis=1)
    rises = sums - lowest
    row, end = np.unravel_index(int(np.argmax(rises)), rises.shape)
    gain = float(rises[row, end])
    if gain <= 0:
        return None
    first = int(np.argmin(sums[row, : end + 1]))
    return Run(Line(speed, float(offsets[row])), first, int(end) - 1, gain)


def _along(
    similarity: FloatArray, targets: Times, ref_times: Times, reach: float
) -> NDArray[np.float32]:
    """(L, Q) targets -> (L, Q) the better of the two neighbouring similarities, or NaN."""
    after = np.clip(np.searchsorted(ref_times, targets), 0, len(ref_times) - 1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(similarity.shape[0])[None, :]
    values = []
    for places in (before, after):
        close = np.abs(ref_times[places] - targets) <= reach
        values.append(np.where(close, similarity[rows, places], np.nan))
    return np.asarray(np.fmax(values[0], values[1]), dtype=np.float32)
