"""Score normalisation: what a query scores against anything is taken off its scores.

Some frames are close to everything (dark, empty, plain), so their raw cosines mean less. With a
background of descriptors that no query copies, a query's own level is known and subtracted:

    s'(q, r) = s(q, r) - beta * mean of the k highest s(q, b) over the background b

(Pizzi et al. 2022, section on score normalisation; the recipe of the VSC 2022 baseline, which uses
the single highest, k = 1, and beta = 1.) The same number can be carried by an extra dimension,
q' = [q, -bias(q)] and r' = [r, 1], so that an inner-product index ranks by normalised scores.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["background_bias", "normalize", "with_bias", "with_one"]

FloatArray = NDArray[np.float32]

_CHUNK = 4096
"""Queries at once: bounds the memory to 4096 x B cosines."""


def background_bias(
    query_vectors: FloatArray,
    background: FloatArray,
    *,
    num_neighbours: int = 10,
    beta: float = 1.0,
) -> FloatArray:
    """What is subtracted from each query's scores.

    Args:
        query_vectors: (Q, D) unit norm.
        background: (B, D) unit norm; no rows give a bias of zero.
        num_neighbours: k, how many of the closest are averaged; all where there are fewer.
        beta: factor on the mean.

    Returns:
        (Q,) float32.

    Raises:
        ValueError: dimensions differ, or k is below one.
    """
    if num_neighbours < 1:
        raise ValueError(f"got {num_neighbours = }, expected at least 1")
    if query_vectors.ndim != 2 or background.ndim != 2:
        raise ValueError(f"got {query_vectors.shape = } and {background.shape = }, expected 2-d")
    if query_vectors.shape[1] != background.shape[1]:
        raise ValueError(
            f"got queries of {query_vectors.shape[1]} and a background of {background.shape[1]} "
            "dimensions; use the background of the encoder that made the queries"
        )
    bias = np.zeros(len(query_vectors), dtype=np.float32)
    if not len(background):
        return bias
    k = min(num_neighbours, len(background))
    for start in range(0, len(query_vectors), _CHUNK):
        cosines = query_vectors[start : start + _CHUNK] @ background.T
        closest = np.partition(cosines, -k, axis=1)[:, -k:]
        bias[start : start + _CHUNK] = beta * closest.mean(axis=1)
    return bias


def normalize(
    scores: FloatArray,
    query_vectors: FloatArray,
    background: FloatArray,
    *,
    num_neighbours: int = 10,
    beta: float = 1.0,
) -> FloatArray:
    """Subtract each query's background level.

    Args:
        scores: (Q, R) inner products of the queries with R references (or their k best).
        query_vectors: (Q, D) unit norm.
        background: (B, D) unit norm.
        num_neighbours: see `background_bias`.
        beta: see `background_bias`.

    Returns:
        (Q, R) float32; higher is better, and zero is as close as the background is.
    """
    if len(scores) != len(query_vectors):
        raise ValueError(f"got {len(scores)} rows of scores for {len(query_vectors)} queries")
    bias = background_bias(query_vectors, background, num_neighbours=num_neighbours, beta=beta)
    return np.asarray(scores - bias[:, None], dtype=np.float32)


def with_bias(query_vectors: FloatArray, bias: FloatArray) -> FloatArray:
    """Queries (Q, D + 1) whose inner product with `with_one` references is normalised."""
    return np.concatenate([query_vectors, -bias[:, None]], axis=1, dtype=np.float32)


def with_one(ref_vectors: FloatArray) -> FloatArray:
    """References (R, D + 1) for `with_bias` queries."""
    ones = np.ones((len(ref_vectors), 1), dtype=np.float32)
    return np.concatenate([ref_vectors, ones], axis=1, dtype=np.float32)
