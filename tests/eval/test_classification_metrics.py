import numpy as np
import pytest

from eval.classification_metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    mean_interval,
    multi_label_map,
)

LABELS = [0, 0, 1, 1, 2]
ANSWERS = [0, 1, 1, 1, 0]


def test_accuracy() -> None:
    assert accuracy(ANSWERS, LABELS) == 0.6
    assert accuracy(LABELS, LABELS) == 1
    with pytest.raises(ValueError, match="N >= 1"):
        accuracy([], [])


def test_confusion_matrix_has_labels_in_rows() -> None:
    matrix = confusion_matrix(ANSWERS, LABELS, num_classes=3)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    with pytest.raises(ValueError, match=r"outside \[0, 2\)"):
        confusion_matrix(ANSWERS, LABELS, num_classes=2)


def test_macro_f1() -> None:
    # class 0: 2*1/(2+2), class 1: 2*2/(3+2), class 2: 0; the fourth class never comes
    assert macro_f1(ANSWERS, LABELS, num_classes=4) == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert macro_f1(LABELS, LABELS, num_classes=3) == 1


def test_calibration_error() -> None:
    # in ten bins: two answers at 0.95, one right (gap 0.45); two at 0.55, both right (gap 0.45)
    error = expected_calibration_error([0.95, 0.95, 0.55, 0.55], [1, 0, 1, 1], num_bins=10)
    assert error == pytest.approx(0.45)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    # in one bin the errors cancel out
    assert expected_calibration_error([0.8, 0.2], [1, 0], num_bins=1) == pytest.approx(0)
    with pytest.raises(ValueError, match="outside"):
        expected_calibration_error([1.2], [True])


def test_multi_label_map() -> None:
    scores = [[0.9, 0.1, 0.3], [0.8, 0.2, 0.3], [0.7, 0.3, 0.3]]
    targets = [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    # class 0: (1 + 2/3) / 2; class 1: its one row is last, 1/3; class 2 never comes
    assert multi_label_map(scores, targets) == pytest.approx((5 / 6 + 1 / 3) / 2)
    with pytest.raises(ValueError, match="no row"):
        multi_label_map(scores, np.zeros((3, 3)))


def test_equal_scores_do_not_help() -> None:
    assert multi_label_map(np.zeros((4, 1)), [[1], [0], [0], [0]]) == pytest.approx(0.25)


def test_mean_interval() -> None:
    mean, half = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(4.303 / 3**0.5)
    assert mean_interval([5.0]) == (5.0, 0.0)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
