"""Shares that mean something: one temperature, learned from the shots by cross-fitting.

An adapter is certain of the rows it learned from, so its own logits there say nothing about rows
to come. Each fold's rows are therefore scored by an adapter that did not see them, and one number
is learned from those scores (temperature scaling, Guo et al. 2017, arXiv:1706.04599). The folds'
adapters learned from fewer rows than the final one: the shares err on the side of doubt.
"""

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.objective import loss_and_gradient

__all__ = ["cross_fitted_logits", "fit_temperature", "stratified_folds", "temperature_and_loss"]

MAX_FOLDS = 5
_BOUND = 3.0  # of the logarithm of the temperature: 1/20 to 20


def cross_fitted_logits(
    adapter: type[FewShotAdapter], shots: Shots, *, seed: int = 0
) -> FloatArray:
    """Score each shot by an adapter that did not see it.

    Args:
        adapter: the class to fit, up to five times.
        shots: N >= 2 rows.
        seed: of the folds and fits.

    Returns:
        (N, C) float32 logits. With one shot a class, a row's own class is known to its judge by
        words alone.

    Raises:
        ValueError: there is only one row.
    """
    if len(shots) < 2:
        raise ValueError("got one shot, expected at least 2 to learn from one and score the other")
    folds = stratified_folds(shots.targets, seed=seed)
    logits = np.zeros_like(shots.targets)
    for fold in np.unique(folds):
        held = folds == fold
        fitted = adapter.fit(shots.subset(np.flatnonzero(~held)), seed=seed)
        logits[held] = fitted.logits(shots.embeddings[held])
    return logits


def stratified_folds(targets: FloatArray, *, seed: int = 0) -> NDArray[np.int64]:
    """(N,) int64 fold of each row, at most five, the rows of a class spread over all of them.

    A row of several classes counts for its rarest.
    """
    rng = np.random.default_rng(seed)
    counts = targets.sum(axis=0)
    rarest = np.where(targets > 0, counts, np.inf).argmin(axis=1)
    num_folds = min(MAX_FOLDS, len(targets))
    order = rng.permutation(len(targets))
    order = order[np.argsort(rarest[order], kind="stable")]
    folds = np.empty(len(targets), np.int64)
    folds[order] = np.arange(len(targets)) % num_folds
    return folds


def fit_temperature(logits: FloatArray, targets: FloatArray, *, is_exclusive: bool) -> float:
    """Find the temperature T at which the shares of `logits / T` fit the labels best.

    Minimises the summed cross-entropy plus `log(T)^2 / 2`: a handful of rows that happen to be all
    right must not make the shares certain. The sum is unimodal enough in log T for a scan at 0.05.

    Args:
        logits: (N, C) of rows that the scoring adapter did not see.
        targets: (N, C) of 0 and 1.
        is_exclusive: softmax or sigmoids.
    """
    return temperature_and_loss(logits, targets, is_exclusive=is_exclusive)[0]


def temperature_and_loss(
    logits: FloatArray, targets: FloatArray, *, is_exclusive: bool
) -> tuple[float, float]:
    """The temperature of `fit_temperature`, and the sum that it minimises."""
    ones = np.ones_like(targets)
    share = 1.0 if is_exclusive else 1.0 / targets.shape[1]
    logs = np.arange(-_BOUND, _BOUND + 1e-9, 0.05)
    losses = [
        loss_and_gradient(
            np.asarray(logits * np.exp(-log), np.float32), targets, ones, is_exclusive=is_exclusive
        )[0]
        * len(logits)
        * share
        + log**2 / 2
        for log in logs
    ]
    best = int(np.argmin(losses))
    return float(np.exp(logs[best])), float(losses[best])
