"""Shares that mean something: one temperature, learned from the shots by cross-fitting.

An adapter is certain of the rows it learned from, so its own logits there say nothing about rows
to come. Each fold's rows are therefore scored by an adapter that did not see them, and one number
is learned from those scores (temperature scaling, Guo et al. 2017, arXiv:1706.04599). The folds'
adapters learned from fewer rows than the final one: the shares err on the side of doubt.

Shots of one film resemble each other more than those of films to come. So where each class is
seen in several films, a film's shots are judged together, by an adapter that saw none of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.objective import loss_and_gradient

__all__ = ["cross_fitted_logits", "fit_temperature", "stratified_folds", "temperature_and_loss"]

MAX_FOLDS = 5
_BOUND = 3.0  # of the logarithm of the temperature: 1/20 to 20


def cross_fitted_logits(
    adapter: type[FewShotAdapter],
    shots: Shots,
    *,
    sources: Sequence[str] | None = None,
    seed: int = 0,
) -> FloatArray:
    """Score each shot by an adapter that did not see it.

    Args:
        adapter: the class to fit, up to five times.
        shots: N >= 2 rows.
        sources: the film of each row; None where rows have nothing in common.
        seed: of the folds and fits.

    Returns:
        (N, C) float32 logits. With one shot a class, a row's own class is known to its judge by
        words alone.

    Raises:
        ValueError: there is only one row.
    """
    if len(shots) < 2:
        raise ValueError("got one shot, expected at least 2 to learn from one and score the other")
    folds = stratified_folds(shots.targets, sources=sources, seed=seed)
    logits = np.zeros_like(shots.targets)
    for fold in np.unique(folds):
        held = folds == fold
        fitted = adapter.fit(shots.subset(np.flatnonzero(~held)), seed=seed)
        logits[held] = fitted.logits(shots.embeddings[held])
    return logits


def stratified_folds(
    targets: FloatArray, *, sources: Sequence[str] | None = None, seed: int = 0
) -> NDArray[np.int64]:
    """(N,) int64 fold of each row, at most five, the rows of a class spread over all of them.

    A row of several classes counts for its rarest. Rows of one source share a fold, unless a class
    has one source only: without it nothing would be known of the class.
    """
    rng = np.random.default_rng(seed)
    if sources is not None:
        grouped = _by_source(targets, np.unique(np.asarray(sources), return_inverse=True)[1], rng)
        if grouped is not None:
            return grouped
    counts = targets.sum(axis=0)
    rarest = np.where(targets > 0, counts, np.inf).argmin(axis=1)
    num_folds = min(MAX_FOLDS, len(targets))
    order = rng.permutation(len(targets))
    order = order[np.argsort(rarest[order], kind="stable")]
    folds = np.empty(len(targets), np.int64)
    folds[order] = np.arange(len(targets)) % num_folds
    return folds


def _by_source(
    targets: FloatArray, sources: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """Folds of whole sources, large ones first, each to where its classes are fewest so far."""
    number = int(sources.max()) + 1
    counts = np.zeros((number, targets.shape[1]))
    np.add.at(counts, sources, targets)
    if ((counts > 0).sum(axis=0) < 2).any():
        return None
    held = np.zeros((min(MAX_FOLDS, number), targets.shape[1]))
    fold_of = np.empty(number, np.int64)
    order = rng.permutation(number)
    for source in order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]:
        crowding = held @ (counts[source] / np.maximum(counts.sum(axis=0), 1))
        fold = int(np.lexsort((held.sum(axis=1), crowding))[0])
        fold_of[source] = fold
        held[fold] += counts[source]
    folds = fold_of[sources]
    return folds if _leaves_each_class(folds, targets) else None


def _leaves_each_class(folds: NDArray[np.int64], targets: FloatArray) -> bool:
    """Whether every class is seen outside of each fold."""
    return all(targets[folds != fold].any(axis=0).all() for fold in np.unique(folds))


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
