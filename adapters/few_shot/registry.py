"""Few-shot adapters by name; `module:Class`, imported when it is first asked for."""

from importlib import import_module

from adapters.few_shot.base import FewShotAdapter

__all__ = ["ADAPTERS", "DEFAULT_ADAPTER", "adapter_class"]

ADAPTERS = {
    "anchored-probe": "adapters.few_shot.anchored_probe:AnchoredProbe",
    "blended-probe": "adapters.few_shot.blended_probe:BlendedProbe",
    "class-adaptive": "adapters.few_shot.class_adaptive:ClassAdaptiveProbe",
    "clip-adapter": "adapters.few_shot.clip_adapter:ClipAdapter",
    "linear-probe": "adapters.few_shot.linear_probe:LinearProbe",
    "lp++": "adapters.few_shot.lp_plus_plus:LpPlusPlus",
    "nearest": "adapters.few_shot.nearest:NearestExamples",
    "projection": "adapters.few_shot.projection:ProjectionAdapter",
    "tip-adapter": "adapters.few_shot.tip_adapter:TipAdapter",
    "tip-adapter-f": "adapters.few_shot.tip_adapter_trained:TrainedTipAdapter",
    "zero-shot": "adapters.few_shot.zero_shot:ZeroShot",
}

DEFAULT_ADAPTER = "blended-probe"


def adapter_class(name: str) -> type[FewShotAdapter]:
    """Find an adapter's class; ValueError for an unknown name lists the known ones."""
    if name not in ADAPTERS:
        raise ValueError(f"got adapter {name!r}, expected one of {', '.join(ADAPTERS)}")
    module, _, class_name = ADAPTERS[name].partition(":")
    found: type[FewShotAdapter] = getattr(import_module(module), class_name)
    return found
