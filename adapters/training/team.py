"""The processes that train one network together, each on its share of every batch.

    batch ─► share of each process ─► embeddings ─► gathered by all ─► one loss ─► DDP

Every process draws the same batch, embeds its share and gathers the embeddings of the others, so
the contrastive loss is that of the whole batch. `DistributedDataParallel` averages gradients over
P processes; a process's own part of the sum reaches it only through its own rows, so the gather
multiplies their gradient by P, and the average is the sum that one process would have computed.
What enters the loss without the gather (the logit scale) has the whole gradient everywhere, and
its average is right as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["ALONE", "Team", "joined_team"]

WAIT = timedelta(hours=48)
"""How long the others wait while the first process fills caches or measures."""


@dataclass(frozen=True, kw_only=True)
class Team:
    """One process's place among those that train together.

    Attributes:
        rank: from 0; the first writes and reports.
        size: processes in all.
        device: what this one computes on.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise ValueError(f"got {self.rank = } of {self.size = }")

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is one process, on the CPU: then threads share the work."""
        return self.size == 1 and self.device.type == "cpu"

    def whole_batch(self, wanted: int) -> int:
        """The largest batch up to `wanted` that all have an equal share of.

        Raises:
            ValueError: there is less than one row a process.
        """
        if wanted < self.size:
            raise ValueError(f"got {wanted} pictures a batch for {self.size} processes")
        return wanted // self.size * self.size

    def share(self, batch: Tensor) -> Tensor:
        """The rows of a batch, (B, …) of a whole batch, that this process works on."""
        return batch if self.size == 1 else batch.tensor_split(self.size)[self.rank]

    def gather(self, rows: Tensor) -> Tensor:
        """(B / P, D) of this process -> (B, D) of all, in the order of the batch."""
        if self.size == 1:
            return rows
        out: Tensor = _Gather.apply(rows, self.rank, self.size)  # type: ignore[no-untyped-call]
        return out

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.size > 1:
            dist.barrier()

    def in_turn(self, work: Callable[[], Any]) -> Any:
        """Let one after the other do the same: the first fills caches, the others read them."""
        for rank in range(self.size):
            if rank == self.rank:
                made = work()
            self.wait()
        return made

    def joined(
        self, step: Callable[..., Any], parameters: Sequence[nn.Parameter]
    ) -> Callable[..., Any]:
        """The same step, after whose backward the parameters' gradients are of all processes."""
        if self.size == 1:
            return step
        devices = None if self.device.type == "cpu" else [self.device]
        wrapped: Callable[..., Any] = DistributedDataParallel(
            _Step(step, parameters), device_ids=devices
        )
        return wrapped


ALONE = Team()


def joined_team(*, on_gpu: bool) -> Team:
    """Join the processes that `adapters.training.launch` or `torchrun` started."""
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=WAIT)
    device = torch.device("cpu")
    if on_gpu:
        device = torch.device("cuda", dist.get_node_local_rank(fallback_rank=dist.get_rank()))
        torch.cuda.set_device(device)
    return Team(rank=dist.get_rank(), size=dist.get_world_size(), device=device)


class _Step(nn.Module):
    """A function as a module, with the parameters that its gradients go to."""

    def __init__(self, step: Callable[..., Any], parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.step = step
        self.tuned = nn.ParameterList(parameters)

    def forward(self, *batch: Tensor) -> Any:
        return self.step(*batch)


class _Gather(torch.autograd.Function):
    """Concatenates the rows of all; backward hands each its own rows' gradient, times P."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, rank: int, size: int) -> Tensor:
        ctx.begin, ctx.end, ctx.size = rank * len(rows), (rank + 1) * len(rows), size
        parts = [torch.empty_like(rows) for _ in range(size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.begin : ctx.end] * ctx.size, None, None
