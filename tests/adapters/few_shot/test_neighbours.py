import numpy as np
import pytest

from adapters.few_shot.neighbours import nearest_examples


def test_most_similar_first() -> None:
    axes = np.eye(3, dtype=np.float32)
    row = np.array([[0.6, 0.8, 0.0]], np.float32)
    order, cosines = nearest_examples(row, axes, k=2)
    assert order.tolist() == [[1, 0]]
    np.testing.assert_allclose(cosines, [[0.8, 0.6]])
    assert nearest_examples(row, axes, k=9)[0].shape == (1, 3)
    with pytest.raises(ValueError, match="0 examples"):
        nearest_examples(row, axes[:0])
