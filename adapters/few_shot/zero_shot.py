"""Zero-shot: the sentences of the classes alone, the floor that every adapter must reach."""

from typing import Self

import numpy as np

from adapters.few_shot.base import FloatArray, LinearAdapter, Shots
from adapters.few_shot.objective import sigmoid

__all__ = ["ZeroShot", "shared_bias"]


class ZeroShot(LinearAdapter):
    """Cosine to the text weights, times the encoder's temperature (Radford et al. 2021).

    Nothing is learned in an exclusive group. In a multi-label group the cosines have no zero, so
    one number for all classes is: the bias at which the shots' mean shares fit their labels.
    """

    name = "zero-shot"

    @classmethod
    def of_text(cls, text_weights: FloatArray, *, temperature: float) -> Self:
        """Make the adapter of an exclusive group without any shot."""
        weights = np.float32(temperature) * text_weights
        return cls({"weights": weights, "bias": np.zeros(len(weights), np.float32)})

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        if shots.text_weights is None:
            raise ValueError("got no text weights; zero-shot needs sentences for the classes")
        weights = np.float32(shots.temperature) * shots.text_weights
        bias = np.zeros(shots.num_classes, np.float32)
        if not shots.is_exclusive:
            bias += shared_bias(shots.text_logits, shots)
        return {"weights": weights, "bias": bias}


def shared_bias(logits: FloatArray, shots: Shots) -> np.float32:
    """The one number that, added to all logits, minimises the weighted sigmoid cross-entropy.

    The derivative, `sum w (s(z + b) - y)`, rises with b: bisection finds its zero.
    """
    low, high = -float(logits.max()) - 20.0, -float(logits.min()) + 20.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        shares = sigmoid(logits + np.float32(middle))
        if float((shots.weights * (shares - shots.targets)).sum()) > 0:
            high = middle
        else:
            low = middle
    return np.float32(0.5 * (low + high))
