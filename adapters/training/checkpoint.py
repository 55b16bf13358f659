"""Checkpoints of a training, so that a killed one goes on from its last finished epoch.

A checkpoint is one safetensors file (no pickle): tuned weights, their average, AdamW's moments,
the generator of the draws; its header has a format version, the epoch, and a key of everything
the run depends on. One with another key is another run's, and training starts from the beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

__all__ = ["Checkpoint"]

logger = logging.getLogger(__name__)

FORMAT = "sceneprint-checkpoint 1"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where one stage of a training is kept.

    Attributes:
        path: of the file.
        key: digest of settings and data; another run's file is not read.
    """

    path: Path
    key: str

    def save(
        self,
        epoch: int,
        parameters: Sequence[nn.Parameter],
        optimiser: torch.optim.Optimizer,
        more: Mapping[str, Tensor],
    ) -> None:
        """Replace the file by the state after `epoch` epochs."""
        tensors = {f"more.{name}": value for name, value in more.items()}
        for place, parameter in enumerate(parameters):
            tensors[f"weight.{place}"] = parameter.detach()
            for name in _MOMENTS:
                tensors[f"{name}.{place}"] = optimiser.state[parameter][name]
        part = self.path.with_suffix(".part")
        header = {"format": FORMAT, "key": self.key, "epoch": str(epoch)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, part, header)
        part.replace(self.path)

    def load(
        self, parameters: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer
    ) -> tuple[int, dict[str, Tensor]] | None:
        """Set parameters and optimiser back; return the finished epochs and what else was kept.

        None where there is no usable checkpoint of this run.
        """
        kept = self._read()
        if kept is None:
            return None
        epoch, tensors = kept
        with torch.no_grad():
            for place, parameter in enumerate(parameters):
                parameter.copy_(tensors[f"weight.{place}"])
                optimiser.state[parameter] = {
                    name: tensors[f"{name}.{place}"].to(
                        parameter.device if name != "step" else torch.device("cpu")
                    )
                    for name in _MOMENTS
                }
        more = {k.removeprefix("more."): v for k, v in tensors.items() if k.startswith("more.")}
        logger.info("going on after epoch %d of %s", epoch, self.path.name)
        return epoch, more

    def _read(self) -> tuple[int, dict[str, Tensor]] | None:
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                if (header.get("format"), header.get("key")) != (FORMAT, self.key):
                    return None
                return int(header["epoch"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError:
            logger.warning("%s is damaged; training starts from the beginning", self.path)
            return None
