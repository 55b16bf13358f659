"""Fits a copy head on cached features: two or more views of many pictures a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapters.copy_head import CopyHead
from adapters.copy_losses import copy_loss
from adapters.training.checkpoint import Checkpoint
from adapters.training.copy_cache import CopyCache
from adapters.training.team import ALONE, Team

__all__ = ["CopyFitConfig", "describe", "fit_copy_head"]

Report = Callable[[int, float], None]
"""(epochs done, mean loss of the last one)."""


@dataclass(frozen=True, kw_only=True)
class CopyFitConfig:
    """Schedule of a head; the defaults made the shipped weights.

    Attributes:
        epochs: passes over all pictures.
        batch: pictures a step.
        views: views of each of them.
        rate: peak learning rate of AdamW, after a short rise and before a cosine fall.
        decay: weight decay.
        temperature: of InfoNCE.
        spread: weight of the entropy term.
    """

    epochs: int = 30
    batch: int = 512
    views: int = 3
    rate: float = 1e-3
    decay: float = 0.02
    temperature: float = 0.05
    spread: float = 5.0


def fit_copy_head(
    head: CopyHead,
    cache: CopyCache,
    rows: Sequence[int],
    config: CopyFitConfig,
    *,
    seed: int,
    report: Report,
    team: Team = ALONE,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Fits the head in place.

    Args:
        head: for the features of the cache.
        cache: features of every view.
        rows: pictures to learn from.
        config: schedule.
        seed: of order and choice of views.
        report: called after every epoch in the first process.
        team: the processes; each reads its share of a batch's views.
        checkpoint: where the state is kept after every epoch, and taken from at the start.

    Raises:
        ValueError: too few pictures or views.
    """
    batch = team.whole_batch(min(config.batch, len(rows)))
    if batch < 2 or cache.num_views < config.views:
        raise ValueError(
            f"got {len(rows)} pictures with {cache.num_views} views, expected at least 2 pictures "
            f"with {config.views} views"
        )
    head.norm.fit(_features(cache, np.zeros(len(rows[::4]), np.int64), np.asarray(rows[::4])))
    head.to(team.device)
    tuned = [one for one in head.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=config.rate, weight_decay=config.decay)
    steps_an_epoch = len(rows) // batch
    kept = None if checkpoint is None else checkpoint.load(tuned, optimizer)
    begin = 0 if kept is None else kept[0]
    step = begin * steps_an_epoch
    describe_share = team.joined(head.train(), tuned)
    for epoch in range(begin, config.epochs):
        rng = np.random.default_rng([seed, epoch])
        torch.manual_seed(seed + 10_007 * epoch + team.rank)  # of dropout
        order, losses = rng.permutation(np.asarray(rows)), []
        for start in range(0, len(order) - batch + 1, batch):
            for entry in optimizer.param_groups:
                entry["lr"] = config.rate * _rate(step, config.epochs * steps_an_epoch)
            chosen = order[start : start + batch]
            loss = _loss(describe_share, cache, chosen, config, rng, team)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            losses.append(float(loss.detach()))
        if team.is_first:
            if checkpoint is not None:
                checkpoint.save(epoch + 1, tuned, optimizer, {})
            report(epoch + 1, float(np.mean(losses)))
    head.cpu().eval()


def describe(
    head: CopyHead, cache: CopyCache, view: int, rows: Sequence[int]
) -> NDArray[np.float32]:
    """Descriptors (len(rows), dim) of one view of some pictures."""
    head.eval()
    made = []
    with torch.no_grad():
        for chunk in np.array_split(np.asarray(rows, np.int64), max(1, len(rows) // 256)):
            made.append(head(_features(cache, np.full(len(chunk), view), chunk)).numpy())
    return np.concatenate(made)


def _loss(
    describe_share: Callable[[Tensor], Tensor],
    cache: CopyCache,
    rows: NDArray[np.int64],
    config: CopyFitConfig,
    rng: np.random.Generator,
    team: Team,
) -> Tensor:
    """The loss of `config.views` different views of each of some pictures."""
    ranks = rng.random((len(rows), cache.num_views)).argsort(axis=1)
    views = ranks[:, : config.views].T.ravel()
    pictures = np.tile(rows, config.views)
    others = torch.from_numpy(cache.others[views, pictures]).long().to(team.device)
    ids = torch.from_numpy(pictures).to(team.device)
    own = team.share(torch.arange(len(pictures))).numpy()
    read = _features(cache, views[own], pictures[own]).to(team.device)
    made = team.gather(describe_share(read))
    return copy_loss(made, ids, others, temperature=config.temperature, spread=config.spread)


def _features(cache: CopyCache, views: NDArray[Any], rows: NDArray[Any]) -> Tensor:
    return torch.from_numpy(cache.features[views, rows].astype(np.float32))


def _rate(step: int, num_steps: int) -> float:
    return min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))
