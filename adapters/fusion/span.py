"""Few shots span few dimensions: a linear adapter is fitted there, with the same result, sooner.

A linear map that begins at the words, or at class means, and follows gradients of the shots never
leaves the space that words and shots span, r <= N + C dimensions of D. With an orthonormal basis Q
(D, r) all inner products of shots and words stay, so the map learned from `x Q` is the map learned
from x: weights = weights' Q^T.
"""

from dataclasses import replace

import numpy as np

from adapters.few_shot.base import FloatArray, Shots

__all__ = ["in_span"]


def in_span(shots: Shots) -> tuple[Shots, FloatArray]:
    """Shots in the space that they span together with the words, and its basis.

    Returns:
        Shots of width r <= D, and Q (r, D) float32 with orthonormal rows: `weights @ Q` are weights
        for the embeddings as they were.
    """
    words = shots.text_weights
    rows = shots.embeddings if words is None else np.concatenate([shots.embeddings, words])
    if len(rows) >= shots.dim:
        return shots, np.eye(shots.dim, dtype=np.float32)
    wide, _ = np.linalg.qr(rows.T.astype(np.float64))
    basis = np.asarray(wide.T, np.float32)
    turned = replace(
        shots,
        embeddings=np.asarray(shots.embeddings @ basis.T, np.float32),
        text_weights=None if words is None else np.asarray(words @ basis.T, np.float32),
    )
    return turned, basis
