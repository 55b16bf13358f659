import numpy as np
import pytest

from eval.label_figures import answers_of, class_figures, figures, reliability

TARGETS = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
SHARES = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]], np.float32)
UNITS = np.array([0, 0, 1, 1])


def test_figures_by_hand() -> None:
    found = figures(SHARES, TARGETS, UNITS, is_exclusive=True)
    assert found["accuracy"].value == 0.75
    assert (found["accuracy"].low, found["accuracy"].high) == (0.5, 1.0)
    assert found["macro_f1"].value == pytest.approx((2 / 3 + 0.8) / 2)
    assert found["calibration_error"].value == pytest.approx((0.2 + 0.6 + 0.2) / 4)
    first, second = class_figures(SHARES, TARGETS, UNITS, ("a", "b"), is_exclusive=True)
    assert (first.precision.value, first.recall.value) == (1.0, 0.5)
    assert second.precision.value == pytest.approx(2 / 3)
    assert (first.num_shots, first.num_films) == (2, 1)


def test_several_at_once_by_hand() -> None:
    found = figures(SHARES, TARGETS, UNITS, is_exclusive=False)
    assert found["accuracy"].value == 0.75
    assert found["map"].value == 1.0
    assert answers_of(SHARES, is_exclusive=False).sum() == 4


def test_bins_hold_every_answer() -> None:
    bins = reliability(SHARES, TARGETS, is_exclusive=True)
    assert sum(one.num_answers for one in bins) == 4
    assert [one.right for one in bins] == [0.0, 1.0, 1.0]
    assert all(one.low <= one.stated + 1e-6 <= one.high + 1e-5 for one in bins)
