"""Trains a copy descriptor over a frozen encoder, on any pictures: no captions, no labels.

    pictures ──► edited views ──► frozen encoder ──► cached features ──► head ──► unit norm

Over a built-in encoder the head reads pooled features of several depths of the picture tower, and
becomes a second output of the same pass; over any other encoder it reads the embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adapters.copy_head import CopyHead
from adapters.training.checkpoint import Checkpoint
from adapters.training.config import Progress, Recall
from adapters.training.copy_cache import (
    CopyCache,
    Features,
    cache_copy_features,
    tower_features,
)
from adapters.training.copy_export import BaseEncoder, write_adapter, write_copy_output
from adapters.training.copy_fit import CopyFitConfig, describe, fit_copy_head
from adapters.training.copy_graph import Taps
from adapters.training.copy_pictures import read_pictures
from adapters.training.team import ALONE, Team

__all__ = ["BaseEncoder", "CopyConfig", "Embed", "train_adapter", "train_copy_output"]

Embed = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""N pictures (H, W, 3) uint8 RGB -> (N, D) embeddings."""


@dataclass(frozen=True, kw_only=True)
class CopyConfig:
    """Sizes, schedule and splits; the defaults made the shipped weights.

    Attributes:
        dim: of the descriptors.
        num_views: cached views a picture, the plain one included.
        size: side of the square views in pixels.
        hidden: width of the head's MLP.
        dropout: on what the head reads.
        fit: schedule.
        holdout: pictures that are kept out of training and measured at the end.
        background: descriptors of training pictures that are stored to normalise scores.
        num_threads: of torch and ONNX Runtime.
        seed: of everything.
        taps: what is read inside a built-in tower.
    """

    dim: int = 256
    num_views: int = 5
    size: int = 224
    hidden: int = 128
    dropout: float = 0.2
    fit: CopyFitConfig = field(default_factory=CopyFitConfig)
    holdout: int = 500
    background: int = 1500
    num_threads: int = 2
    seed: int = 0
    taps: Taps = field(default_factory=Taps)


def train_copy_output(
    data_dir: Path,
    out_dir: Path,
    *,
    source: Path,
    name: str,
    config: CopyConfig,
    recall: Recall,
    progress: Progress,
    work_dir: Path | None = None,
    team: Team = ALONE,
) -> dict[str, float]:
    """Gives a built-in encoder a copy output, in a folder of its own.

    Args:
        data_dir: pictures, see `read_pictures`.
        out_dir: the encoder folder to write: `source` with a copy output, its search embeddings
            and their hash unchanged.
        source: the built-in encoder folder.
        name: of the copy encoder.
        config: sizes and schedule.
        recall: the measure, for example `eval.metrics.recall_at_k`.
        progress: told after every epoch and now and then while caching.
        work_dir: for the cache, kept for the next run; by default beside `out_dir`.
        team: this process's place among those that train together; the first reports, measures
            and writes.

    Returns:
        Figures by name, measured on held-out pictures, each 0 to 100.

    Raises:
        OSError: if the data cannot be read or the output not written.
        ValueError: if there are too few pictures, or one cannot be used.
        ModuleNotFoundError: if the packages of the extra `train` are missing.
    """
    features = tower_features(source / "image.onnx", config.taps, threads=config.num_threads)
    weights = hashlib.sha256((source / "image.onnx").read_bytes()).hexdigest()
    run = _Run(
        data_dir, work_dir or _beside(out_dir), config, features, weights, recall, progress, team
    )
    head, figures = run.fit()
    if not team.is_first:
        return figures
    write_copy_output(
        source,
        out_dir,
        head,
        taps=config.taps,
        name=name,
        background=run.background(head),
        figures=figures,
    )
    return figures


