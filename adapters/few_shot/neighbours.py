"""Why an answer: the labelled examples most like a row, as people can look at them."""

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FloatArray

__all__ = ["nearest_examples"]


def nearest_examples(
    embeddings: FloatArray, examples: FloatArray, *, k: int = 3
) -> tuple[NDArray[np.int64], FloatArray]:
    """Find the k most similar examples of each row.

    Args:
        embeddings: (N, D) float32, unit norm.
        examples: (M, D) float32, unit norm, M >= 1.
        k: how many; at most M are given.

    Returns:
        (N, min(k, M)) int64 row numbers of the examples, most similar first, and their cosines.
    """
    if not len(examples) or k < 1:
        raise ValueError(f"got {len(examples)} examples and {k = }, expected at least one each")
    cosines = embeddings @ examples.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order.astype(np.int64), np.take_along_axis(cosines, order, axis=1)
