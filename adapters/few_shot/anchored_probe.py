"""A linear probe anchored at the text weights, as far as the shots bear them out.

Cross-entropy plus `pull / 2 * sum_c |v_c - t_c|^2` with logits `temperature * x . v_c`: the most
probable probe under a normal prior around the text weights. One pull serves the whole group,
because at one shot a class a pull for each class (as in `class_adaptive`) is learned from one
picture. It follows the words' success on all shots, which takes no held-out label:

    trust = mean share of the true classes, rescaled so that chance is 0 and certainty 1
    pull  = PULL * trust^3 * spread,   spread = temperature^2 * mean |x - mean x|^2

The spread is the scale of the curvature of cross-entropy, so the rule does not change with an
encoder's temperature or the width of its cone. The rule is good where words are weak and where
few shots mislead, and too careful where many shots agree with good words (docs/adapters.md), which
is why it is one of the probes of `blended_probe` and not the default.
"""

import numpy as np

from adapters.few_shot.base import FloatArray, LinearAdapter, Shots
from adapters.few_shot.descent import Parameters, accelerated
from adapters.few_shot.objective import curvature, loss_and_gradient, probabilities
from adapters.few_shot.zero_shot import shared_bias

__all__ = ["AnchoredProbe", "anchored_probe", "spread_of", "trust_in_words"]

PULL = 0.03
EXPONENT = 3
MIN_TRUST = 0.05
"""Words that say nothing still get a little pull, without which separable shots have no optimum."""
NUM_STEPS = 300


class AnchoredProbe(LinearAdapter):
    """The more the words are borne out by the shots, the closer the probe stays to them."""

    name = "anchored-probe"

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        trust = max(MIN_TRUST, trust_in_words(shots))
        pull = PULL * trust**EXPONENT * spread_of(shots)
        return anchored_probe(shots, np.full(shots.num_classes, pull, np.float32))


def spread_of(shots: Shots) -> float:
    """`temperature^2 * mean |x - mean x|^2`, at least a thousandth of `temperature^2`."""
    centred = shots.embeddings - shots.embeddings.mean(axis=0)
    return shots.temperature**2 * max(1e-3, float((centred**2).sum(axis=1).mean()))


def trust_in_words(shots: Shots) -> float:
    """How well the text weights alone explain the shots: 0 = not better than chance, 1 = perfectly.

    Exclusive: the mean share of the true class, with `1 / C` moved to 0. Multi-label: the mean
    share where a class holds minus the mean share where it does not.
    """
    logits = shots.text_logits
    if shots.is_exclusive:
        shares = probabilities(logits, is_exclusive=True)
        chance = 1.0 / shots.num_classes
        true_share = float((shares * shots.targets * shots.weights).sum() / len(shots))
        return max(0.0, (true_share - chance) / (1.0 - chance))
    shares = probabilities(logits + shared_bias(logits, shots), is_exclusive=False)
    holds = shots.targets > 0
    if holds.all() or not holds.any():
        return 0.0
    return max(0.0, float(shares[holds].mean() - shares[~holds].mean()))


def anchored_probe(shots: Shots, pulls: FloatArray) -> dict[str, FloatArray]:
    """Minimise cross-entropy + `sum_c pulls_c / 2 |v_c - t_c|^2`, a convex function of v.

    Args:
        shots: what is learned from; logits are `temperature * x . v_c + bias_c`.
        pulls: (C,) > 0.

    Returns:
        `weights` (C, D), the temperature included, and `bias` (C,), zero in an exclusive group.
    """
    rows = shots.scaled_embeddings
    weights, text = shots.weights, shots.start_weights
    pull = np.asarray(pulls, np.float32)[:, None]
    bias = np.zeros(shots.num_classes, np.float32)
    if not shots.is_exclusive:
        bias += shared_bias(shots.text_logits, shots)
    bias_share = np.float32(0.0 if shots.is_exclusive else 1.0)

    def objective(now: Parameters) -> tuple[float, Parameters]:
        loss, gradient = loss_and_gradient(
            rows @ now["weights"].T + now["bias"],
            shots.targets,
            weights,
            is_exclusive=shots.is_exclusive,
        )
        away = now["weights"] - text
        loss += float((pull * away**2).sum()) / 2
        return loss, {
            "weights": gradient.T @ rows + pull * away,
            "bias": bias_share * gradient.sum(axis=0),
        }

    bound = curvature(rows, weights, is_exclusive=shots.is_exclusive)
    trained = accelerated(
        {"weights": text, "bias": bias},
        objective,
        curvatures={"weights": 2 * bound + float(pull.max()), "bias": float(weights.max())},
        num_steps=NUM_STEPS,
    )
    return {"weights": np.float32(shots.temperature) * trained["weights"], "bias": trained["bias"]}
