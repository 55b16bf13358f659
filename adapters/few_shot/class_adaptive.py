"""CLAP's class-adaptive linear probe: each class may leave its words as far as they fail it.

Silva-Rodriguez et al. 2024 (arXiv:2312.12730): cross-entropy plus
`mean_c lambda_c |v_c - t_c|^2`, where lambda_c is the mean zero-shot share that the shots of class
c get for it: where the words already work, the probe stays with them. No label is held out. The
paper sets the weights back to unit length at each step; here they keep theirs, which keeps the
problem convex.
"""

import numpy as np

from adapters.few_shot.anchored_probe import anchored_probe
from adapters.few_shot.base import FloatArray, LinearAdapter, Shots
from adapters.few_shot.objective import probabilities
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["ClassAdaptiveProbe"]


class ClassAdaptiveProbe(LinearAdapter):
    """A linear probe anchored at the text weights, class by class."""

    name = "class-adaptive"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        logits = shots.text_logits
        if not shots.is_exclusive:
            logits = logits + shared_bias(logits, shots)
        shares = probabilities(logits, is_exclusive=shots.is_exclusive) * shots.targets
        trust = shares.sum(axis=0) / np.maximum(shots.targets.sum(axis=0), 1.0)
        # a class without shots has nothing to learn: it stays with its words
        trust = np.where(shots.targets.any(axis=0), np.maximum(trust, 1e-3), 1.0)
        return anchored_probe(shots, np.asarray(2.0 * trust / shots.num_classes, np.float32))
