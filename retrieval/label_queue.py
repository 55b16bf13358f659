"""Which shots to label next: those that the present answers are least sure of, and no two alike.

As long as a class has no example, a likely one of it comes first: nothing can be learned without,
and random or doubtful shots find rare classes late (`eval.active` measures it). Then doubt decides.
Uncertainty sampling by margin and entropy (Settles 2009, "Active Learning Literature Survey",
section 3.1) alone asks ten times about one doubtful set-up that was shot ten times. So a shot's
doubt is multiplied by how far it lies from all that were chosen before it and from what is labelled
already, greedily, over a pool of the most doubtful. Arrays only; `label_desk` knows the library.
"""

import numpy as np
from numpy.typing import NDArray

from retrieval.types import FloatArray

__all__ = ["doubts", "next_rows", "order_rows", "queue_pool", "seek_rows"]

POOL = 2_000
"""Rows that the greedy choice looks at; more cost time and add rows that are hardly in doubt."""
MAX_KNOWN = 2_000
"""Labelled rows that new ones are held against."""
SEEK_POOL = 50
"""Likely rows of a class without an example that are looked at."""
SOUGHT = 3
"""Tries for each class without an example, before doubtful rows come too."""


def doubts(shares: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """How much in doubt each row is.

    Args:
        shares: (N, C) in [0, 1]; rows sum to one in an exclusive group, C >= 2 there.
        is_exclusive: whether one class holds.

    Returns:
        (N,) float32 in [0, 1]. Exclusive: the mean of `1 - (first - second share)` and the entropy
        over its greatest value `log C`. Multi-label: `4 p (1 - p)` of the most doubtful class.

    Raises:
        ValueError: the shares are not such an array.
    """
    if shares.ndim != 2 or shares.shape[1] < (2 if is_exclusive else 1):
        raise ValueError(f"got {shares.shape = }, expected (N, C) with two classes to tell apart")
    if not len(shares):
        return np.zeros(0, np.float32)
    if not is_exclusive:
        return np.asarray((4.0 * shares * (1.0 - shares)).max(axis=1), np.float32)
    best = np.partition(shares, shares.shape[1] - 2, axis=1)[:, -2:]
    margin = best[:, 1] - best[:, 0]
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1) / np.log(shares.shape[1])
    return np.asarray(np.clip(0.5 * (1.0 - margin + entropy), 0.0, 1.0), np.float32)


def order_rows(
    embeddings: FloatArray,
    doubt: FloatArray,
    word_shares: FloatArray,
    *,
    is_open: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    num_labelled: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    """The rows to ask about, in order: examples of classes without one, then the doubtful.

    Args:
        embeddings: (N, D) float32 unit norm.
        doubt: (N,) from `doubts` of the present answers.
        word_shares: (N, C), what the words of the classes alone say.
        is_open: (N,) which rows may be asked about.
        is_known: (N,) which rows are labelled.
        num_labelled: (C,) labelled rows of each class.
        count: how many; fewer where fewer are open.

    Returns:
        Row numbers.
    """
    known = embeddings[is_known][-MAX_KNOWN:]
    missing = np.flatnonzero(num_labelled == 0)
    sought = seek_rows(embeddings, word_shares, is_open=is_open, missing=missing, known=known)
    sought = sought[:count]
    is_left = is_open.copy()
    is_left[sought] = False
    pool = queue_pool(doubt, is_left)
    known = np.concatenate([known, embeddings[sought]])
    chosen = next_rows(embeddings[pool], doubt[pool], known=known, count=count - len(sought))
    return np.concatenate([sought, pool[chosen]])


def seek_rows(
    embeddings: FloatArray,
    shares: FloatArray,
    *,
    is_open: NDArray[np.bool_],
    missing: NDArray[np.int64],
    known: FloatArray,
) -> NDArray[np.int64]:
    """For each class without an example in turn, likely rows of it that are unlike the others.

    Args:
        embeddings: (N, D) float32 unit norm.
        shares: (N, C).
        is_open: (N,) whether nobody labelled the row yet.
        missing: numbers of the classes without an example.
        known: (K, D) embeddings of labelled rows.

    Returns:
        Row numbers, at most `SOUGHT` for each missing class.
    """
    pools = [queue_pool(shares[:, name], is_open, size=SEEK_POOL) for name in missing]
    is_chosen = np.zeros(len(embeddings), bool)
    chosen: list[int] = []
    for _ in range(SOUGHT):
        for name, pool in zip(missing, pools, strict=True):
            left = pool[~is_chosen[pool]]
            if not len(left):
                continue
            seen = np.concatenate([known, embeddings[chosen]]) if chosen else known
            row = int(left[next_rows(embeddings[left], shares[left, name], known=seen, count=1)[0]])
            is_chosen[row] = True
            chosen.append(row)
    return np.array(chosen, np.int64)


def queue_pool(
    doubt: FloatArray, is_open: NDArray[np.bool_], *, size: int = POOL
) -> NDArray[np.int64]:
    """The rows that may be asked about next: open ones, the most doubtful, at most `size`.

    Args:
        doubt: (N,) from `doubts`.
        is_open: (N,) whether nobody labelled the row yet.
        size: of the pool.

    Returns:
        Row numbers, most doubtful first; rows of one doubt in their order.
    """
    rows = np.flatnonzero(is_open)
    if len(rows) > size:
        rows = np.sort(rows[np.argpartition(-doubt[rows], size - 1)[:size]])
    return np.asarray(rows[np.argsort(-doubt[rows], kind="stable")], np.int64)


def next_rows(
    embeddings: FloatArray, doubt: FloatArray, *, known: FloatArray, count: int
) -> NDArray[np.int64]:
    """Choose rows greedily by `doubt * (1 - greatest cosine to what is known or chosen)`.

    Args:
        embeddings: (P, D) float32 unit norm, of the pool.
        doubt: (P,) from `doubts`.
        known: (K, D) float32 unit norm, of labelled rows; the last ones count where there are many.
        count: how many to choose; fewer where the pool has fewer.

    Returns:
        Row numbers in the order in which to ask.
    """
    nearest = np.zeros(len(embeddings), np.float32)
    if len(known) and len(embeddings):
        nearest = np.maximum(nearest, (embeddings @ known[-MAX_KNOWN:].T).max(axis=1))
    is_left = np.ones(len(embeddings), bool)
    chosen = []
    for _ in range(min(count, len(embeddings))):
        worth = np.where(is_left, (doubt + 1e-3) * (1.0 - np.minimum(nearest, 1.0)), -1.0)
        row = int(worth.argmax())
        chosen.append(row)
        is_left[row] = False
        nearest = np.maximum(nearest, embeddings @ embeddings[row])
    return np.array(chosen, np.int64)
