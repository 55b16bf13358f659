import numpy as np
import pytest

from eval.sound_classes import class_accuracy
from retrieval.types import FloatArray

LABELS = np.repeat([0, 1, 2], 5)


def rows(noise: float, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    found = np.eye(8)[LABELS] + noise * rng.standard_normal((15, 8))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def test_classes_that_are_apart_are_told_apart() -> None:
    assert class_accuracy(rows(0.05, 0), LABELS, rows(0.05, 1), LABELS) == {
        "knn": 1.0,
        "probe": 1.0,
    }


def test_swapped_answers_count_as_wrong() -> None:
    asked = LABELS.copy()
    asked[:5] = 1  # what looks like class 0 is said to be class 1
    figures = class_accuracy(rows(0.05, 0), LABELS, rows(0.05, 1), asked)
    assert figures["knn"] == pytest.approx(2 / 3)
    assert figures["probe"] == pytest.approx(2 / 3)
