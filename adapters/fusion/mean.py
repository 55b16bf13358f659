"""Late fusion without learning: the mean of what the experts of the present modalities say."""

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.fusion.base import BoolArray, FusionAdapter, FusionShots, Rows
from adapters.fusion.experts import fit_experts

__all__ = ["MeanFusion"]


class MeanFusion(FusionAdapter):
    """The baseline: the mean logit, each expert at its own best temperature."""

    name = "mean"
    has_experts = True

    @classmethod
    def _fit(
        cls, shots: FusionShots, few_shot: str | None, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        return dict(fit_experts(shots, few_shot).arrays)

    def _parts(self, rows: Rows, is_present: BoolArray) -> FloatArray:
        number = np.maximum(is_present.sum(axis=1), 1)[None, :, None]
        return np.asarray(self._linear(rows) / number, np.float32)
