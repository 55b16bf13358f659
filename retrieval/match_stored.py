"""Copy matching by stored embeddings alone, where the reference's own file is gone."""

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import FULL
from retrieval.match_lines import Line, along, best_run
from retrieval.match_verify import Alignment, QueryFrames
from retrieval.types import FloatArray

__all__ = ["align_stored"]

MIN_STRENGTH = 0.6
MIN_FRAMES = 4


def align_stored(
    query: QueryFrames, ref_times: NDArray[np.float64], ref_vectors: FloatArray, line: Line
) -> Alignment | None:
    """Find the copied run near a candidate line, on embeddings of a reference.

    The similarity is how far a cosine stands between what the two films have in common anyway (the
    median of all pairs) and identity. Between two stored frames the nearer one counts, so that
    sparse references can be followed too; bounds are then no better than their spacing.

    Args:
        query: The query.
        ref_times: (R,) seconds, rising.
        ref_vectors: (R, D) float32, unit norm.
        line: Where the copy may be.

    Returns:
        The best run, or None where it is too short or too weak to be told from likeness.
    """
    if len(ref_times) < 2:
        return None
    cosines = query.vectors @ ref_vectors.T
    usual = float(np.median(cosines))
    strength = ((cosines - usual) / max(1.0 - usual, 1e-3)).astype(np.float32)
    strength[query.is_flat] = np.nan
    reach = max(1.0, 0.6 * float(np.max(np.diff(ref_times))))
    run = best_run(
        strength,
        query.times,
        ref_times,
        threshold=MIN_STRENGTH,
        reach=min(reach, 6.0),
        speeds=np.unique([line.speed, 1.0]),
        offset_step=0.5,
        near=line,
        near_seconds=3.0,
    )
    if run is None:
        return None
    values = along(strength, query.times, ref_times, run.line, reach=reach)
    values = values[run.first : run.last + 1]
    if np.isfinite(values).sum() < MIN_FRAMES:
        return None
    inside = slice(run.first, run.last + 1)
    expected = run.line.at(query.times[inside])
    return Alignment(run.line, run.first, run.last, values, expected, np.ones(len(expected)), FULL)
