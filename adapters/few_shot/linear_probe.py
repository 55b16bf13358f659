"""Linear probe begun at the text weights, which nothing holds there: ZS-LP, the honest baseline.

As in Silva-Rodriguez et al. 2024 (arXiv:2312.12730): cross-entropy alone decides, from the text
weights onward, for a fixed number of steps. The steps follow the curvature of the loss, so there
is no learning rate to choose.
"""

import numpy as np

from adapters.few_shot.anchored_probe import anchored_probe
from adapters.few_shot.base import FloatArray, LinearAdapter, Shots

__all__ = ["LinearProbe"]

WEIGHT_DECAY = 1e-3
"""Towards the text weights; far too little to hold them, enough for an optimum to exist."""


class LinearProbe(LinearAdapter):
    """It forgets the words as fast as the shots allow."""

    name = "linear-probe"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        return anchored_probe(shots, np.full(shots.num_classes, WEIGHT_DECAY, np.float32))
