"""Copy matching by stored embeddings alone, where the reference's own file is gone."""

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import FULL
from retrieval.match_lines import Line, along, best_run
from retrieval.match_verify import Alignment, QueryFrames
from retrieval.types import FloatArray

__all__ = ["align_stored"]

Times = NDArray[np.float64]
MIN_STRENGTH = 0.6
MIN_FRAMES = 3
REACH = 0.3
SLACK_SECONDS = 3.0


def align_stored(
    query: QueryFrames, ref_times: Times, ref_vectors: FloatArray, line: Line
) -> Alignment | None:
    """Find the copied run near a candidate line, on the stored embeddings of a reference.

    The reference is sparse (a frame every few seconds) and the query dense, so the run is looked
    for the other way round: which stored frames, one after the other, does the query show where
    the line puts them. The similarity is how far a cosine stands between what the two films have
    in common anyway (the median of all pairs) and identity.

    Args:
        query: The query.
        ref_times: (R,) seconds, rising.
        ref_vectors: (R, D) float32, unit norm.
        line: Where the copy may be.

    Returns:
        The best run, or None where it is too short or too weak to be told from likeness. Its ends
        are those of the stored frames: no better than their spacing.
    """
    if len(ref_times) < MIN_FRAMES:
        return None
    strength = _strength(query, ref_vectors)
    back = Line(1.0 / line.speed, -line.offset_seconds / line.speed)
    run = best_run(
        strength,
        ref_times,
        query.times,
        threshold=MIN_STRENGTH,
        reach=REACH,
        speeds=np.unique([1.0, *np.geomspace(back.speed / 1.25, back.speed * 1.25, 13)]),
        near=back,
        near_seconds=SLACK_SECONDS,
    )
    if run is None:
        return None
    shown = slice(run.first, run.last + 1)
    values = along(strength, ref_times, query.times, run.line, reach=REACH)[shown]
    if np.isfinite(values).sum() < MIN_FRAMES:
        return None
    forth = Line(1.0 / run.line.speed, -run.line.offset_seconds / run.line.speed)
    return _alignment(query, run.line.at(ref_times[shown]), values, forth)


def _strength(query: QueryFrames, ref_vectors: FloatArray) -> FloatArray:
    """(R, Q) similarities; NaN for flat query frames."""
    cosines = ref_vectors @ query.vectors.T
    usual = float(np.median(cosines))
    strength = ((cosines - usual) / max(1.0 - usual, 1e-3)).astype(np.float32)
    strength[:, query.is_flat] = np.nan
    return strength


def _alignment(
    query: QueryFrames, shown_at: Times, values: FloatArray, line: Line
) -> Alignment | None:
    """The query frames between the first and last stored frame shown, each with its nearest one."""
    step = query.step_seconds
    inside = (query.times >= shown_at[0] - step) & (query.times <= shown_at[-1] + step)
    places = np.flatnonzero(inside)
    if len(places) == 0:
        return None
    first, last = int(places[0]), int(places[-1])
    times = query.times[first : last + 1]
    nearest = np.abs(times[:, None] - shown_at[None, :]).argmin(axis=1)
    return Alignment(line, first, last, values[nearest], line.at(times), np.ones(len(times)), FULL)
