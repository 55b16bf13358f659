"""The experts of late fusion: one few-shot adapter a modality, and what each says of unseen rows.

Gates must not see an expert on the rows that it learned by heart. Each row's logits are therefore
those of an expert that learned from the other folds (stacked generalisation, Wolpert 1992); at its
best temperature, so that one gate fits experts of any scale.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from adapters.few_shot import adapter_class
from adapters.few_shot.base import FloatArray, LinearAdapter
from adapters.few_shot.calibration import cross_fitted_logits, fit_temperature
from adapters.fusion.base import FusionShots
from adapters.fusion.span import in_span

__all__ = ["DEFAULT_FEW_SHOT", "Experts", "fit_experts", "relative", "spread_temperature"]

DEFAULT_FEW_SHOT = "anchored-probe"
MIN_ROWS = 2
"""A modality that fewer rows have is not learned: its expert says nothing."""

HEAT = 12.0
"""Temperature times spread of the built-in encoder's pictures."""


@dataclass(frozen=True, eq=False)
class Experts:
    """One linear expert a modality.

    Attributes:
        arrays: `MODALITY/weights` (C, D) and `MODALITY/bias` (C,), the temperature included.
        held_out: (M, N, C) float32 logits by experts that did not see the row, at the temperature;
            zeros where a modality is absent.
    """

    arrays: dict[str, FloatArray]
    held_out: FloatArray


@lru_cache(maxsize=2)
def fit_experts(shots: FusionShots, few_shot: str | None, *, seed: int = 0) -> Experts:
    """Fit the experts; methods that are compared on the same shots share them.

    Raises:
        ValueError: the few-shot adapter is unknown or not linear.
    """
    kind = adapter_class(few_shot or DEFAULT_FEW_SHOT)
    if not issubclass(kind, LinearAdapter):
        raise ValueError(
            f"got adapter {few_shot!r} for several modalities, expected a linear one such as "
            f"{DEFAULT_FEW_SHOT} or blended-probe; others learn from pictures alone"
        )
    arrays: dict[str, FloatArray] = {}
    held_out = np.zeros((len(shots.modalities), *shots.targets.shape), np.float32)
    for place, name in enumerate(shots.modalities):
        there = shots.rows[name].is_present
        if there.sum() < MIN_ROWS:
            arrays |= _silent(name, shots)
            continue
        own, basis = in_span(shots.of(name))
        held = cross_fitted_logits(kind, own, seed=seed)
        temperature = fit_temperature(held, own.targets, is_exclusive=own.is_exclusive)
        fitted = kind.fit(own, seed=seed)
        assert isinstance(fitted, LinearAdapter)
        learned = {"weights": fitted.arrays["weights"] @ basis, "bias": fitted.arrays["bias"]}
        for key, array in learned.items():
            arrays[f"{name}/{key}"] = relative(array / temperature, is_exclusive=own.is_exclusive)
        centred = relative(held.T / temperature, is_exclusive=own.is_exclusive)
        held_out[place, there] = centred.T
    return Experts(arrays, held_out)


def relative(array: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """Weights or logits (C, ...) less their mean over the classes, which a softmax does not see.

    So a gate of one class moves its logit and no offset that all classes share; and a part above
    zero speaks for a class. A sigmoid does see the mean: a multi-label group's stay.
    """
    middle = array.mean(axis=0, keepdims=True) if is_exclusive else np.float32(0)
    return np.asarray(array - middle, np.float32)


def spread_temperature(embeddings: FloatArray) -> float:
    """A temperature for an encoder that has none of its own: as warm as its rows are narrow.

    `HEAT / sqrt(mean |x - mean x|^2)`, N >= 1 rows; so logits spread as those of a picture-text
    encoder, whose temperature was trained.
    """
    centred = embeddings - embeddings.mean(axis=0)
    return HEAT / max(0.1, float(np.sqrt((centred**2).sum(axis=1).mean())))


def _silent(name: str, shots: FusionShots) -> dict[str, FloatArray]:
    classes = shots.num_classes
    return {
        f"{name}/weights": np.zeros((classes, shots.rows[name].dim), np.float32),
        f"{name}/bias": np.zeros(classes, np.float32),
    }
