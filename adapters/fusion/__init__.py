"""Fusion of modalities over frozen embeddings: one interface, one file each, one registry."""

from adapters.fusion.base import FusionAdapter, FusionShots, ModalityRows
from adapters.fusion.registry import DEFAULT_FUSION, DEFAULT_LATE_FUSION, FUSIONS, fusion_class

__all__ = [
    "DEFAULT_FUSION",
    "DEFAULT_LATE_FUSION",
    "FUSIONS",
    "FusionAdapter",
    "FusionShots",
    "ModalityRows",
    "fusion_class",
]
