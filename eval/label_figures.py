"""Figures of answers about labelled shots, with intervals by a bootstrap over films."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.classification_metrics import expected_calibration_error, multi_label_map
from retrieval.types import FloatArray

__all__ = ["Bin", "ClassFigures", "Figure", "answers_of", "class_figures", "figures", "reliability"]

NUM_DRAWS = 1000
NUM_MAP_DRAWS = 200
NUM_BINS = 10

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval over films."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares."""

    name: str
    num_shots: int
    num_films: int
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True)
class Bin:
    """Answers of similar stated share."""

    low: float
    high: float
    num_answers: int
    stated: float
    right: float


def answers_of(shares: FloatArray, *, is_exclusive: bool) -> BoolArray:
    """(N, C) bool: the best class of each row, or every class above one half."""
    if not is_exclusive:
        return np.asarray(shares > 0.5, bool)
    return np.asarray(np.eye(shares.shape[1], dtype=bool)[shares.argmax(axis=1)], bool)


def figures(
    shares: FloatArray, targets: FloatArray, units: NDArray[np.int64], *, is_exclusive: bool
) -> dict[str, Figure]:
    """`accuracy`, `macro_f1`, `calibration_error`, and `map` of a multi-label group.

    Accuracy of a multi-label group is the share of its yes-or-no answers that are right.
    """
    answers = answers_of(shares, is_exclusive=is_exclusive)
    truth = np.asarray(targets > 0)
    stated, right = _stated(shares, answers, truth, is_exclusive=is_exclusive)
    per_row = right.reshape(len(truth), -1).astype(float)
    draws = _draws(units)
    tables = [_by_unit(part.astype(float), units) for part in (answers & truth, answers, truth)]
    weights = np.vstack([np.ones(draws.shape[1]), draws])
    hits, rows = _by_unit(per_row, units), _by_unit(np.ones_like(per_row), units)
    accuracy = (weights @ hits).sum(axis=1) / (weights @ rows).sum(axis=1)
    f1 = _ratio(2 * (weights @ tables[0]), weights @ tables[1] + weights @ tables[2])
    error = expected_calibration_error(np.clip(stated, 0, 1), right, num_bins=NUM_BINS)
    found = {
        "accuracy": _figure(accuracy),
        "macro_f1": _figure(np.nanmean(f1, axis=1)),
        "calibration_error": Figure(error, error, error),
    }
    if not is_exclusive:
        found["map"] = _map(shares, truth, units, draws[:NUM_MAP_DRAWS])
    return found


def class_figures(
    shares: FloatArray,
    targets: FloatArray,
    units: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    is_exclusive: bool,
) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of each class."""
    answers = answers_of(shares, is_exclusive=is_exclusive)
    truth = np.asarray(targets > 0)
    draws = _draws(units)
    weights = np.vstack([np.ones(draws.shape[1]), draws])
    hit, said, true = (
        weights @ _by_unit(part.astype(float), units) for part in (answers & truth, answers, truth)
    )
    tables = _ratio(hit, said), _ratio(hit, true), _ratio(2 * hit, said + true)
    return tuple(
        ClassFigures(
            name,
            int(truth[:, place].sum()),
            len(np.unique(units[truth[:, place]])),
            *(_figure(np.nan_to_num(table[:1, place]), table[1:, place]) for table in tables),
        )
        for place, name in enumerate(classes)
    )


def reliability(shares: FloatArray, targets: FloatArray, *, is_exclusive: bool) -> tuple[Bin, ...]:
    """Bins of equal width over the stated share of the answer, without the empty ones."""
    answers = answers_of(shares, is_exclusive=is_exclusive)
    truth = np.asarray(targets > 0)
    stated, right = _stated(shares, answers, truth, is_exclusive=is_exclusive)
    places = np.clip((stated * NUM_BINS).astype(int), 0, NUM_BINS - 1)
    return tuple(
        Bin(
            place / NUM_BINS,
            (place + 1) / NUM_BINS,
            int((places == place).sum()),
            float(stated[places == place].mean()),
            float(right[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )


def _stated(
    shares: FloatArray, answers: BoolArray, truth: BoolArray, *, is_exclusive: bool
) -> tuple[FloatArray, BoolArray]:
    """Share that each answer states, and whether it is right: (N,), or (N x C,) for any of."""
    if is_exclusive:
        return np.asarray(shares.max(axis=1)), np.asarray((answers & truth).any(axis=1))
    sure = np.maximum(shares, np.float32(1) - shares)
    return np.asarray(sure.ravel(), np.float32), np.asarray(answers == truth, bool).ravel()


def _draws(units: NDArray[np.int64]) -> NDArray[np.float64]:
    """(draws, U): how often each unit is drawn."""
    count = int(units.max()) + 1
    rng = np.random.default_rng(0)
    return rng.multinomial(count, np.full(count, 1 / count), size=NUM_DRAWS).astype(np.float64)


def _by_unit(rows: NDArray[np.float64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    table = np.zeros((int(units.max()) + 1, rows.shape[1]))
    np.add.at(table, units, rows)
    return table


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where there is nothing to divide by."""
    return np.where(bottom > 0, top / np.maximum(bottom, 1e-12), np.nan)


def _figure(first: NDArray[np.float64], drawn: NDArray[np.float64] | None = None) -> Figure:
    """First the value itself, then the draws of it."""
    rest = first[1:] if drawn is None else drawn
    rest = rest[np.isfinite(rest)]
    value = float(first[0])
    low, high = np.quantile(rest, (0.025, 0.975)) if len(rest) else (value, value)
    return Figure(value, float(low), float(high))


def _map(
    shares: FloatArray, truth: BoolArray, units: NDArray[np.int64], draws: NDArray[np.float64]
) -> Figure:
    values = [multi_label_map(shares, truth)]
    for draw in draws:
        rows = np.repeat(np.arange(len(truth)), draw.astype(int)[units])
        if truth[rows].any():
            values.append(multi_label_map(shares[rows], truth[rows]))
    return _figure(np.array(values))
