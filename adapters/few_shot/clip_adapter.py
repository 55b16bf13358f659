"""CLIP-Adapter: a small network that moves the embedding, blended with where it was.

Gao et al. 2021 (arXiv:2110.04544): two layers with a bottleneck of D / 4, no biases, a ReLU after
each, and `0.2 * network(x) + 0.8 * x` set back to unit length. The blend is the paper's default,
not searched.
"""

import numpy as np

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.descent import Parameters, adam
from adapters.few_shot.objective import loss_and_gradient
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["ClipAdapter"]

BLEND = 0.2
REDUCTION = 4
LEARNING_RATE = 1e-3
NUM_STEPS = 200
WEIGHT_DECAY = 0.01
DROPOUT = 0.2  # of the bottleneck, while training


class ClipAdapter(FewShotAdapter):
    """A residual bottleneck before the text weights."""

    name = "clip-adapter"
    array_names = ("weights", "bias", "down", "up")

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        weights = np.float32(shots.temperature) * shots.start_weights
        start = _start(shots.dim, rng)
        bias = np.zeros(shots.num_classes, np.float32)
        if not shots.is_exclusive:
            bias += shared_bias(shots.text_logits, shots)
        row_weights = shots.weights

        def objective(now: Parameters) -> tuple[float, Parameters]:
            hidden = np.maximum(shots.embeddings @ now["down"], 0)
            kept = (rng.random(hidden.shape) >= DROPOUT).astype(np.float32) / (1 - DROPOUT)
            dropped = hidden * kept
            moved = np.maximum(dropped @ now["up"], 0)
            mixed = BLEND * moved + (1 - BLEND) * shots.embeddings
            norms = np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
            unit = mixed / norms
            loss, gradient = loss_and_gradient(
                unit @ weights.T + now["bias"],
                shots.targets,
                row_weights,
                is_exclusive=shots.is_exclusive,
            )
            by_unit = gradient @ weights
            by_mixed = (by_unit - unit * (by_unit * unit).sum(axis=1, keepdims=True)) / norms
            by_moved = BLEND * by_mixed * (moved > 0)
            by_hidden = (by_moved @ now["up"].T) * kept * (hidden > 0)
            return loss, {
                "up": dropped.T @ by_moved,
                "down": shots.embeddings.T @ by_hidden,
                "bias": gradient.sum(axis=0),
            }

        trained = adam(
            {**start, "bias": bias},
            objective,
            learning_rate=LEARNING_RATE,
            num_steps=NUM_STEPS,
            weight_decay=WEIGHT_DECAY,
        )
        return {"weights": weights, **trained}

    def _logits(self, embeddings: FloatArray) -> FloatArray:
        hidden = np.maximum(embeddings @ self.arrays["down"], 0)
        moved = np.maximum(hidden @ self.arrays["up"], 0)
        mixed = BLEND * moved + (1 - BLEND) * embeddings
        norms = np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
        logits = (mixed / norms) @ self.arrays["weights"].T + self.arrays["bias"]
        return np.asarray(logits, np.float32)

    def _check_arrays(self) -> None:
        weights, bias, down, up = (self.arrays[name] for name in self.array_names)
        num_classes, dim = weights.shape if weights.ndim == 2 else (-1, -1)
        hidden = down.shape[-1]
        if (bias.shape, down.shape, up.shape) != ((num_classes,), (dim, hidden), (hidden, dim)):
            raise ValueError(
                f"got {weights.shape = }, {bias.shape = }, {down.shape = }, {up.shape = }"
            )


def _start(dim: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw the two layers uniformly within `1 / sqrt(inputs)`, as linear layers usually begin."""
    hidden = max(1, dim // REDUCTION)
    down = rng.uniform(-1, 1, (dim, hidden)) / np.sqrt(dim)
    up = rng.uniform(-1, 1, (hidden, dim)) / np.sqrt(hidden)
    return {"down": down.astype(np.float32), "up": up.astype(np.float32)}
