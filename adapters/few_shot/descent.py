"""Gradient descent over named arrays, full batch: a few hundred shots need no more.

Two kinds. `accelerated` is for convex losses whose curvature is known: it needs no learning rate.
`adam` is for the others, with warm-up, cosine decay and decoupled weight decay.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["accelerated", "adam", "schedule"]

FloatArray = NDArray[np.float32]
Parameters = Mapping[str, FloatArray]
Objective = Callable[[Parameters], tuple[float, Parameters]]
"""Parameters -> loss and gradient of each parameter."""


def schedule(step: int, num_steps: int, *, warm_up: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then cosine decay to zero."""
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, num_steps - warm_up)
    return 0.5 * (1.0 + math.cos(math.pi * done))


def accelerated(
    start: Parameters,
    objective: Objective,
    *,
    curvatures: Mapping[str, float],
    num_steps: int,
    tolerance: float = 3e-4,
) -> dict[str, FloatArray]:
    """Minimise a convex function by Nesterov's accelerated gradient with restarts.

    Steps are `1 / curvature` of each parameter. The momentum is dropped whenever it points uphill
    (O'Donoghue and Candès 2015, gradient scheme), which keeps the fast rate without knowing how
    strongly convex the function is.

    Args:
        start: where to begin.
        objective: the loss with its gradients.
        curvatures: of each parameter, a bound on the loss's curvature along it alone; with
            several parameters the sum of the bounds times their number is safe.
        num_steps: at most.
        tolerance: stop when no value moves more than this, relative to the largest.
    """
    now = {key: value.copy() for key, value in start.items()}
    ahead, momentum = now, 1.0
    for _ in range(num_steps):
        _, gradients = objective(ahead)
        following = {key: ahead[key] - gradients[key] / curvatures[key] for key in now}
        steps = {key: following[key] - now[key] for key in now}
        uphill = sum(float(np.vdot(gradients[key], steps[key])) for key in now) > 0
        next_momentum = 1.0 if uphill else 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum**2))
        share = 0.0 if uphill else (momentum - 1.0) / next_momentum
        ahead = {key: following[key] + np.float32(share) * steps[key] for key in now}
        now, momentum = following, next_momentum
        if all(
            np.abs(steps[key]).max() <= tolerance * max(1e-3, float(np.abs(now[key]).max()))
            for key in now
        ):
            break
    return now


def adam(
    start: Parameters,
    objective: Objective,
    *,
    learning_rate: float,
    num_steps: int,
    weight_decay: float = 0.0,
    warm_up_share: float = 0.1,
) -> dict[str, FloatArray]:
    """Minimise by Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov, Hutter 2019).

    Args:
        start: where to begin; decay pulls towards it, not towards zero, because what an adapter
            begins at is what it should not forget.
        objective: the loss with its gradients; may draw anew at every call (dropout).
        learning_rate: at the end of the warm-up.
        num_steps: in all.
        weight_decay: per unit of learning rate.
        warm_up_share: of the steps; cosine decay after.
    """
    now = {key: value.copy() for key, value in start.items()}
    mean = {key: np.zeros_like(value) for key, value in start.items()}
    square = {key: np.zeros_like(value) for key, value in start.items()}
    warm_up = max(1, round(warm_up_share * num_steps))
    for step in range(num_steps):
        rate = np.float32(learning_rate * schedule(step, num_steps, warm_up=warm_up))
        _, gradients = objective(now)
        for key, gradient in gradients.items():
            mean[key] += np.float32(0.1) * (gradient - mean[key])
            square[key] += np.float32(0.001) * (gradient**2 - square[key])
            first = mean[key] / np.float32(1 - 0.9 ** (step + 1))
            second = square[key] / np.float32(1 - 0.999 ** (step + 1))
            pull = np.float32(weight_decay) * (now[key] - start[key])
            now[key] = now[key] - rate * (first / (np.sqrt(second) + np.float32(1e-8)) + pull)
    return now
