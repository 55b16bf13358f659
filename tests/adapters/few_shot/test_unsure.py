import math

import numpy as np
import pytest

from adapters.few_shot.unsure import UNSURE, conformal_threshold, sure_answers, sure_labels


def shares_of(truth: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; the first one is always true, with these shares."""
    shares = np.array([[one, 1 - one] for one in truth], np.float32)
    return shares, np.tile(np.array([1, 0], np.float32), (len(truth), 1))


def test_threshold_is_the_corrected_quantile() -> None:
    shares, targets = shares_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    # n = 9: ceil(10 * 0.8) = the 8th smallest of 0.1 ... 0.9
    assert conformal_threshold(shares, targets, error_rate=0.2) == pytest.approx(0.8)
    assert conformal_threshold(shares, targets, error_rate=0.1) == pytest.approx(0.9)
    assert conformal_threshold(shares, targets, error_rate=0.09) == math.inf


def test_answers_need_exactly_one_class_in_the_set() -> None:
    shares = np.array([[0.8, 0.1, 0.1], [0.45, 0.45, 0.1], [0.4, 0.3, 0.3]], np.float32)
    assert sure_answers(shares, 0.6).tolist() == [0, UNSURE, 0]
    assert sure_answers(shares, 0.5).tolist() == [0, UNSURE, UNSURE]
    assert sure_answers(shares, math.inf).tolist() == [UNSURE] * 3


def test_multi_label_answers() -> None:
    shares = np.array([[0.9, 0.1, 0.5, 0.35]], np.float32)
    assert sure_labels(shares, 0.3).tolist() == [[1, 0, UNSURE, UNSURE]]
    assert sure_labels(shares, 0.4).tolist() == [[1, 0, UNSURE, 0]]
    assert sure_labels(shares, math.inf).tolist() == [[UNSURE] * 4]


def test_multi_label_threshold_takes_yes_and_no() -> None:
    shares = np.array([[0.9, 0.2]] * 9, np.float32)
    targets = np.array([[1, 0]] * 8 + [[1, 1]], np.float32)
    # 18 scores: nine of 0.1, eight of 0.2, one of 0.8; ceil(10 * 0.8) / 9 of them is the 16th
    assert conformal_threshold(shares, targets, error_rate=0.2) == pytest.approx(0.2)


def test_stated_rate_holds_on_exchangeable_rows() -> None:
    rng = np.random.default_rng(0)
    wrong, total = 0, 0
    for _ in range(300):
        logits = rng.standard_normal((60, 3)).astype(np.float32) * 2
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (shares.cumsum(axis=1) < rng.random((60, 1))).sum(axis=1).clip(max=2)
        targets = np.eye(3, dtype=np.float32)[labels]
        threshold = conformal_threshold(shares[:30], targets[:30], error_rate=0.1)
        answers = sure_answers(shares[30:], threshold)
        wrong += int(((answers != UNSURE) & (answers != labels[30:])).sum())
        total += 30
    assert wrong / total <= 0.11
    assert wrong / total > 0.02


def test_bad_rates_are_named() -> None:
    shares, targets = shares_of([0.5])
    for rate in (0.0, 1.0):
        with pytest.raises(ValueError, match="error_rate"):
            conformal_threshold(shares, targets, error_rate=rate)
    with pytest.raises(ValueError, match="same"):
        conformal_threshold(shares, targets[:, :1], error_rate=0.1)
