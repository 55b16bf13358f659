"""Rare classes: weights, balanced draws and made neighbours (SMOTE), over embeddings.

Weights count each row of a rare class more; balanced draws repeat its rows; SMOTE makes rows
between them. `docs/adapters.md` compares them.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["BALANCES", "Balance", "balanced_rows", "balanced_weights", "rebalanced", "smote"]

Balance = Literal["weights", "sampling", "smote"]
BALANCES: tuple[Balance, ...] = ("weights", "sampling", "smote")

FloatArray = NDArray[np.float32]

MAX_POSITIVE_WEIGHT = 20.0
"""Above it one odd label would decide a class of a multi-label group alone."""


def balanced_weights(targets: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """Weigh rows so that every class counts the same.

    Args:
        targets: (N, C) float32 of 0 and 1.
        is_exclusive: whether one class a row holds.

    Returns:
        (N, C) float32, mean one. Exclusive: the row's weight, `1 / rows of its class` up to a
        factor, repeated. Multi-label: in each column positives and negatives sum to the same
        (positives are raised at most `MAX_POSITIVE_WEIGHT` times above negatives).
    """
    counts = targets.sum(axis=0)
    if is_exclusive:
        row_weights = targets @ (1.0 / np.maximum(counts, 1.0))
        weights = np.repeat(row_weights[:, None], targets.shape[1], axis=1)
    else:
        ratio = (len(targets) - counts) / np.maximum(counts, 1.0)
        positive = np.clip(ratio, 1.0 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)
        weights = np.where(targets > 0, positive, 1.0)
        weights = weights / weights.mean(axis=0, keepdims=True)
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def rebalanced(
    embeddings: FloatArray, targets: FloatArray, balance: Balance, *, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """As many rows of each class of an exclusive group as of the largest.

    Args:
        embeddings: (N, D) float32, unit norm.
        targets: (N, C) float32, one 1 a row.
        balance: `sampling` repeats rows, `smote` makes some; `weights` leaves all as they are.
        rng: the source of chance.
    """
    if balance == "weights":
        return embeddings, targets
    labels = targets.argmax(axis=1)
    if balance == "smote":
        embeddings, labels = smote(embeddings, labels, rng=rng)
    else:
        counts = np.bincount(labels)
        rows = balanced_rows(labels, int(counts.max() * (counts > 0).sum()), rng=rng)
        embeddings, labels = embeddings[rows], labels[rows]
    return embeddings, np.eye(targets.shape[1], dtype=np.float32)[labels]


def balanced_rows(
    labels: NDArray[np.int64], num_rows: int, *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw rows so that every class that is there comes equally often.

    Args:
        labels: (N,) int64 class of each row.
        num_rows: how many to draw.
        rng: the source of chance.

    Returns:
        (num_rows,) int64 row numbers. A class's rows are all taken before one is taken again.
    """
    if labels.size == 0 or num_rows < 1:
        raise ValueError(f"got {labels.size} labels and {num_rows = }, expected at least one each")
    classes = rng.permutation(np.unique(labels))
    shares = np.full(len(classes), num_rows // len(classes))
    shares[: num_rows % len(classes)] += 1
    drawn = [
        _cycled(np.flatnonzero(labels == one), int(share), rng)
        for one, share in zip(classes, shares, strict=True)
    ]
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def smote(
    embeddings: FloatArray,
    labels: NDArray[np.int64],
    *,
    num_neighbours: int = 5,
    rng: np.random.Generator,
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Fill rare classes up to the largest with points between neighbours (SMOTE).

    Chawla et al. 2002 (arXiv:1106.1813): a made row lies at a random place between a row and one
    of its nearest neighbours of the same class; here it is set back to unit length, where
    embeddings live. A class of one row has no neighbour: its row is repeated.

    Args:
        embeddings: (N, D) float32, unit norm.
        labels: (N,) int64.
        num_neighbours: among how many nearest rows the partner is drawn.
        rng: the source of chance.

    Returns:
        Embeddings (M, D) and labels (M,), the given rows first.
    """
    classes, counts = np.unique(labels, return_counts=True)
    made, made_labels = [embeddings], [labels]
    for one, count in zip(classes, counts, strict=True):
        missing = int(counts.max() - count)
        if missing:
            rows = embeddings[labels == one]
            made.append(_between(rows, missing, num_neighbours, rng))
            made_labels.append(np.full(missing, one, dtype=np.int64))
    return np.concatenate(made), np.concatenate(made_labels)


def _between(
    rows: FloatArray, num_made: int, num_neighbours: int, rng: np.random.Generator
) -> FloatArray:
    starts = _cycled(np.arange(len(rows)), num_made, rng)
    if len(rows) == 1:
        return rows[starts]
    near = np.argsort(-(rows @ rows.T) + 9.0 * np.eye(len(rows)), axis=1)
    near = near[:, : min(num_neighbours, len(rows) - 1)]
    partners = near[starts, rng.integers(near.shape[1], size=num_made)]
    share = rng.random((num_made, 1)).astype(np.float32)
    points = rows[starts] + share * (rows[partners] - rows[starts])
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(norms, 1e-6), dtype=np.float32)


def _cycled(rows: NDArray[np.int64], num_drawn: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw without repeating until all were drawn, then again."""
    rounds = -(-num_drawn // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:num_drawn]
