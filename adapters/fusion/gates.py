"""Late fusion with learned gates: how far to trust each modality, and how far two say the same.

With z_m the logits of the expert of modality m at its best temperature and n the number of
modalities that a row has,

    logits = sum over present m of exp(a_m) n^c z_m

Experts that err independently given the class multiply their shares (a = 0, c = 0: naive Bayes);
experts that repeat each other should be averaged (c = -1). a and c are learned from cross-fitted
logits, so that gates never see an expert on its own training rows, by cross-entropy under a normal
prior of unit width around zero. Modality dropout is not drawn but summed: every set S of a row's
modalities counts with the probability that dropout leaves it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FloatArray
from adapters.few_shot.descent import Parameters, adam
from adapters.few_shot.objective import loss_and_gradient
from adapters.fusion.base import DROPOUT, BoolArray, FusionAdapter, FusionShots, Rows, presence
from adapters.fusion.experts import fit_experts

__all__ = ["GatedFusion", "Thinned", "fit_gates", "thinned"]

LEARNING_RATE = 0.05
NUM_STEPS = 150


class GatedFusion(FusionAdapter):
    """One gate a modality, and one exponent of their number."""

    name = "gates"
    has_experts = True
    shared_names = ("exponent", "gates")

    @classmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        experts = fit_experts(shots, few_shot)
        gates, exponent = fit_gates(shots, experts.held_out)
        return {**experts.arrays, "gates": gates, "exponent": exponent}

    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        number = np.maximum(is_present.sum(axis=1), 1).astype(np.float32)
        gates = np.exp(self.arrays["gates"])[:, None, None]
        shared = number ** self.arrays["exponent"][0]
        return np.asarray(self._linear(rows) * gates * shared[None, :, None], np.float32)

    def _check_arrays(self) -> None:
        super()._check_arrays()
        gates, exponent = self.arrays["gates"], self.arrays["exponent"]
        if gates.shape != (len(self.modalities),) or exponent.shape != (1,):
            raise ValueError(f"got {gates.shape = }, {exponent.shape = }, expected (M,) and (1,)")


@dataclass(frozen=True, eq=False)
class Thinned:
    """Rows under modality dropout, every way of it: K rows made of N.

    Attributes:
        places: (K,) int64, the row that each is made of.
        is_present: (K, M) bool.
        weights: (K,) float32, how likely dropout makes it; those of one row sum to one.
    """

    places: NDArray[np.int64]
    is_present: BoolArray
    weights: FloatArray


def thinned(is_present: BoolArray) -> Thinned:
    """All ways in which dropout can leave at least one modality of each row, (N, M) bool."""
    numbers = np.arange(1, 1 << is_present.shape[1])
    masks = (numbers[:, None] >> np.arange(is_present.shape[1]) & 1).astype(bool)
    fits = ~(masks[None] & ~is_present[:, None]).any(axis=2)
    places, chosen = np.nonzero(fits)
    kept = masks[chosen].sum(axis=1)
    dropped = is_present[places].sum(axis=1) - kept
    weights = (1 - DROPOUT) ** kept * DROPOUT**dropped
    total = np.bincount(places, weights, minlength=len(is_present))
    return Thinned(places, masks[chosen], np.asarray(weights / total[places], np.float32))


def fit_gates(shots: FusionShots, held_out: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Learn `a` (M,) and `c` (1,) from logits (M, N, C) of experts that did not see the rows."""
    ways = thinned(presence(shots.rows))
    logits = held_out[:, ways.places] * ways.is_present.T[:, :, None]
    targets = shots.targets[ways.places]
    weights = shots.weights[ways.places] * ways.weights[:, None]
    log_number = np.log(ways.is_present.sum(axis=1)).astype(np.float32)
    # `loss_and_gradient` divides by the rows it is given; the prior counts against the sum over
    # the rows that there are
    scale = np.float32(len(ways.places))

    def objective(now: Parameters) -> tuple[float, Parameters]:
        gated = logits * np.exp(now["gates"])[:, None, None]
        gated = gated * np.exp(now["exponent"][0] * log_number)[None, :, None]
        total = gated.sum(axis=0)
        loss, gradient = loss_and_gradient(total, targets, weights, is_exclusive=shots.is_exclusive)
        by_row = scale * (gradient * total).sum(axis=1)
        return float(scale) * loss, {
            "gates": scale * np.einsum("mkc,kc->m", gated, gradient) + now["gates"],
            "exponent": np.asarray([(by_row * log_number).sum()], np.float32) + now["exponent"],
        }

    start = {"gates": np.zeros(len(logits), np.float32), "exponent": np.zeros(1, np.float32)}
    learned = adam(start, objective, learning_rate=LEARNING_RATE, num_steps=NUM_STEPS)
    return learned["gates"], learned["exponent"]
