import numpy as np
import pytest

from adapters.zero_shot import class_matrix, label_scores, weighted_mean_scores

X, Y = np.eye(2, dtype=np.float32)


def test_a_class_is_the_direction_of_its_mean_prompt() -> None:
    classes = class_matrix([np.stack([X, Y]), Y[None]])
    np.testing.assert_allclose(classes, [[0.5**0.5, 0.5**0.5], [0.0, 1.0]], atol=1e-6)


def test_scores_are_a_softmax_of_scaled_cosines() -> None:
    scores = label_scores(X[None], np.stack([X, Y]), temperature=2.0)
    share = np.exp(2.0) / (np.exp(2.0) + 1.0)
    np.testing.assert_allclose(scores, [[share, 1.0 - share]], atol=1e-6)


def test_large_temperatures_do_not_overflow() -> None:
    scores = label_scores(X[None], np.stack([X, -X]), temperature=1e4)
    np.testing.assert_allclose(scores, [[1.0, 0.0]])


def test_a_whole_is_the_weighted_mean_of_its_logits() -> None:
    classes = np.stack([X, Y])
    parts, weights = np.stack([X, Y]), np.array([3.0, 1.0], dtype=np.float32)
    scores = weighted_mean_scores(parts, weights, classes, temperature=2.0)
    # Logits: mean of (2, 0) three times and (0, 2) once = (1.5, 0.5).
    share = 1.0 / (1.0 + np.exp(-1.0))
    np.testing.assert_allclose(scores, [share, 1.0 - share], atol=1e-6)


def test_no_weight_counts_as_equal_weight() -> None:
    parts = np.stack([X, Y])
    scores = weighted_mean_scores(parts, np.zeros(2, np.float32), parts, temperature=5.0)
    np.testing.assert_allclose(scores, [0.5, 0.5])


@pytest.mark.parametrize("prompts", [[], [np.empty((0, 2), np.float32)], [X], [np.stack([X, -X])]])
def test_bad_prompts(prompts: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="label"):
        class_matrix(prompts)


def test_a_weight_for_each_part() -> None:
    with pytest.raises(ValueError, match="weight"):
        weighted_mean_scores(X[None], np.ones(2, np.float32), Y[None], temperature=1.0)
    with pytest.raises(ValueError, match="weight"):
        weighted_mean_scores(
            np.empty((0, 2), np.float32), np.empty(0, np.float32), Y[None], temperature=1.0
        )
