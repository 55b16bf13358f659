"""Teaches a small picture tower what a large encoder says of pictures, without labels.

Two losses: the cosine between both embeddings of a picture (its place in the space), and the
cross-entropy between both rows of similarities to the batch's teacher embeddings (its logits over
the other pictures: Hinton et al. 2015, arXiv:1503.02531). The teacher's embeddings are made once;
the student sees each picture plain or mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adapters.training.cache import normalise_pixels
from adapters.training.towers import ImageTower

__all__ = ["DistillConfig", "distill"]

Report = Callable[[int, int, float], None]
"""(epochs done, in all, mean loss of the last one)."""


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """Schedule of a distillation.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures a step.
        rate: peak learning rate of AdamW.
        head_rate: the same for pooling and head.
        logit_weight: weight of the loss on the logits.
        temperature: factor on the cosines of those logits.
        seed: of order and mirror images.
    """

    epochs: int = 3
    batch: int = 32
    rate: float = 2e-4
    head_rate: float = 1e-3
    logit_weight: float = 0.1
    temperature: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise ValueError(f"got {self.epochs = }, {self.batch = }; expected >= 1 and >= 2")


def distill(
    student: ImageTower,
    views: Sequence[NDArray[np.uint8]],
    targets: NDArray[np.float32],
    config: DistillConfig,
    *,
    report: Report,
) -> None:
    """Train the student in place.

    Args:
        student: any picture tower whose D is the teacher's.
        views: N pictures (S, S, 3) uint8 RGB of the student's size.
        targets: (N, D) the teacher's embeddings of the pictures, unit norm.
        config: schedule.
        report: called after every epoch.

    Raises:
        ValueError: too few pictures for a batch, or arrays that do not fit.
    """
    if len(views) < config.batch or len(targets) != len(views):
        raise ValueError(
            f"got {len(views)} pictures and {len(targets)} teacher embeddings, expected as many, "
            f"and at least a batch of {config.batch}"
        )
    groups = [
        {"params": list(student.network.parameters()), "lr": config.rate},
        {"params": [*student.pool.parameters(), *student.head.parameters()],
         "lr": config.head_rate},
    ]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    steps_an_epoch = len(views) // config.batch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, config.epochs * steps_an_epoch)
    )
    rng = np.random.default_rng(config.seed)
    student.train()
    for epoch in range(config.epochs):
        losses, order = [], rng.permutation(len(views))
        for rows in order[: steps_an_epoch * config.batch].reshape(-1, config.batch):
            mirrored = rng.random(len(rows)) < 0.5
            seen = [views[row][:, ::-1] if flip else views[row]
                    for row, flip in zip(rows, mirrored, strict=True)]  # fmt: skip
            made = student(torch.from_numpy(normalise_pixels(np.stack(seen))))
            loss = _loss(made, torch.from_numpy(targets[rows]), config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        report(epoch + 1, config.epochs, sum(losses) / len(losses))
    student.eval()


def _loss(made: Tensor, wanted: Tensor, config: DistillConfig) -> Tensor:
    cosine = (made * wanted).sum(1).mean()
    teacher = torch.softmax(config.temperature * wanted @ wanted.T, dim=1)
    student = F.log_softmax(config.temperature * made @ wanted.T, dim=1)
    logits = F.kl_div(student, teacher, reduction="batchmean")
    return 1 - cosine + config.logit_weight * logits


def _rate(step: int, total: int) -> float:
    """A short rise, then half a cosine down to zero."""
    begin = max(1.0, 0.05 * total)
    if step < begin:
        return (step + 1) / (begin + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1.0, total - begin))))
