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
from adapters.training.copy_cache import CopyCache

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
) -> None:
    """Fits the head in place.

    Args:
        head: for the features of the cache.
        cache: features of every view.
        rows: pictures to learn from.
        config: schedule.
        seed: of order and choice of views.
        report: called after every epoch.

    Raises:
        ValueError: too few pictures or views.
    """
    batch = min(config.batch, len(rows))
    if batch < 2 or cache.num_views < config.views:
        raise ValueError(
            f"got {len(rows)} pictures with {cache.num_views} views, expected at least 2 pictures "
            f"with {config.views} views"
        )
    rng = np.random.default_rng(seed)
    head.norm.fit(_features(cache, np.zeros(len(rows[::4]), np.int64), np.asarray(rows[::4])))
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.decay)
    num_steps = config.epochs * (len(rows) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, num_steps))
    head.train()
    for epoch in range(config.epochs):
        order, losses = rng.permutation(np.asarray(rows)), []
        for start in range(0, len(order) - batch + 1, batch):
            loss = _loss(head, cache, order[start : start + batch], config, rng)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        report(epoch + 1, float(np.mean(losses)))
    head.eval()


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
    head: CopyHead,
    cache: CopyCache,
    rows: NDArray[np.int64],
    config: CopyFitConfig,
    rng: np.random.Generator,
) -> Tensor:
    """The loss of `config.views` different views of each of some pictures."""
    ranks = rng.random((len(rows), cache.num_views)).argsort(axis=1)
    views = ranks[:, : config.views].T.ravel()
    pictures = np.tile(rows, config.views)
    others = torch.from_numpy(cache.others[views, pictures]).long()
    made = head(_features(cache, views, pictures))
    ids = torch.from_numpy(pictures)
    return copy_loss(made, ids, others, temperature=config.temperature, spread=config.spread)


def _features(cache: CopyCache, views: NDArray[Any], rows: NDArray[Any]) -> Tensor:
    return torch.from_numpy(cache.features[views, rows].astype(np.float32))


def _rate(step: int, num_steps: int) -> float:
    return min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))
