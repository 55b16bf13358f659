"""Tip-Adapter: zero-shot logits plus those of a cache of the shots, without training.

Zhang et al. 2022 (arXiv:2207.09519). The cache answers `alpha * exp(-beta (1 - cosine)) @ labels`;
alpha = 1 and beta = 5.5 are the paper's fixed values, which it otherwise searches on held-out
labels.
"""

import numpy as np

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["ALPHA", "BETA", "TipAdapter", "cache_affinities", "cache_values"]

ALPHA = 1.0
BETA = 5.5


class TipAdapter(FewShotAdapter):
    """A key-value cache over the shots beside the text weights."""

    name = "tip-adapter"
    array_names = ("weights", "bias", "keys", "values")

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        keys, values = shots.embeddings, cache_values(shots)
        return cls._with_bias(shots, keys, values)

    @classmethod
    def _with_bias(
        cls, shots: Shots, keys: FloatArray, values: FloatArray
    ) -> dict[str, FloatArray]:
        weights = np.float32(shots.temperature) * shots.start_weights
        bias = np.zeros(shots.num_classes, np.float32)
        if not shots.is_exclusive:
            logits = (
                shots.embeddings @ weights.T + cache_affinities(shots.embeddings, keys) @ values
            )
            bias += shared_bias(logits, shots)
        return {"weights": weights, "bias": bias, "keys": keys, "values": values}

    def _logits(self, embeddings: FloatArray) -> FloatArray:
        text = embeddings @ self.arrays["weights"].T + self.arrays["bias"]
        return text + cache_affinities(embeddings, self.arrays["keys"]) @ self.arrays["values"]

    def _check_arrays(self) -> None:
        weights, bias, keys, values = (self.arrays[name] for name in self.array_names)
        num_classes, dim = weights.shape if weights.ndim == 2 else (-1, -1)
        expected = ((num_classes,), (len(keys), dim), (len(keys), num_classes))
        if (bias.shape, keys.shape, values.shape) != expected:
            raise ValueError(
                f"got {weights.shape = }, {bias.shape = }, {keys.shape = }, {values.shape = }"
            )


def cache_affinities(embeddings: FloatArray, keys: FloatArray) -> FloatArray:
    """(N, M) float32 `exp(-beta (1 - cosine))` in (0, 1] for unit rows."""
    return np.asarray(np.exp(-BETA * (1.0 - embeddings @ keys.T)), np.float32)


def cache_values(shots: Shots) -> FloatArray:
    """(N, C) float32: the labels, with rare classes raised as in `Shots.weights`.

    In a multi-label group a row also speaks against the classes that it does not have.
    """
    if shots.is_exclusive:
        return np.asarray(ALPHA * shots.targets * shots.weights, np.float32)
    return np.asarray(ALPHA * (2.0 * shots.targets - 1.0) * shots.weights, np.float32)
