"""How probable a run could become at best: what cannot count is not worth decoding films for."""

import numpy as np

from retrieval.match_aligners.base import AlignedRun
from retrieval.match_calibration import Calibration, Signs
from retrieval.match_lines import Times
from retrieval.types import FloatArray

__all__ = ["best_probability"]

MAX_GAP_SECONDS = 1.5
"""Between stored frames: with more, a frame may meet none, and means are over fewer."""


def best_probability(
    evidence: FloatArray,
    times: Times,
    ref_times: Times,
    run: AlignedRun,
    *,
    calibration: Calibration,
    rival: float,
    reach: float,
    num_distinct: int,
    step_seconds: float,
) -> float:
    """A bound on the probability of any alignment that descriptors may give near a run.

    Whatever the line, each frame's evidence is at most its best near the run, and that of a
    stretch the mean of these. It holds while more evidence never speaks against a copy.

    Args:
        evidence: (Q, R) of some query frames with the stored frames of the reference; NaN for
            frames that show nothing.
        times: (Q,) seconds of the query frames.
        ref_times: (R,) seconds of the stored frames.
        run: What an aligner found.
        calibration: What signs say.
        rival: Mean evidence of the best other video.
        reach: Seconds around the run's line in which a line may pass, and meet stored frames.
        num_distinct: How many different pictures the query frames show.
        step_seconds: Between two query frames.

    Returns:
        The bound, 1.0 where it cannot be told because stored frames are too far apart.
    """
    is_near = np.abs(ref_times[None, :] - run.line.at(times)[:, None]) <= reach
    if _has_gaps(ref_times[is_near.any(axis=0)]):
        return 1.0
    best = np.where(is_near & np.isfinite(evidence), evidence, -np.inf).max(axis=1, initial=-np.inf)
    shows = np.isfinite(evidence).any(axis=1) if evidence.size else np.zeros(len(times), bool)
    best = best[shows]
    if len(best) == 0 or not np.isfinite(best).all():
        return 1.0
    sums = np.concatenate([[0.0], np.cumsum(best)])
    probabilities = [
        calibration.probability(
            Signs(None, mean, mean - rival, count, num_distinct, count * step_seconds, False)
        )
        for count in range(1, len(best) + 1)
        for mean in [float((sums[count:] - sums[:-count]).max()) / count]
    ]
    return max(probabilities)


def _has_gaps(ref_times: Times) -> bool:
    return len(ref_times) < 2 or float(np.diff(ref_times).max()) > MAX_GAP_SECONDS
