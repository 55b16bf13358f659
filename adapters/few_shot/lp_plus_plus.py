"""LP++: visual prototypes plus text weights, blended by a learned number for each class.

Huang et al. 2024 (arXiv:2404.02285): logits are `x . (w_k + a_k t_k)` with both w and a learned.
Step sizes come from curvature bounds of the loss (the paper's block-coordinate view), the start
from the shots: nothing is searched.
"""

import numpy as np

from adapters.few_shot.base import FloatArray, LinearAdapter, Shots
from adapters.few_shot.descent import Parameters, accelerated
from adapters.few_shot.objective import curvature, loss_and_gradient
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["LpPlusPlus"]

NUM_STEPS = 300


class LpPlusPlus(LinearAdapter):
    """Starts: w at the sum of each class's shots, a at the encoder's temperature.

    The paper starts all a at 250 times the mean cosine of shots and their text, a constant for
    CLIP, whose temperature is 100 and whose cosines are near 0.25: some 60. Ours is the scale at
    which the encoder's own cosines are logits, whatever the encoder. The paper also stops where a
    validation set says; here all steps are taken.
    """

    name = "lp++"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        rows, text, weights = shots.embeddings, shots.start_weights, shots.weights
        cosines = rows @ text.T
        blends = np.full(shots.num_classes, shots.temperature, np.float32)
        bias = np.zeros(shots.num_classes, np.float32)
        visual = np.asarray((shots.targets * weights).T @ rows, np.float32)
        if not shots.is_exclusive:
            bias += shared_bias(cosines * blends + rows @ visual.T, shots)

        def objective(now: Parameters) -> tuple[float, Parameters]:
            logits = rows @ now["visual"].T + cosines * now["blends"] + now["bias"]
            loss, gradient = loss_and_gradient(
                logits, shots.targets, weights, is_exclusive=shots.is_exclusive
            )
            return loss, {
                "visual": gradient.T @ rows,
                "blends": (gradient * cosines).sum(axis=0),
                "bias": gradient.sum(axis=0),
            }

        share = 0.5 if shots.is_exclusive else 0.25
        blend_bound = share * float((weights * cosines**2).sum(axis=0).max()) / len(rows)
        trained = accelerated(
            {"visual": visual, "blends": blends, "bias": bias},
            objective,
            curvatures={  # three blocks at once: each bound times three
                "visual": 3 * curvature(rows, weights, is_exclusive=shots.is_exclusive),
                "blends": 3 * max(blend_bound, 1e-6),
                "bias": 3 * share * float(weights.max()),
            },
            num_steps=NUM_STEPS,
        )
        blended = trained["visual"] + trained["blends"][:, None] * text
        return {"weights": blended, "bias": trained["bias"]}
