"""The contrastive training loop, shared by every stage of the built-in encoder.

A stage says how a batch of (picture, view, caption) rows becomes two sets of embeddings; the loop
draws the batches, schedules the learning rates and keeps an exponential average of the weights,
which is what the stage ends with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapters.losses import contrastive_loss, soft_targets
from adapters.training.checkpoint import Checkpoint
from adapters.training.team import ALONE, Team

Embed = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(pictures (B,), views (B,), captions (B,) row numbers) -> image and text embeddings (B, D)."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Schedule and loss of one stage.

    Attributes:
        epochs: passes over the pictures; each pass draws one view and one caption a picture.
        batch: pictures a step.
        warmup: share of the steps over which the learning rates rise from zero.
        weight_decay: AdamW's.
        soft_weight: share of the targets spread over captions of similar meaning.
        soft_temperature: of those targets.
        average: decay of the weight average a step.
        min_scale: lower bound of the logit scale.
        max_scale: upper bound of the logit scale.
    """

    epochs: int
    batch: int
    warmup: float = 0.1
    weight_decay: float = 0.05
    soft_weight: float = 0.0
    soft_temperature: float = 0.1
    average: float = 0.99
    min_scale: float = 5.0
    max_scale: float = 60.0

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch < 2:
            raise ValueError(f"got {self.epochs = }, {self.batch = }; expected >= 0 and >= 2")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Weights that share a peak learning rate."""

    parameters: Sequence[nn.Parameter]
    rate: float


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the batches are drawn from.

    Attributes:
        captions: for each picture the row numbers of its captions.
        num_views: cached views a picture.
        references: (captions, R) unit-norm embeddings for soft targets, or `None`.
    """

    captions: Sequence[Sequence[int]]
    num_views: int
    references: Tensor | None = None


def fit(
    embed: Embed,
    groups: Sequence[Group],
    log_scale: nn.Parameter,
    rows: Rows,
    config: FitConfig,
    *,
    generator: torch.Generator,
    after_epoch: Callable[[int, float], None] | None = None,
    team: Team = ALONE,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Trains in place and leaves the averaged weights.

    Args:
        embed: how a batch becomes embeddings, with gradients.
        groups: what is tuned.
        log_scale: logarithm of the factor on the cosines, tuned with the first group's rate.
        rows: pictures, views and captions.
        config: schedule and loss.
        generator: of the random draws of batches, in the same state in every process. Dropout
            draws from torch's own, which is seeded anew every epoch, so a resumed run repeats it.
        after_epoch: called in the first process with (epoch, mean loss) while the averaged
            weights are in place.
        team: the processes; `embed` gets this one's share of the batch.
        checkpoint: where the state is kept after every epoch, and taken from at the start.
    """
    tuned = [p for group in groups for p in group.parameters] + [log_scale]
    optimiser = _make_optimiser(groups, log_scale, config)
    peaks = [float(entry["lr"]) for entry in optimiser.param_groups]
    batch = team.whole_batch(min(config.batch, len(rows.captions)))
    steps_an_epoch = len(rows.captions) // batch
    average = _Average(tuned, config.average)
    begin = 0 if checkpoint is None else _resumed(checkpoint, tuned, optimiser, average, generator)
    step = begin * steps_an_epoch
    embed = team.joined(embed, tuned)
    for epoch in range(begin, config.epochs):
        torch.manual_seed(generator.initial_seed() + 10_007 * epoch + team.rank)
        losses = []
        for pictures, views, captions in _batches(rows, batch, generator):
            factor = _rate(step, config.epochs * steps_an_epoch, config.warmup)
            for entry, peak in zip(optimiser.param_groups, peaks, strict=True):
                entry["lr"] = peak * factor
            images, texts = embed(*map(team.share, (pictures, views, captions)))
            pair = team.gather(images), team.gather(texts)
            loss = _loss(pair, log_scale, rows, captions, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(tuned, 1.0)
            optimiser.step()
            with torch.no_grad():
                log_scale.clamp_(math.log(config.min_scale), math.log(config.max_scale))
            step += 1
            average.update(step)
            losses.append(loss.item())
        if checkpoint is not None and team.is_first:
            more = {**average.state(), "draws": generator.get_state()}
            checkpoint.save(epoch + 1, tuned, optimiser, more)
        if after_epoch is not None and team.is_first:
            average.swap()
            after_epoch(epoch, sum(losses) / len(losses))
            average.swap()
    average.swap()


def _resumed(
    checkpoint: Checkpoint,
    tuned: Sequence[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    average: _Average,
    generator: torch.Generator,
) -> int:
    """Set everything to where the checkpoint is; returns the finished epochs."""
    kept = checkpoint.load(tuned, optimiser)
    if kept is None:
        return 0
    epoch, more = kept
    generator.set_state(more.pop("draws"))
    average.restore(more)
    return epoch


def _loss(
    pair: tuple[Tensor, Tensor], log_scale: Tensor, rows: Rows, captions: Tensor, config: FitConfig
) -> Tensor:
    targets = None
    if rows.references is not None and config.soft_weight > 0:
        targets = soft_targets(
            rows.references[captions],
            temperature=config.soft_temperature,
            weight=config.soft_weight,
        )
    return contrastive_loss(*pair, scale=log_scale.exp(), targets=targets)


def _make_optimiser(
    groups: Sequence[Group], log_scale: nn.Parameter, config: FitConfig
) -> torch.optim.AdamW:
    entries = []
    for group in groups:
        for decayed in (True, False):  # biases and norms are not decayed
            chosen = [p for p in group.parameters if (p.ndim > 1) == decayed]
            decay = config.weight_decay if decayed else 0.0
            entries.append({"params": chosen, "lr": group.rate, "weight_decay": decay})
    entries.append({"params": [log_scale], "lr": groups[0].rate, "weight_decay": 0.0})
    return torch.optim.AdamW([entry for entry in entries if entry["params"]], betas=(0.9, 0.98))


def _rate(step: int, total: int, warmup: float) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    begin = max(1.0, warmup * total)
    if step < begin:
        return (step + 1) / begin
    return 0.5 * (1 + math.cos(math.pi * (step - begin) / max(1.0, total - begin)))


def _batches(
    rows: Rows, batch: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yields one pass of (pictures, views, captions); the incomplete last batch is dropped."""
    order = torch.randperm(len(rows.captions), generator=generator)
    for pictures in torch.split(order[: len(order) // batch * batch], batch):
        views = torch.randint(rows.num_views, (batch,), generator=generator)
        picks = torch.rand(batch, generator=generator)
        lists = [rows.captions[row] for row in pictures.tolist()]
        chosen = [
            own[int(pick * len(own))] for own, pick in zip(lists, picks.tolist(), strict=True)
        ]
        yield pictures, views, torch.tensor(chosen)


class _Average:
    """Exponential average of weights, swapped in for evaluation and at the end."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self._live = list(parameters)
        self._decay = decay
        self._kept = [p.detach().clone() for p in self._live]

    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        for kept, live in zip(self._kept, self._live, strict=True):
            kept.lerp_(live.detach(), 1 - decay)

    def state(self) -> dict[str, Tensor]:
        return {f"average.{place}": kept for place, kept in enumerate(self._kept)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name, kept in self.state().items():
            kept.copy_(state[name])

    def swap(self) -> None:
        with torch.no_grad():
            for kept, live in zip(self._kept, self._live, strict=True):
                value = live.detach().clone()
                live.copy_(kept)
                kept.copy_(value)
