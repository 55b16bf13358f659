"""Several linear probes, blended by how well each foretells shots that it did not see: the default.

How far a probe may leave the words is what decides few-shot learning, and no single rule fits all
groups. So several are fitted: anchored at the words more and less strongly (`anchored_probe`), and
LP++, which also has visual prototypes. Each is cross-fitted over the shots; with L the
cross-entropy of the shots under the probe that did not see them, at the probe's best temperature T,

    weight ~ exp(-L) * prior,   logits = sum of weight * logits / T

which is Bayesian model averaging with the cross-validated likelihood in the place of the evidence
(Geisser and Eddy 1979). The prior is log-normal around a pull of `2 trust^2`, trust being how well
the words explain the shots. No label is held out: the blend learns from all shots. A sum of linear
maps is one linear map, so serving costs the same. Where some class has one shot there is nothing to
cross-fit, and the prior decides among the anchored probes.
"""

import numpy as np

from adapters.few_shot.anchored_probe import anchored_probe, spread_of, trust_in_words
from adapters.few_shot.base import FewShotAdapter, FloatArray, LinearAdapter, Shots
from adapters.few_shot.calibration import cross_fitted_logits, temperature_and_loss
from adapters.few_shot.lp_plus_plus import LpPlusPlus

__all__ = ["BlendedProbe"]

PULLS = (100.0, 10.0, 1.0, 0.1, 0.01)
"""From staying with the words to hardly knowing them."""
PULL_UNIT = 0.0025
"""Of the spread of the shots, for a pull of one."""
PRIOR_PULL = 2.0
"""The centre of the prior where the words explain everything."""
PRIOR_WIDTH = 2.0
"""Standard deviation of the logarithm of the pull."""
MIN_TRUST = 0.05


class BlendedProbe(LinearAdapter):
    """A linear adapter: the weighted sum of the probes."""

    name = "blended-probe"
    fits_others = True

    @classmethod
    def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
        probes: list[type[LinearAdapter]] = [_anchored(pull) for pull in PULLS]
        prior_pulls = list(PULLS)
        counts = shots.targets.sum(axis=0)
        can_cross_fit = bool(counts[counts > 0].min(initial=np.inf) >= 2)
        if can_cross_fit:
            probes.append(LpPlusPlus)
            prior_pulls.append(PULLS[-1])
        trust = max(MIN_TRUST, trust_in_words(shots))
        away = (np.log(prior_pulls) - np.log(PRIOR_PULL * trust**2)) / PRIOR_WIDTH
        log_weights = -0.5 * away**2
        temperatures = np.ones(len(probes))
        if can_cross_fit:
            scored = [_cross_fitted(probe, shots) for probe in probes]
            temperatures = np.array([temperature for temperature, _ in scored])
            log_weights = log_weights - np.array([loss for _, loss in scored])
        shares = np.exp(log_weights - log_weights.max())
        factors = (shares / shares.sum() / temperatures).astype(np.float32)
        fitted = [probe.fit(shots).arrays for probe in probes]
        return {
            name: np.asarray(
                sum(factor * one[name] for factor, one in zip(factors, fitted, strict=True)),
                np.float32,
            )
            for name in cls.array_names
        }


def _anchored(pull: float) -> type[LinearAdapter]:
    """A probe with one pull, as a class that can be cross-fitted."""

    class Anchored(LinearAdapter):
        """Anchored by a fixed pull, in units of the shots' spread."""

        name = "anchored"

        @classmethod
        def _fit(cls, shots: Shots, rng: np.random.Generator) -> dict[str, FloatArray]:
            strength = pull * PULL_UNIT * spread_of(shots)
            return anchored_probe(shots, np.full(shots.num_classes, strength, np.float32))

    return Anchored


def _cross_fitted(probe: type[FewShotAdapter], shots: Shots) -> tuple[float, float]:
    """The temperature at which a probe foretells unseen shots best, and the cross-entropy there."""
    held = cross_fitted_logits(probe, shots)
    return temperature_and_loss(held, shots.targets, is_exclusive=shots.is_exclusive)
