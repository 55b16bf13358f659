"""Zero-shot classification: labels written as sentences, compared with embeddings.

The labels of one group become one class matrix (prompt ensembling, Radford et al. 2021,
arXiv:2103.00020, section 3.1.4); scores are a softmax over the group. numpy only; who makes the
embeddings and what they show is the caller's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["class_matrix", "label_scores", "weighted_mean_scores"]

FloatArray = NDArray[np.float32]


def class_matrix(prompt_embeddings: Sequence[FloatArray]) -> FloatArray:
    """Average each label's prompt embeddings into one class vector.

    Args:
        prompt_embeddings: C arrays, one a label, each (P, D) float32 unit norm, P >= 1.

    Returns:
        (C, D) float32, unit norm: the direction of the mean, as the length of a mean only says
        how much the prompts of a label differ.

    Raises:
        ValueError: No label, or a label without prompts, or prompts that cancel out.
    """
    if not prompt_embeddings:
        raise ValueError("got no labels, expected at least one array of prompt embeddings")
    rows = []
    for number, prompts in enumerate(prompt_embeddings):
        if prompts.ndim != 2 or len(prompts) == 0:
            raise ValueError(f"got {prompts.shape = } for label {number}, expected (P >= 1, D)")
        mean = prompts.mean(axis=0)
        norm = float(np.linalg.norm(mean))
        if norm < 1e-6:
            raise ValueError(f"the prompts of label {number} cancel each other out")
        rows.append(mean / norm)
    return np.asarray(rows, dtype=np.float32)


def label_scores(embeddings: FloatArray, classes: FloatArray, *, temperature: float) -> FloatArray:
    """Share of each label for each embedding: softmax(temperature x cosine).

    Args:
        embeddings: (N, D) float32, unit norm.
        classes: (C, D) float32, unit norm, from `class_matrix`.
        temperature: Factor on the cosines (CLIP's logit scale); what the encoder was trained with.

    Returns:
        (N, C) float32, each row sums to one.
    """
    return _softmax(temperature * (embeddings @ classes.T))


def weighted_mean_scores(
    embeddings: FloatArray, weights: FloatArray, classes: FloatArray, *, temperature: float
) -> FloatArray:
    """Scores of a whole from its parts: softmax of the weighted mean of the parts' logits.

    The mean of logits is the (normalised) geometric mean of the parts' scores: parts that cannot
    tell the labels apart hardly count, and one very sure part cannot be outvoted by noise.

    Args:
        embeddings: (N, D) float32, unit norm, N >= 1.
        weights: (N,) float32 >= 0, for example seconds; all zero counts as all equal.
        classes: (C, D) float32, unit norm.
        temperature: As in `label_scores`.

    Returns:
        (C,) float32, sums to one.

    Raises:
        ValueError: No embeddings, or weights of another number.
    """
    if len(embeddings) == 0 or weights.shape != (len(embeddings),):
        raise ValueError(
            f"got {len(embeddings)} embeddings and {weights.shape = }, expected one weight each"
        )
    shares = weights if weights.sum() > 0 else np.ones_like(weights)
    logits = temperature * (embeddings @ classes.T)
    mean = np.average(logits, axis=0, weights=shares)
    return np.asarray(_softmax(mean[None, :])[0], dtype=np.float32)


def _softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp never overflows
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
