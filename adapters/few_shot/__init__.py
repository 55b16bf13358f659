"""Few-shot adapters over frozen embeddings: one interface, one file each, one registry."""

from adapters.few_shot.base import FewShotAdapter, Shots
from adapters.few_shot.registry import ADAPTERS, DEFAULT_ADAPTER, adapter_class

__all__ = ["ADAPTERS", "DEFAULT_ADAPTER", "FewShotAdapter", "Shots", "adapter_class"]
