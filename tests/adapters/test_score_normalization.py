import numpy as np
import pytest

from adapters.score_normalization import background_bias, normalize, with_bias, with_one

BACKGROUND = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], dtype=np.float32)
QUERIES = np.array([[1, 0], [0, 1]], dtype=np.float32)


def test_bias_by_hand() -> None:
    # cosines with the background: [1, 0, 0.6, -1] and [0, 1, 0.8, 0]
    one = background_bias(QUERIES, BACKGROUND, num_neighbours=1)
    np.testing.assert_allclose(one, [1.0, 1.0], atol=1e-6)
    two = background_bias(QUERIES, BACKGROUND, num_neighbours=2, beta=0.5)
    np.testing.assert_allclose(two, [0.5 * 0.8, 0.5 * 0.9], atol=1e-6)
    everything = background_bias(QUERIES, BACKGROUND, num_neighbours=99)
    np.testing.assert_allclose(everything, [0.6 / 4, 1.8 / 4], atol=1e-6)


def test_normalised_scores_by_hand() -> None:
    scores = np.array([[0.9, 0.5], [0.7, 0.95]], dtype=np.float32)
    normalised = normalize(scores, QUERIES, BACKGROUND, num_neighbours=2)
    np.testing.assert_allclose(normalised, [[0.1, -0.3], [-0.2, 0.05]], atol=1e-6)
    assert normalised.dtype == np.float32


def test_a_query_that_is_close_to_everything_falls_behind() -> None:
    rng = np.random.default_rng(1)
    background = rng.normal(0, 0.3, (50, 8)).astype(np.float32)
    background[:, 0] += 1
    background /= np.linalg.norm(background, axis=1, keepdims=True)
    common, rare = np.eye(8, dtype=np.float32)[[0, 5]]
    scores = np.array([[0.9], [0.8]], dtype=np.float32)
    normalised = normalize(scores, np.stack([common, rare]), background)
    assert normalised[0, 0] < normalised[1, 0]


def test_no_background_changes_nothing() -> None:
    scores = np.array([[0.9], [0.7]], dtype=np.float32)
    empty = np.empty((0, 2), dtype=np.float32)
    np.testing.assert_array_equal(normalize(scores, QUERIES, empty), scores)


def test_an_extra_dimension_carries_the_bias() -> None:
    rng = np.random.default_rng(2)
    queries, refs, background = (rng.normal(size=(n, 6)).astype(np.float32) for n in (5000, 3, 20))
    bias = background_bias(queries, background, num_neighbours=3)
    products = with_bias(queries, bias) @ with_one(refs).T
    expected = normalize(queries @ refs.T, queries, background, num_neighbours=3)
    np.testing.assert_allclose(products, expected, atol=1e-4)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="background of 3 dimensions"):
        background_bias(QUERIES, np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="num_neighbours"):
        background_bias(QUERIES, BACKGROUND, num_neighbours=0)
    with pytest.raises(ValueError, match="1 rows of scores for 2 queries"):
        normalize(np.zeros((1, 2), np.float32), QUERIES, BACKGROUND)
    with pytest.raises(ValueError, match="2-d"):
        background_bias(QUERIES[0], BACKGROUND)
