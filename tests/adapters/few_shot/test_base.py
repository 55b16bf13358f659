from typing import Any

import numpy as np
import pytest

from adapters.few_shot.base import Shots
from tests.adapters.few_shot.conformance import DIM, TEMPERATURE, made_shots, text_weights

AXES = np.eye(4, dtype=np.float32)


def shots(**changed: Any) -> Shots:
    given: dict[str, Any] = {
        "embeddings": AXES,
        "targets": np.eye(2, dtype=np.float32)[[0, 1, 0, 0]],
        "text_weights": AXES[:2],
        "temperature": 5.0,
    }
    return Shots(**{**given, **changed})


def test_class_means_and_weights() -> None:
    one = shots()
    np.testing.assert_allclose(one.class_means, np.array([[1, 0, 1, 1], [0, 3, 0, 0]]) / 3)
    # three rows of class 0 weigh together as much as the one of class 1: 2/3 each against 2
    np.testing.assert_allclose(one.weights[:, 0], [2 / 3, 2, 2 / 3, 2 / 3], rtol=1e-6)
    assert shots(is_balanced=False).weights.tolist() == np.ones((4, 2)).tolist()


def test_start_weights_without_words_are_directions_of_the_means() -> None:
    start = shots(text_weights=None).start_weights
    np.testing.assert_allclose(
        start, np.array([[1, 0, 1, 1], [0, 3**0.5, 0, 0]]) / 3**0.5, rtol=1e-6
    )


def test_exclusive_from_numbers() -> None:
    made = Shots.exclusive(AXES, [1, 0, 1, 1], text_weights=None, temperature=1, num_classes=3)
    assert made.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"outside \[0, 2\)"):
        Shots.exclusive(AXES, [0, 1, 2, 0], text_weights=AXES[:2], temperature=1)
    with pytest.raises(ValueError, match=r"expected \(N,\)"):
        Shots.exclusive(AXES, [0, 1], text_weights=AXES[:2], temperature=1)


def test_subset_keeps_the_classes() -> None:
    left = made_shots().subset([0, 1])
    assert (len(left), left.num_classes, left.dim) == (2, 3, DIM)
    assert left.temperature == TEMPERATURE
    np.testing.assert_array_equal(left.start_weights, text_weights())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embeddings": 2 * AXES}, "unit norm"),
        ({"embeddings": AXES * np.nan}, "finite"),
        ({"embeddings": AXES[:3]}, "3 embeddings"),
        ({"targets": np.full((4, 2), 0.5, np.float32)}, "0 and 1"),
        ({"targets": np.ones((4, 2), np.float32)}, "exactly one class"),
        ({"targets": np.ones((4, 1), np.float32), "text_weights": None}, "at least 2"),
        ({"text_weights": AXES[:3]}, "text_weights"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_bad_shots_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shots(**changed)
