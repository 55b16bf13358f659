"""Tip-Adapter-F: the cache of Tip-Adapter with its keys trained from the shots onward."""

import numpy as np

from adapters.few_shot.base import FloatArray, Shots
from adapters.few_shot.descent import Parameters, adam
from adapters.few_shot.objective import loss_and_gradient
from adapters.few_shot.tip_adapter import BETA, TipAdapter, cache_affinities

__all__ = ["TrainedTipAdapter"]

LEARNING_RATE = 1e-3  # the paper's, as is the number of steps: 20 epochs of a few batches
NUM_STEPS = 100


class TrainedTipAdapter(TipAdapter):
    """Keys learned by Adam with warm-up and cosine decay; values and text weights stay."""

    name = "tip-adapter-f"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        begun = super()._fit(shots, rng)
        values, rows, weights = begun["values"], shots.embeddings, shots.weights
        text = rows @ begun["weights"].T + begun["bias"]

        def objective(now: Parameters) -> tuple[float, Parameters]:
            affinities = cache_affinities(rows, now["keys"])
            loss, gradient = loss_and_gradient(
                text + affinities @ values, shots.targets, weights, is_exclusive=shots.is_exclusive
            )
            by_cosine = np.float32(BETA) * affinities * (gradient @ values.T)
            return loss, {"keys": by_cosine.T @ rows}

        trained = adam(
            {"keys": begun["keys"]}, objective, learning_rate=LEARNING_RATE, num_steps=NUM_STEPS
        )
        return cls._with_bias(shots, trained["keys"], values)
