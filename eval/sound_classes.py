"""Accuracy of classes by sound: nearest neighbours and a linear probe over given rows.

The measure of `sceneprint train sound`; the same for the encoder and for the features beside it.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["class_accuracy"]

NEIGHBOURS = 5
RIDGE = 0.1
"""Of the probe, for rows of unit norm; a rule, not searched for."""

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


def class_accuracy(
    known: Rows, known_labels: Labels, asked: Rows, asked_labels: Labels
) -> dict[str, float]:
    """Share of asked rows that get their own class.

    Args:
        known: (N, D) unit norm.
        known_labels: (N,) classes from 0.
        asked: (M, D) unit norm.
        asked_labels: (M,).

    Returns:
        `knn`: by the cosine-weighted vote of the 5 nearest; `probe`: by a ridge regression onto
        the classes. Both in [0, 1].
    """
    num_classes = int(max(known_labels.max(), asked_labels.max())) + 1
    wanted = np.eye(num_classes)[known_labels]
    return {
        "knn": float(np.mean(_voted(known, wanted, asked) == asked_labels)),
        "probe": float(np.mean(_probed(known, wanted, asked) == asked_labels)),
    }


def _voted(known: Rows, wanted: NDArray[np.float64], asked: Rows) -> NDArray[np.int64]:
    cosines = asked @ known.T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    weights = np.exp(10.0 * np.take_along_axis(cosines, nearest, axis=1))
    return np.asarray(np.argmax(np.einsum("mk,mkc->mc", weights, wanted[nearest]), axis=1))


def _probed(known: Rows, wanted: NDArray[np.float64], asked: Rows) -> NDArray[np.int64]:
    centre = known.mean(axis=0)
    rows = (known - centre).astype(np.float64)
    gram = rows.T @ rows + RIDGE * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, rows.T @ (wanted - wanted.mean(axis=0)))
    return np.asarray(np.argmax((asked - centre) @ weights + wanted.mean(axis=0), axis=1))
