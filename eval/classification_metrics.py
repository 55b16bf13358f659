"""Measures of classification, as pure functions over numpy arrays, and intervals over seeds."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics import micro_average_precision

__all__ = [
    "accuracy",
    "confusion_matrix",
    "expected_calibration_error",
    "macro_f1",
    "mean_interval",
    "multi_label_map",
]

_T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t at 97.5 % for 1 to 30 degrees of freedom."""


def accuracy(answers: ArrayLike, labels: ArrayLike) -> float:
    """Share of rows whose answer is the label; both (N,) integers, N >= 1."""
    given, true = _pair(answers, labels)
    return float((given == true).mean())


def confusion_matrix(
    answers: ArrayLike, labels: ArrayLike, *, num_classes: int
) -> NDArray[np.int64]:
    """(C, C) int64 counts: row = the label, column = the answer.

    Raises:
        ValueError: a number is outside [0, C).
    """
    given, true = _pair(answers, labels)
    if min(given.min(), true.min()) < 0 or max(given.max(), true.max()) >= num_classes:
        raise ValueError(f"got classes outside [0, {num_classes})")
    flat = np.bincount(true * num_classes + given, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes).astype(np.int64)


def macro_f1(answers: ArrayLike, labels: ArrayLike, *, num_classes: int) -> float:
    """F1 of each class, averaged over the classes that come as label or answer.

    F1 of a class is `2 right / (answers + labels)`: a class never answered has 0.
    """
    matrix = confusion_matrix(answers, labels, num_classes=num_classes)
    totals = matrix.sum(axis=0) + matrix.sum(axis=1)
    there = totals > 0
    return float((2 * np.diag(matrix)[there] / totals[there]).mean())


def expected_calibration_error(
    shares: ArrayLike, is_right: ArrayLike, *, num_bins: int = 15
) -> float:
    """ECE: how far the stated share is from the share that is right (Guo et al. 2017).

    Args:
        shares: (N,) share of each answer, in [0, 1].
        is_right: (N,) bool.
        num_bins: of equal width; the gaps of the bins are averaged by their rows.
    """
    stated, right = np.asarray(shares, np.float64), np.asarray(is_right, np.float64)
    if stated.shape != right.shape or stated.ndim != 1 or not stated.size:
        raise ValueError(f"got {stated.shape = }, {right.shape = }, expected the same (N >= 1,)")
    if not ((stated >= -1e-6) & (stated <= 1 + 1e-6)).all():
        raise ValueError("got shares outside [0, 1]")
    bins = np.clip((stated * num_bins).astype(np.int64), 0, num_bins - 1)
    gaps = np.bincount(bins, right - stated, minlength=num_bins)
    return float(np.abs(gaps).sum() / stated.size)


def multi_label_map(scores: ArrayLike, targets: ArrayLike) -> float:
    """mAP: average precision of each class's ranking, averaged over the classes that come.

    Equal scores are taken together, so their order cannot help.

    Args:
        scores: (N, C), higher is surer.
        targets: (N, C) bool.

    Raises:
        ValueError: shapes differ, or no class comes at all.
    """
    table, truth = np.asarray(scores, np.float64), np.asarray(targets, bool)
    if table.shape != truth.shape or table.ndim != 2:
        raise ValueError(f"got {table.shape = }, {truth.shape = }, expected the same (N, C)")
    there = [column for column in range(truth.shape[1]) if truth[:, column].any()]
    if not there:
        raise ValueError("got no row with a class, expected at least one")
    return float(
        np.mean(
            [
                micro_average_precision(
                    table[:, column], truth[:, column], num_true=int(truth[:, column].sum())
                )
                for column in there
            ]
        )
    )


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % interval by Student's t; 0 for a single value."""
    if not values:
        raise ValueError("got no values, expected at least one")
    count = len(values)
    mean = float(np.mean(values))
    if count == 1:
        return mean, 0.0
    quantile = _T_QUANTILES[count - 2] if count - 1 <= len(_T_QUANTILES) else 1.96
    return mean, quantile * float(np.std(values, ddof=1)) / math.sqrt(count)


def _pair(answers: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    given, true = np.asarray(answers, np.int64), np.asarray(labels, np.int64)
    if given.shape != true.shape or given.ndim != 1 or not given.size:
        raise ValueError(f"got {given.shape = }, {true.shape = }, expected the same (N >= 1,)")
    return given, true
