"""Makes `retrieval/match_calibration.json`: what scores of picture matches stand for.

Matches all queries of a development set of attacks, keeps every find down to the least likely, asks
the ground truth which of them are copies, and fits a logistic regression over their signs. The
rate of false matches is counted over the parts of queries that copy nothing.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.copy_metrics import CopySegment
from eval.copy_sets import CopySet, told
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError
from retrieval.match import match
from retrieval.match_calibration import FEATURES, FORMAT, Calibration
from retrieval.match_finds import Find
from retrieval.types import ProgressCallback, Segment

__all__ = ["Labelled", "calibrate", "collect", "false_per_hour", "fit", "write_calibration"]

Features = NDArray[np.float64]
L2 = 0.5
"""Weight of the squared coefficients: a few dozen copies do not tell eight of them sharply."""
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
CONFIDENCE = 0.95
MIN_SHARED = 0.3


@dataclass(frozen=True, eq=False)
class Labelled:
    """Finds of a set of queries with the truth about them.

    Attributes:
        features: (N, F) signs.
        is_copy: (N,) whether the find lies on a true copy of its video, on both sides.
        query_ids: Of each find.
        unrelated_hours: Query footage that copies nothing.
    """

    features: Features
    is_copy: NDArray[np.bool_]
    query_ids: tuple[str, ...]
    unrelated_hours: float


def collect(
    engine: Engine,
    data: CopySet,
    *,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Labelled:
    """Match all queries of a set in a library of its references.

    Raises:
        InvalidInputError: The library does not hold the references.
        MediaError: A query cannot be read.
        OperationCancelled: `should_stop` said so.
    """
    names = {path.resolve(): name for name, path in data.references.items()}
    rows: list[Features] = []
    labels: list[bool] = []
    queries: list[str] = []
    seconds = 0.0
    for query_id, path in told(data.queries, "match", progress, should_stop):
        found: list[Find] = []
        result = match(
            path,
            catalog=engine.catalog,
            encoder=engine.copy_encoder,
            vectors=engine.frame_vectors,
            limits=engine.limits,
            on_finds=found.extend,
            should_stop=should_stop,
        )
        truth = [item for item in data.truth if item.query_id == query_id]
        for find in found:
            name = names.get(find.video.path.resolve())
            if name is None:
                raise InvalidInputError(f"{find.video.path.name} is no reference of the set")
            rows.append(find.signs.features)
            labels.append(any(_is_on(find, item) for item in truth if item.ref_id == name))
            queries.append(query_id)
        seconds += _unrelated_seconds(result.query_seconds, truth)
    features = np.asarray(rows, dtype=np.float64).reshape(-1, len(FEATURES))
    return Labelled(features, np.asarray(labels, dtype=bool), tuple(queries), seconds / 3600)


def fit(features: Features, is_copy: NDArray[np.bool_]) -> tuple[Features, float]:
    """Logistic regression with a squared penalty, by Newton's method; no weight is negative.

    A sign that speaks for a copy must not count against one, whatever chance did in a small set:
    a feature whose weight would be negative is left out and the rest fitted again. `is_turned`
    alone may count against.

    Args:
        features: (N, F).
        is_copy: (N,).

    Returns:
        Weights (F,) and the intercept.
    """
    kept = np.ones(features.shape[1], dtype=bool)
    while True:
        solved = _newton(np.c_[features[:, kept], np.ones(len(features))], is_copy.astype(float))
        weights = np.zeros(features.shape[1])
        weights[kept] = solved[:-1]
        wrong = (weights < 0) & (np.arange(len(weights)) != FEATURES.index("is_turned"))
        if not wrong.any():
            return weights, float(solved[-1])
        kept[np.argmin(np.where(wrong, weights, 0.0))] = False


def _newton(rows: Features, truth: Features) -> Features:
    solved = np.zeros(rows.shape[1])
    penalty = np.append(np.full(rows.shape[1] - 1, L2), 1e-6)
    for _ in range(100):
        chance = 1.0 / (1.0 + np.exp(-np.clip(rows @ solved, -30, 30)))
        slope = rows.T @ (chance - truth) + penalty * solved
        curve = (rows * (chance * (1 - chance) + 1e-9)[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        solved = solved - step
        if float(np.abs(step).max()) < 1e-8:
            break
    return np.asarray(solved, dtype=np.float64)


def false_per_hour(
    scores: Sequence[float], hours: float, *, levels: Sequence[float] = LEVELS
) -> list[tuple[float, float, float]]:
    """Rate of false matches at each level, with its upper 95 % bound.

    The bound is Poisson's: none seen in h hours means fewer than 3.0 / h (the rule of three).

    Args:
        scores: Of the false matches.
        hours: In which they were found.
        levels: Scores to count from.

    Returns:
        Level, matches an hour, upper bound of that.
    """
    counts = [sum(score >= level for score in scores) for level in levels]
    return [
        (level, round(count / hours, 4), round(_poisson_upper(count) / hours, 4))
        for level, count in zip(levels, counts, strict=True)
    ]


def _poisson_upper(count: int) -> float:
    """The mean at which `count` events or fewer have a chance of only 5 %."""
    low, high = 0.0, 3.0 * count + 10.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = [
            math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1)
        ]
        low, high = (middle, high) if sum(terms) > 1 - CONFIDENCE else (low, middle)
    return high


def calibrate(labelled: Labelled) -> tuple[Calibration, dict[str, float]]:
    """Fit, and say how good the fit is on queries that were held out in turn.

    Returns:
        The calibration, and of the finds held out: `copies`, `others`, `log_loss` and, at 0.5,
        `missed` and `false`.
    """
    weights, intercept = fit(labelled.features, labelled.is_copy)
    held_out = _held_out(labelled)
    wrong = [float(score) for score in held_out[~labelled.is_copy]]
    clipped = np.clip(held_out, 1e-6, 1 - 1e-6)
    chance_of_truth = np.where(labelled.is_copy, clipped, 1 - clipped)
    figures = {
        "copies": int(labelled.is_copy.sum()),
        "others": int((~labelled.is_copy).sum()),
        "log_loss": round(float(-np.log(chance_of_truth).mean()), 4),
        "missed": int((held_out[labelled.is_copy] < 0.5).sum()),
        "false": sum(score >= 0.5 for score in wrong),
    }
    rates = tuple(false_per_hour(wrong, labelled.unrelated_hours))
    made = Calibration(tuple(weights.round(4).tolist()), round(intercept, 4), rates, 0.5)
    return made, figures


def _held_out(labelled: Labelled, *, num_folds: int = 5) -> Features:
    """Score of each find by a fit that never saw its query."""
    names = sorted(set(labelled.query_ids))
    fold = np.array([names.index(name) % num_folds for name in labelled.query_ids])
    scores = np.zeros(len(fold))
    for number in range(num_folds):
        inside = fold == number
        weights, intercept = fit(labelled.features[~inside], labelled.is_copy[~inside])
        logit = labelled.features[inside] @ weights + intercept
        scores[inside] = 1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30)))
    return scores


def write_calibration(path: Path, made: Calibration, *, made_by: str) -> None:
    """Write the JSON file that `retrieval.match_calibration` reads."""
    stored = {
        "format": FORMAT,
        "version": 1,
        "made_by": made_by,
        "features": list(FEATURES),
        "weights": list(made.weights),
        "intercept": made.intercept,
        "default_score": made.default_score,
        "false_per_hour": [list(row) for row in made.false_per_hour],
    }
    path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def _is_on(find: Find, truth: CopySegment) -> bool:
    """Whether a find shares enough of both segments with a true copy."""
    pairs = (
        (find.segment, Segment(truth.query_start, truth.query_end)),
        (find.ref_segment, Segment(truth.ref_start, truth.ref_end)),
    )
    return all(
        one.intersection_seconds(other)
        >= MIN_SHARED * min(one.duration_seconds, other.duration_seconds)
        for one, other in pairs
    )


def _unrelated_seconds(seconds: float, truth: Sequence[CopySegment]) -> float:
    """Query that copies nothing; copies do not overlap much."""
    return max(0.0, seconds - sum(item.query_end - item.query_start for item in truth))
