"""When to answer "unsure", with a stated rate of error: conformal sets over cross-fitted shares.

For each shot, scored by an adapter that did not see it, take `s = 1 - share of the truth`. The
threshold is the k-th smallest of the n scores with `k = ceil((n + 1) (1 - rate))` (split conformal
prediction, Papadopoulos et al. 2002; the score is that of Sadinle et al. 2019; see Angelopoulos
and Bates 2021, arXiv:2107.07511, section 1). The set of a new row holds every class whose
`1 - share` is at most the threshold. One class in it: that is the answer. None or several: unsure.

What holds: if the shots and the new rows are drawn alike (exchangeable) the truth is missing from
the set, averaged over draws, for at most `rate` of the rows; a sure wrong answer is such a miss,
so at most `rate` of all rows get one. That is of all rows, not of those answered. For scores from
one split that is exact; cross-fitting is proven only for twice the rate (Barber et al. 2021,
arXiv:1905.02928, theorem 4) and in practice keeps about the rate itself. Shots that somebody picked
because they are typical are not drawn like the film: the stated rate then does not hold.
"""

import math

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FloatArray

__all__ = ["UNSURE", "conformal_threshold", "sure_answers", "sure_labels"]

UNSURE = -1


def conformal_threshold(shares: FloatArray, targets: FloatArray, *, error_rate: float) -> float:
    """The largest `1 - share` that still enters a set.

    Args:
        shares: (N, C) in [0, 1], of rows that the scoring adapter did not see.
        targets: (N, C) of 0 and 1. In a multi-label group each of the N x C answers yes or no is a
            score, and the correction for n counts rows, because the answers of one row go together.
        error_rate: in (0, 1), of sure wrong answers among all.

    Returns:
        A number in [0, 1], or infinity where n is below `1 / error_rate - 1`: then so few shots
        cannot vouch for such a rate, and everything is unsure.

    Raises:
        ValueError: the rate is outside (0, 1), or the arrays do not fit.
    """
    if not 0 < error_rate < 1:
        raise ValueError(f"got {error_rate = }, expected a rate above 0 and below 1")
    if shares.shape != targets.shape or shares.ndim != 2 or not len(shares):
        raise ValueError(f"got {shares.shape = }, {targets.shape = }, expected the same (N, C)")
    num_rows = len(shares)
    level = math.ceil((num_rows + 1) * (1 - error_rate)) / num_rows
    if level > 1:
        return math.inf
    is_exclusive = bool((targets.sum(axis=1) == 1).all())
    truth = shares[targets > 0] if is_exclusive else np.where(targets > 0, shares, 1 - shares)
    scores = np.sort(1.0 - truth.ravel())
    return float(scores[math.ceil(level * len(scores) - 1e-9) - 1])


def sure_answers(shares: FloatArray, threshold: float) -> NDArray[np.int64]:
    """The class of each row of an exclusive group, or `UNSURE`.

    Args:
        shares: (N, C), rows sum to one.
        threshold: from `conformal_threshold`.

    Returns:
        (N,) int64.
    """
    is_in = 1.0 - shares <= threshold
    return np.where(is_in.sum(axis=1) == 1, shares.argmax(axis=1), UNSURE).astype(np.int64)


def sure_labels(shares: FloatArray, threshold: float) -> NDArray[np.int64]:
    """1 = holds, 0 = does not, `UNSURE` = either, for each row and class of a multi-label group."""
    may_hold, may_not = 1.0 - shares <= threshold, shares <= threshold
    return np.where(may_hold == may_not, UNSURE, may_hold).astype(np.int64)
