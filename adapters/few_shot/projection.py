"""ProLIP's idea over embeddings: a map of the space, kept near the identity, before the words.

Fahes et al. 2024 (arXiv:2410.05270) train the last projection of the picture tower with
`lambda |A - A0|^2` and lambda = 1 / N. Over frozen embeddings that projection is a (D, D) matrix
`I + M`, and logits are `temperature * t_k . (I + M) x`. The best M lies in the span of the text
weights, `M = T^T U`, so the whole is a linear probe `V = T + G^(1/2) Z` with `G = T T^T` and a
penalty `lambda |Z|^2`: classes with like words move together. Unlike the paper the moved embedding
is not set back to unit length, which keeps the problem convex.
"""

import numpy as np

from adapters.few_shot.base import FloatArray, LinearAdapter, Shots
from adapters.few_shot.descent import Parameters, accelerated
from adapters.few_shot.objective import curvature, loss_and_gradient
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["ProjectionAdapter"]

NUM_STEPS = 300


class ProjectionAdapter(LinearAdapter):
    """A projection regularised towards the identity by one over the number of shots."""

    name = "projection"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        text, weights = shots.start_weights, shots.weights
        rows = shots.scaled_embeddings
        root, largest = _root(text @ text.T)
        penalty = np.float32(2.0 / len(shots))
        bias = np.zeros(shots.num_classes, np.float32)
        if not shots.is_exclusive:
            bias += shared_bias(shots.text_logits, shots)
        bias_share = np.float32(0.0 if shots.is_exclusive else 1.0)

        def objective(now: Parameters) -> tuple[float, Parameters]:
            logits = rows @ (text + root @ now["moves"]).T + now["bias"]
            loss, gradient = loss_and_gradient(
                logits, shots.targets, weights, is_exclusive=shots.is_exclusive
            )
            loss += float(penalty) * float((now["moves"] ** 2).sum()) / 2
            return loss, {
                "moves": root @ (gradient.T @ rows) + penalty * now["moves"],
                "bias": bias_share * gradient.sum(axis=0),
            }

        bound = largest * curvature(rows, weights, is_exclusive=shots.is_exclusive)
        trained = accelerated(
            {"moves": np.zeros_like(text), "bias": bias},
            objective,
            curvatures={"moves": 2 * bound + float(penalty), "bias": 2.0},
            num_steps=NUM_STEPS,
        )
        moved = np.float32(shots.temperature) * (text + root @ trained["moves"])
        return {"weights": moved, "bias": trained["bias"]}


def _root(gram: FloatArray) -> tuple[FloatArray, float]:
    """The symmetric square root of a Gram matrix, and the largest eigenvalue of the matrix."""
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root.astype(np.float32), float(values[-1])