def train_adapter(
    data_dir: Path,
    out_dir: Path,
    *,
    base: BaseEncoder,
    embed: Embed,
    name: str,
    config: CopyConfig,
    recall: Recall,
    progress: Progress,
    work_dir: Path | None = None,
    team: Team = ALONE,
) -> dict[str, float]:
    """Trains a small network over the embeddings of any encoder.

    Args:
        base: how the encoder calls itself; written into the adapter, which fits no other.
        embed: its pictures to embeddings.
        data_dir: and the rest as `train_copy_output`.
        out_dir: the adapter folder to write.
        name: of the adapter.
        config: sizes and schedule.
        recall: the measure.
        progress: told now and then.
        work_dir: for the cache.
        team: as above.
    """
    work_dir = work_dir or _beside(out_dir)

    def features(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embed(list(views))

    run = _Run(data_dir, work_dir, config, features, base.hash, recall, progress, team)
    head, figures = run.fit()
    if not team.is_first:
        return figures
    background = run.background(head)
    write_adapter(out_dir, head, base=base, name=name, background=background, figures=figures)
    return figures


class _Run:
    """One training: pictures, their cached features, and the held-out pictures."""

    def __init__(
        self,
        data_dir: Path,
        work_dir: Path,
        config: CopyConfig,
        features: Features,
        key: str,
        recall: Recall,
        progress: Progress,
        team: Team,
    ) -> None:
        names, pictures = read_pictures(data_dir)
        if len(pictures) < config.holdout + 2:
            raise ValueError(
                f"got {len(pictures)} pictures in {data_dir}, expected more than the "
                f"{config.holdout} that are held out; thousands make a good descriptor"
            )
        torch.set_num_threads(config.num_threads)
        self._config, self._recall, self._progress = config, recall, progress
        self._team, key = team, f"{key} {hashlib.sha256(chr(10).join(names).encode()).hexdigest()}"
        self._checkpoint = Checkpoint(
            path=work_dir / "fit-copy.safetensors",
            key=hashlib.sha256(f"{key} {config}".encode()).hexdigest(),
        )

        def told(done: int, total: int) -> None:
            if team.is_first:
                progress("cache views", done, total, {})

        def cached() -> CopyCache:
            return cache_copy_features(
                pictures,
                features,
                work_dir,
                key=key,
                num_views=config.num_views,
                size=config.size,
                seed=config.seed,
                progress=told,
            )

        self._cache: CopyCache = team.in_turn(cached)
        generator = torch.Generator().manual_seed(config.seed)
        order = torch.randperm(len(pictures), generator=generator).tolist()
        self._held_out = sorted(order[: config.holdout])
        self._rows = sorted(order[config.holdout :])

    def fit(self) -> tuple[CopyHead, dict[str, float]]:
        """Makes and fits a head; returns it with its figures on held-out pictures."""
        config = self._config

        def report(done: int, loss: float) -> None:
            self._progress("fit copy head", done, config.fit.epochs, {"loss": loss})

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            inputs = self._cache.features.shape[2]
            head = CopyHead(inputs, config.dim, hidden=config.hidden, dropout=config.dropout)
            fit_copy_head(
                head,
                self._cache,
                self._rows,
                config.fit,
                seed=config.seed,
                report=report,
                team=self._team,
                checkpoint=self._checkpoint,
            )
        figures = self._measure(head) if self._team.is_first else {}
        self._team.wait()
        return head, figures

    def background(self, head: CopyHead) -> NDArray[np.float32]:
        """Descriptors of evenly chosen training pictures, as they are."""
        chosen = np.linspace(0, len(self._rows) - 1, min(self._config.background, len(self._rows)))
        return describe(head, self._cache, 0, [self._rows[int(at)] for at in chosen])

    def _measure(self, head: CopyHead) -> dict[str, float]:
        """How often an edited held-out picture finds its original among all pictures."""
        if not self._held_out:
            return {}
        originals = describe(head, self._cache, 0, [*self._held_out, *self._rows])
        right = np.arange(len(self._held_out))
        recalls = [
            self._recall(describe(head, self._cache, view, self._held_out) @ originals.T, right, 1)
            for view in range(1, self._cache.num_views)
        ]
        return {"held_out_r1": 100 * float(np.mean(recalls))}


def _beside(out_dir: Path) -> Path:
    return out_dir.parent / f".{out_dir.name}-work"
