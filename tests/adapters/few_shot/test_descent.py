from itertools import pairwise

import numpy as np
import pytest

from adapters.few_shot.descent import Parameters, accelerated, adam, schedule

SCALES = np.array([100.0, 1.0], np.float32)


def bowl(now: Parameters) -> tuple[float, Parameters]:
    """`sum scale (x - 1)^2 / 2`, curved a hundred times more along one axis than the other."""
    away = now["x"] - 1
    return float((SCALES * away**2).sum() / 2), {"x": SCALES * away}


def test_schedule_warms_up_and_decays() -> None:
    rates = [schedule(step, 12, warm_up=2) for step in range(12)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[7] == pytest.approx(0.5)
    assert all(a >= b for a, b in pairwise(rates[2:]))
    assert rates[-1] < 0.03


def test_accelerated_finds_the_bottom_of_an_uneven_bowl() -> None:
    start = {"x": np.zeros(2, np.float32)}
    found = accelerated(start, bowl, curvatures={"x": 100.0}, num_steps=200, tolerance=1e-5)
    np.testing.assert_allclose(found["x"], [1, 1], atol=1e-3)
    assert start["x"].tolist() == [0, 0]


def test_adam_finds_it_and_decay_pulls_to_the_start() -> None:
    start = {"x": np.zeros(2, np.float32)}
    found = adam(start, bowl, learning_rate=0.1, num_steps=300)
    np.testing.assert_allclose(found["x"], [1, 1], atol=1e-2)
    held = adam(start, bowl, learning_rate=0.1, num_steps=300, weight_decay=5.0)
    assert (np.abs(held["x"]) < 0.3).all()
