"""Measures of retrieval, copy match and shot detection, as pure functions over numpy arrays.

Nothing here knows an encoder or a file; the benchmarks beside this file prepare the arrays. Ties
never help: a target that shares its score with others ranks behind all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Agreement",
    "average_precision",
    "cut_agreement",
    "mean_average_precision",
    "median_rank",
    "micro_average_precision",
    "overlap_at_k",
    "ranks_of_targets",
    "recall_at_k",
    "segment_iou",
]


@dataclass(frozen=True)
class Agreement:
    """How many of the found items are right and how many of the true ones were found."""

    num_correct: int
    num_found: int
    num_true: int

    def __post_init__(self) -> None:
        if not 0 <= self.num_correct <= min(self.num_found, self.num_true):
            raise ValueError(f"got {self}, expected 0 <= num_correct <= num_found and num_true")

    @property
    def precision(self) -> float:
        """Share of the found items that are right; 1 when nothing was found."""
        return self.num_correct / self.num_found if self.num_found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true items that were found; 1 when there was nothing to find."""
        return self.num_correct / self.num_true if self.num_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, `2c / (found + true)`; 1 when both are empty."""
        total = self.num_found + self.num_true
        return 2.0 * self.num_correct / total if total else 1.0


def ranks_of_targets(scores: ArrayLike, targets: ArrayLike) -> NDArray[np.int64]:
    """Find the place of each query's one right answer.

    Args:
        scores: (Q, N) scores of Q queries against N references, higher is better.
        targets: (Q,) column of the right reference of each query.

    Returns:
        (Q,) int64 ranks, 1 = first. Equal scores count against the target, so a constant
        encoder gets rank N and not 1.

    Raises:
        ValueError: shapes do not fit, a target is outside the columns, or a score is NaN.
    """
    table = np.asarray(scores)
    columns = np.asarray(targets, dtype=np.int64)
    if table.ndim != 2 or columns.shape != table.shape[:1]:
        raise ValueError(f"got {table.shape = }, {columns.shape = }, expected (Q, N) and (Q,)")
    if columns.size and not (columns.min() >= 0 and columns.max() < table.shape[1]):
        raise ValueError(f"got targets outside [0, {table.shape[1]})")
    if np.isnan(table).any():
        raise ValueError("got NaN among the scores, expected numbers")
    own = np.take_along_axis(table, columns[:, None], axis=1)
    return np.asarray((table >= own).sum(axis=1), dtype=np.int64)


def recall_at_k(ranks: ArrayLike, k: int) -> float:
    """Share of queries whose right answer is among the first `k`; `ranks` are 1-based, (Q,)."""
    places = _ranks(ranks)
    if k < 1:
        raise ValueError(f"got {k = }, expected at least 1")
    return float(np.mean(places <= k))


def overlap_at_k(scores: ArrayLike, others: ArrayLike, k: int) -> float:
    """Mean share of each query's first `k` references by `scores` that `others` rank there too.

    Args:
        scores: (Q, N) scores of Q queries against N references, higher is better; -inf for what
            is no answer.
        others: (Q, N) of another encoder, for the same queries and references.
        k: how many places count; fewer where there are fewer references.

    Raises:
        ValueError: the shapes differ, no query or reference, or `k` below 1.
    """
    left, right = np.asarray(scores), np.asarray(others)
    if left.shape != right.shape or left.ndim != 2 or 0 in left.shape or k < 1:
        raise ValueError(
            f"got {left.shape = }, {right.shape = } and {k = }, expected two (Q, N) and k >= 1"
        )
    k = min(k, left.shape[1])
    first = [np.argsort(-rows, axis=1, kind="stable")[:, :k] for rows in (left, right)]
    shared = [len(np.intersect1d(a, b)) / k for a, b in zip(*first, strict=True)]
    return float(np.mean(shared))


def median_rank(ranks: ArrayLike) -> float:
    """Median of 1-based ranks, (Q,)."""
    return float(np.median(_ranks(ranks)))


def average_precision(is_relevant: ArrayLike, *, num_relevant: int | None = None) -> float:
    """Average the precision at each relevant place of one ranked list.

    Args:
        is_relevant: (N,) bool, the list in ranked order, best first.
        num_relevant: how many relevant items exist in all, found or not; by default those in
            the list. Items that the list misses count as precision 0.

    Raises:
        ValueError: nothing is relevant, or fewer items exist than the list holds.
    """
    flags = np.asarray(is_relevant, dtype=bool).ravel()
    found = int(flags.sum())
    total = found if num_relevant is None else num_relevant
    if total < max(found, 1):
        raise ValueError(f"got {num_relevant = } and {found} in the list, expected at least both 1")
    precision = np.cumsum(flags) / np.arange(1, flags.size + 1)
    return float(precision[flags].sum() / total)


def mean_average_precision(lists: Sequence[ArrayLike]) -> float:
    """mAP: `average_precision` per query, averaged over the queries."""
    if not lists:
        raise ValueError("got no queries, expected at least one ranked list")
    return float(np.mean([average_precision(flags) for flags in lists]))


def micro_average_precision(scores: ArrayLike, is_correct: ArrayLike, *, num_true: int) -> float:
    """μAP: the area under one precision-recall curve over the pairs of all queries.

    As in the copy detection challenges (vsc2022, Pizzi et al. 2023): candidate pairs of all
    queries are sorted together by score, so one threshold serves every query and a query
    without any copy costs precision when it scores high. `sum_i (R_i - R_{i-1}) P_i` runs over
    the distinct scores: pairs with equal scores are taken together, whatever their order.

    Args:
        scores: (P,) score of each candidate pair, higher is surer.
        is_correct: (P,) bool, whether the pair is a true copy.
        num_true: how many true pairs exist, candidates or not.

    Raises:
        ValueError: shapes differ, a score is NaN, or `num_true` is below the correct pairs or 1.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    flags = np.asarray(is_correct, dtype=bool).ravel()
    if values.shape != flags.shape or np.isnan(values).any():
        raise ValueError(f"got {values.shape = }, {flags.shape = }, expected equal and no NaN")
    if num_true < max(1, int(flags.sum())):
        raise ValueError(
            f"got {num_true = } for {int(flags.sum())} correct pairs, expected >= both"
        )
    order = np.argsort(-values, kind="stable")
    correct = np.cumsum(flags[order])
    is_last_of_score = np.append(np.diff(values[order]) != 0, True)[: values.size]
    found = np.arange(1, values.size + 1)[is_last_of_score]
    correct = correct[is_last_of_score]
    gained = np.diff(correct, prepend=0)
    return float((gained * correct / found).sum() / num_true)


