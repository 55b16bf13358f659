"""From what was seen of a match to the probability that it is a copy.

A logistic regression over a few signs, fitted on the development attacks by
`eval/copy_calibration.py`; its numbers lie beside this file as JSON and say how they were made.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.types import FloatArray

__all__ = ["FEATURES", "Calibration", "Signs", "load_calibration"]

FILE = Path(__file__).with_name("match_calibration.json")
FORMAT = "sceneprint-match-calibration"
FEATURES = (
    "layout",
    "layout_frames",
    "evidence",
    "lead",
    "gain",
    "distinct",
    "seconds",
    "is_turned",
)
"""In the order of the weights; see `Signs.features`."""


@dataclass(frozen=True)
class Signs:
    """What was seen of a possible match.

    Attributes:
        layout: Mean likeness of layouts in [0, 1]; None where they could not agree.
        evidence: Mean evidence of the descriptors, at most 1.
        lead: How far that is above the best frames of any other video: what looks like much
            in the library says little.
        num_frames: Query frames along it.
        num_distinct: How many of these are different pictures.
        seconds: Length in the query.
        is_turned: Whether it was found in another view than the plain one, or backwards: more
            views are more chances to be wrong.
    """

    layout: float | None
    evidence: float
    lead: float
    num_frames: int
    num_distinct: int
    seconds: float
    is_turned: bool

    @property
    def features(self) -> NDArray[np.float64]:
        """(F,) numbers for the regression, all of about the same size."""
        has_layout = self.layout is not None
        layout = 0.0 if self.layout is None else self.layout
        return np.array(
            [
                5.0 * (layout - 0.5) if has_layout else 0.0,
                math.log2(1 + self.num_frames) / 3.0 if has_layout else 0.0,
                2.0 * self.evidence,
                2.0 * min(max(self.lead, -0.5), 1.0),
                math.log2(1.0 + max(0.0, self.evidence) * self.num_frames),
                math.log2(1.0 + self.num_distinct),
                math.log2(1.0 + self.seconds) / 3.0,
                float(self.is_turned),
            ]
        )


@dataclass(frozen=True)
class Calibration:
    """A fitted regression and what its scores stand for.

    Attributes:
        weights: (F,) of `FEATURES`.
        intercept: What is added.
        false_per_hour: (score, false matches an hour of unrelated query, upper 95 % bound), with
            rising scores.
        default_score: From where a match is shown.
    """

    weights: tuple[float, ...]
    intercept: float
    false_per_hour: tuple[tuple[float, float, float], ...]
    default_score: float

    def probability(self, signs: Signs) -> float:
        """Probability in [0, 1] that this is a copy."""
        logit = float(np.dot(self.weights, signs.features)) + self.intercept
        return 1.0 / (1.0 + math.exp(-min(max(logit, -30.0), 30.0)))

    def false_matches_per_hour(self, score: float) -> float | None:
        """Upper bound for matches of this score or a higher one; None where none was measured."""
        bounds = [upper for least, _, upper in self.false_per_hour if least <= score + 1e-9]
        return bounds[-1] if bounds else None


@lru_cache(maxsize=1)
def load_calibration() -> Calibration:
    """The shipped calibration.

    Raises:
        ValueError: The file is not one, or was made for other features.
    """
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    if stored.get("format") != FORMAT or tuple(stored["features"]) != FEATURES:
        raise ValueError(f"{FILE.name} is no calibration of the features {', '.join(FEATURES)}")
    return Calibration(
        tuple(float(weight) for weight in stored["weights"]),
        float(stored["intercept"]),
        tuple((float(a), float(b), float(c)) for a, b, c in stored["false_per_hour"]),
        float(stored["default_score"]),
    )


def num_distinct(layouts: FloatArray, *, same: float = 0.85) -> int:
    """How many different pictures a run of layouts (N, L) shows, one after the other."""
    count, last = 0, None
    for layout in layouts:
        if layout.any() and (last is None or float(layout @ last) < same):
            count, last = count + 1, layout
    return count
