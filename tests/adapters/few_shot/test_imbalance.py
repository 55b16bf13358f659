from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.few_shot.base import Shots
from adapters.few_shot.calibration import cross_fitted_logits
from adapters.few_shot.imbalance import (
    MAX_POSITIVE_WEIGHT,
    Balance,
    balanced_rows,
    balanced_weights,
    rebalanced,
    smote,
)
from adapters.few_shot.nearest import NearestExamples


def test_exclusive_weights_give_each_class_the_same_sum() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    weights = balanced_weights(targets, is_exclusive=True)
    np.testing.assert_allclose((weights * targets).sum(axis=0), [2, 2], rtol=1e-6)
    np.testing.assert_allclose(weights.mean(), 1)


def test_multi_label_weights_balance_each_column() -> None:
    targets = np.array([[1, 1], [0, 1], [0, 0], [0, 0]], np.float32)
    weights = balanced_weights(targets, is_exclusive=False)
    positives = (weights * targets).sum(axis=0)
    np.testing.assert_allclose(positives, (weights * (1 - targets)).sum(axis=0), rtol=1e-6)


def test_one_odd_positive_is_not_raised_without_bound() -> None:
    targets = np.zeros((1000, 1), np.float32)
    targets[0] = 1
    weights = balanced_weights(targets, is_exclusive=False)
    assert weights[0, 0] / weights[1, 0] == pytest.approx(MAX_POSITIVE_WEIGHT)


def test_balanced_rows_take_all_before_one_twice() -> None:
    labels = np.array([0] * 7 + [1] * 2)
    rows = balanced_rows(labels, 8, rng=np.random.default_rng(0))
    assert sorted(np.bincount(labels[rows]).tolist()) == [4, 4]
    assert len(set(rows[labels[rows] == 0].tolist())) == 4
    assert sorted(rows[labels[rows] == 1].tolist()) == [7, 7, 8, 8]
    with pytest.raises(ValueError, match="at least one"):
        balanced_rows(labels[:0], 3, rng=np.random.default_rng(0))


class TestSmote:
    def test_fills_up_between_neighbours(self) -> None:
        rng = np.random.default_rng(0)
        axes = np.eye(4, dtype=np.float32)
        rows = np.concatenate([axes[[2, 3, 2, 3, 2, 3]], axes[[0, 1]]])
        labels = np.array([0] * 6 + [1] * 2)
        filled, filled_labels = smote(rows, labels, rng=rng)
        assert np.bincount(filled_labels).tolist() == [6, 6]
        np.testing.assert_array_equal(filled[:8], rows)
        made = filled[8:]
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
        assert (made[:, 2:] == 0).all()
        assert ((made[:, :2] > 0).sum(axis=1) >= 1).all()

    def test_single_row_is_repeated(self) -> None:
        axes = np.eye(3, dtype=np.float32)
        filled, labels = smote(axes[[0, 0, 1]], np.array([0, 0, 1]), rng=np.random.default_rng(0))
        assert labels.tolist() == [0, 0, 1, 1]
        np.testing.assert_array_equal(filled[3], axes[1])


@pytest.mark.parametrize("balance", ["sampling", "smote"])
def test_every_class_gets_as_many_rows_as_the_largest(balance: Balance) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    targets = np.eye(3, dtype=np.float32)[[0, 0, 0, 0, 0, 1, 1, 2]]
    made, labels = rebalanced(rows, targets, balance, rng=rng)
    assert labels.sum(axis=0).tolist() == [5, 5, 5]
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    whole, same = rebalanced(rows, targets, "weights", rng=rng)
    assert whole is rows
    assert same is targets


def test_rows_are_made_of_what_an_adapter_may_see() -> None:
    """Held-out rows must not come back as copies: folds are drawn before rows are made."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shots = replace(
        Shots.exclusive(rows, [0] * 9 + [1] * 3, text_weights=None, temperature=10.0),
        balance="sampling",
    )
    held = cross_fitted_logits(NearestExamples, shots)
    learned = NearestExamples.fit(shots).logits(rows)
    assert learned.argmax(axis=1).tolist() == [0] * 9 + [1] * 3
    assert held[9:, 1].max() < learned[9:, 1].min()


def test_a_way_that_does_not_fit_is_refused() -> None:
    rows, targets = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    given: dict[str, Any] = {"embeddings": rows, "targets": targets, "text_weights": None}
    given["temperature"] = 1.0
    with pytest.raises(ValueError, match="expected one of weights, sampling, smote"):
        Shots(**{**given, "balance": "luck"})
    with pytest.raises(ValueError, match="several labels at once"):
        Shots(**given, balance="smote", is_exclusive=False)