def segment_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair of segments.

    Args:
        first: (A, 2) `[start_seconds, end_seconds)`.
        second: (B, 2) likewise.

    Returns:
        (A, B) float64 in [0, 1]; 0 where both segments are empty.
    """
    left, right = _segments(first), _segments(second)
    start = np.maximum(left[:, None, 0], right[None, :, 0])
    end = np.minimum(left[:, None, 1], right[None, :, 1])
    shared = np.clip(end - start, 0.0, None)
    lengths = (left[:, 1] - left[:, 0])[:, None] + (right[:, 1] - right[:, 0])[None, :]
    union = lengths - shared
    iou: NDArray[np.float64] = np.zeros_like(shared)
    np.divide(shared, union, out=iou, where=union > 0)
    return iou


def cut_agreement(
    found_seconds: ArrayLike, true_seconds: ArrayLike, *, tolerance_seconds: float
) -> Agreement:
    """Pair found cuts with true ones, one to one, within a tolerance.

    Both lists are walked in order of time and each cut takes the earliest partner it can reach.
    With one tolerance for all this pairs as many as any assignment could: swapping a pair for
    an earlier partner never takes a place that a later cut alone could use.
    """
    found, true = (np.sort(np.asarray(x, float).ravel()) for x in (found_seconds, true_seconds))
    i = j = num_correct = 0
    while i < found.size and j < true.size:
        gap = found[i] - true[j]
        is_pair = abs(gap) <= tolerance_seconds
        num_correct += is_pair
        i += is_pair or gap < 0
        j += is_pair or gap > 0
    return Agreement(int(num_correct), int(found.size), int(true.size))


def _ranks(ranks: ArrayLike) -> NDArray[np.int64]:
    places = np.asarray(ranks)
    if places.size == 0 or places.min() < 1:
        raise ValueError("got no ranks or a rank below 1, expected 1-based ranks")
    return places.astype(np.int64)


def _segments(segments: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(segments, dtype=np.float64).reshape(-1, 2)
    if not (np.isfinite(array).all() and (array[:, 1] >= array[:, 0]).all()):
        raise ValueError("got segments that end before they start or are not finite")
    return array
