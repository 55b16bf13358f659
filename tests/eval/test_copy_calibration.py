import json
from pathlib import Path

import numpy as np
import pytest

from eval.copy_calibration import (
    Labelled,
    calibrate,
    false_per_hour,
    fit,
    write_calibration,
)
from retrieval.match_calibration import FEATURES


def labelled(num: int = 200, seed: int = 1) -> Labelled:
    """Finds whose `lead` tells, with some noise; everything else is noise alone."""
    rng = np.random.default_rng(seed)
    is_copy = rng.random(num) < 0.5
    features = rng.normal(0, 0.3, (num, len(FEATURES)))
    features[:, FEATURES.index("lead")] += np.where(is_copy, 1.5, -0.5)
    return Labelled(features, is_copy, tuple(f"q{n % 20}" for n in range(num)), 2.0)


def test_what_tells_gets_the_weight_and_none_is_negative() -> None:
    made = labelled()
    weights, intercept = fit(made.features, made.is_copy)
    assert int(np.argmax(weights)) == FEATURES.index("lead")
    assert np.delete(weights, FEATURES.index("is_turned")).min() >= 0
    scores = 1 / (1 + np.exp(-(made.features @ weights + intercept)))
    assert np.mean((scores > 0.5) == made.is_copy) > 0.95


def test_probabilities_are_frequencies_on_finds_that_were_held_out() -> None:
    calibration, figures = calibrate(labelled(600))
    assert figures["copies"] + figures["others"] == 600
    assert figures["missed"] + figures["false"] < 30
    assert calibration.default_score == 0.5


def test_nothing_seen_is_bounded_by_the_rule_of_three() -> None:
    ((level, rate, upper),) = false_per_hour([0.2], 1.5, levels=(0.5,))
    assert (level, rate) == (0.5, 0.0)
    assert upper == pytest.approx(3.0 / 1.5, rel=0.01)
    ((_, rate, upper),) = false_per_hour([0.6, 0.9], 1.0, levels=(0.5,))
    assert rate == 2.0
    assert upper == pytest.approx(6.296, rel=0.001)  # the 95 % bound of two events


def test_the_file_is_what_match_reads(tmp_path: Path) -> None:
    calibration, _ = calibrate(labelled())
    path = tmp_path / "made.json"
    write_calibration(path, calibration, made_by="a test")
    stored = json.loads(path.read_text())
    assert tuple(stored["features"]) == FEATURES
    assert len(stored["weights"]) == len(FEATURES)
    assert stored["false_per_hour"][0][0] == 0.05
