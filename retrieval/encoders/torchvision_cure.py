"""Lets torchvision be imported beside a torch whose binary operators it was not built for.

The package index pairs a CPU build of torch with a torchvision built for CUDA. Its compiled part
then does not load and its import fails on an operator that is declared there, though the picture
transforms we need are plain Python. Declaring the two operators by hand is enough. Nothing is
done where torchvision imports as it is.
"""

import importlib.util
import sys
from typing import Any

__all__ = ["cure_torchvision", "import_torchvision"]

_declared: list[Any] = []
"""Keeps the declarations alive as long as the process."""


def cure_torchvision() -> None:
    """Make torchvision importable if it is installed; for packages that import it themselves."""
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()


def import_torchvision() -> None:
    """Import torchvision, with the missing operators declared if need be.

    Raises:
        ImportError: torch or torchvision is not installed.
    """
    try:
        import torchvision
    except RuntimeError as exc:
        if "torchvision::nms" not in str(exc):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        import torchvision  # noqa: F401


def _declare_operators() -> None:
    import torch

    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
