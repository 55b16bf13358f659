"""Late fusion by stacking: a gate for each class and modality, around the modality's own.

Some classes are heard and others seen. `gates` finds one number a modality first; here each class
may leave it: logit_c = sum over present m of exp(a_m) n^c b_mc z_mc with a normal prior on b
around one, so that classes of few rows stay with the shared gate.
"""

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.few_shot.descent import Parameters, adam
from adapters.few_shot.objective import loss_and_gradient
from adapters.fusion.base import BoolArray, FusionAdapter, FusionShots, Rows, presence
from adapters.fusion.experts import fit_experts
from adapters.fusion.gates import fit_gates, thinned

__all__ = ["StackedFusion"]

LEARNING_RATE = 0.03
NUM_STEPS = 150
PRIOR_WIDTH = 0.5
"""Standard deviation of a class's own gate around one."""


class StackedFusion(FusionAdapter):
    """Gates by class."""

    name = "stacking"
    has_experts = True
    shared_names = ("class_gates", "exponent", "gates")

    @classmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        experts = fit_experts(shots, few_shot)
        gates, exponent = fit_gates(shots, experts.held_out)
        own = _class_gates(shots, experts.held_out, gates, exponent)
        return {**experts.arrays, "gates": gates, "exponent": exponent, "class_gates": own}

    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        shared = _shared_gates(is_present, self.arrays["gates"], self.arrays["exponent"])
        own = self.arrays["class_gates"][:, None, :]
        return self._linear(rows) * shared[:, :, None] * own

    def _check_arrays(self) -> None:
        super()._check_arrays()
        gates, own = self.arrays["gates"], self.arrays["class_gates"]
        number = len(self.modalities)
        if (
            gates.shape != (number,)
            or self.arrays["exponent"].shape != (1,)
            or own.shape != (number, self.num_classes)
        ):
            raise ValueError(f"got {gates.shape = }, {own.shape = }, expected (M,) and (M, C)")


def _shared_gates(is_present: BoolArray, gates: FloatArray, exponent: FloatArray) -> FloatArray:
    """(M, N)."""
    number = np.maximum(is_present.sum(axis=1), 1).astype(np.float32)
    return np.asarray(np.exp(gates)[:, None] * (number ** exponent[0])[None], np.float32)


def _class_gates(
    shots: FusionShots, held_out: FloatArray, gates: FloatArray, exponent: FloatArray
) -> FloatArray:
    ways = thinned(presence(shots.rows))
    shared = _shared_gates(ways.is_present, gates, exponent) * ways.is_present.T
    logits = held_out[:, ways.places] * shared[:, :, None]
    targets = shots.targets[ways.places]
    weights = shots.weights[ways.places] * ways.weights[:, None]
    scale = np.float32(len(ways.places))

    def objective(now: Parameters) -> tuple[float, Parameters]:
        total = (logits * now["own"][:, None, :]).sum(axis=0)
        loss, gradient = loss_and_gradient(total, targets, weights, is_exclusive=shots.is_exclusive)
        away = (now["own"] - 1) / np.float32(PRIOR_WIDTH**2)
        return float(scale) * loss, {
            "own": scale * np.einsum("mkc,kc->mc", logits, gradient) + away
        }

    start = {"own": np.ones((len(logits), shots.num_classes), np.float32)}
    learned = adam(start, objective, learning_rate=LEARNING_RATE, num_steps=NUM_STEPS)
    return learned["own"]
