"""Fusion methods by name; `module:Class`, imported when it is first asked for."""

from importlib import import_module

from adapters.fusion.base import FusionAdapter

__all__ = ["DEFAULT_FUSION", "DEFAULT_LATE_FUSION", "FUSIONS", "fusion_class"]

FUSIONS = {
    "attention": "adapters.fusion.attention:AttentionFusion",
    "early": "adapters.fusion.early:EarlyFusion",
    "gates": "adapters.fusion.gates:GatedFusion",
    "mean": "adapters.fusion.mean:MeanFusion",
    "stacking": "adapters.fusion.stacking:StackedFusion",
}

DEFAULT_FUSION = "early"
DEFAULT_LATE_FUSION = "gates"
"""Of few-shot adapters that somebody chose."""


def fusion_class(name: str) -> type[FusionAdapter]:
    """Find a method's class; ValueError for an unknown name lists the known ones."""
    if name not in FUSIONS:
        raise ValueError(f"got fusion {name!r}, expected one of {', '.join(FUSIONS)}")
    module, _, class_name = FUSIONS[name].partition(":")
    found: type[FusionAdapter] = getattr(import_module(module), class_name)
    return found
