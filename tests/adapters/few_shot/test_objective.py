import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.few_shot.objective import curvature, loss_and_gradient, probabilities, sigmoid

FloatArray = NDArray[np.float32]


def made() -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((5, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    weights = np.repeat(rng.uniform(0.5, 2, (5, 1)), 3, axis=1).astype(np.float32)
    return logits, targets, weights


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_gradient_is_the_slope(is_exclusive: bool) -> None:
    logits, targets, weights = made()
    _, gradient = loss_and_gradient(logits, targets, weights, is_exclusive=is_exclusive)
    for place in np.ndindex(5, 3):
        moved = [logits.copy(), logits.copy()]
        moved[0][place] += 0.01
        moved[1][place] -= 0.01
        above, below = (
            loss_and_gradient(m, targets, weights, is_exclusive=is_exclusive)[0] for m in moved
        )
        assert gradient[place] == pytest.approx((above - below) / 0.02, abs=2e-4)


def test_hand_computed() -> None:
    zeros, ones = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    target = np.array([[1, 0, 0, 0]], np.float32)
    assert loss_and_gradient(zeros, target, ones, is_exclusive=True)[0] == pytest.approx(np.log(4))
    loss, gradient = loss_and_gradient(zeros, target, ones, is_exclusive=False)
    assert loss == pytest.approx(4 * np.log(2))
    assert gradient.tolist() == [[-0.5, 0.5, 0.5, 0.5]]


def test_nothing_overflows() -> None:
    far = np.array([[1e4, -1e4]], np.float32)
    for is_exclusive in (True, False):
        loss, gradient = loss_and_gradient(
            far, np.array([[0, 1]], np.float32), np.ones((1, 2), np.float32),
            is_exclusive=is_exclusive,
        )  # fmt: skip
        assert loss == pytest.approx(2e4)
        assert np.isfinite(gradient).all()
        assert probabilities(far, is_exclusive=is_exclusive).tolist() == [[1.0, 0.0]]
    assert sigmoid(np.zeros(1, np.float32)).tolist() == [0.5]


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_curvature_bounds_the_loss(is_exclusive: bool) -> None:
    """A quadratic with the bound lies above the loss, whatever the step."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((5, 4)).astype(np.float32)
    _, targets, weights = made()
    bound = curvature(rows, weights, is_exclusive=is_exclusive)
    for _ in range(50):
        start, step = rng.standard_normal((2, 3, 4)).astype(np.float32)
        loss, by_logits = loss_and_gradient(
            rows @ start.T, targets, weights, is_exclusive=is_exclusive
        )
        slope = float(np.vdot(by_logits.T @ rows, step))
        there, _ = loss_and_gradient(
            rows @ (start + step).T, targets, weights, is_exclusive=is_exclusive
        )
        assert there <= loss + slope + bound / 2 * float((step**2).sum()) + 1e-4
