"""Trains the built-in encoder end to end: pictures, English, and every other language.

    pictures ──► EfficientNet-lite2 ──► pool ──► head ─┐
    English ───► MiniLM ───────────────────────► head ─┼─► one space, unit norm
    any text ──► Universal Sentence Encoder ───► head ─┘

Three stages: heads over frozen networks; then the late blocks of both networks together with the
heads, from cached activations; then the multilingual head against the finished space. Everything
is drawn from one seed, and the caches survive an interrupted run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from adapters.training.config import TINY, BuiltinConfig, Progress, Recall
from adapters.training.parallel import workers
from adapters.training.stages import Stages
from adapters.training.team import ALONE, Team

__all__ = ["TINY", "BuiltinConfig", "Progress", "Recall", "short_card", "train_builtin"]


def train_builtin(
    data_dir: Path,
    out_dir: Path,
    *,
    config: BuiltinConfig,
    recall: Recall,
    progress: Progress,
    work_dir: Path | None = None,
    card: Callable[[Mapping[str, float]], str] | None = None,
    team: Team = ALONE,
) -> dict[str, float]:
    """Trains, measures and writes the built-in encoder.

    Args:
        data_dir: folder with `captions.tsv`, and `train` (and `dev`) as `.tar` or folder.
        out_dir: the encoder folder to write; replaced at the end, untouched before.
        config: sizes, schedule, splits.
        recall: the measure, for example `eval.metrics.recall_at_k`.
        progress: told after every epoch and now and then while caching.
        work_dir: for the caches, kept for the next run; by default beside `out_dir`.
        card: makes MODEL_CARD.md from the figures; by default a short one.
        team: this process's place among those that train together (`adapters.training.launch`);
            the first reports, measures and writes.

    Returns:
        Figures by name, for example `test_en_r1`, each 0 to 100; none but in the first process.

    Raises:
        OSError: if the data cannot be read or the output not written.
        ValueError: if the data are malformed or too few for the config.
        ModuleNotFoundError: if the packages of the extra `train` are missing.
    """
    work_dir = work_dir or out_dir.parent / f".{out_dir.name}-work"
    work_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.num_threads)
    num_workers = config.num_threads if team.is_alone else 0
    told = progress if team.is_first else _silent
    with torch.random.fork_rng(devices=[]), workers(num_workers) as pool:
        torch.manual_seed(config.seed)
        run = Stages(data_dir, work_dir, config, recall, told, pool, team)
        run.fit_towers_or_resume()
        run.fit_multilingual()
        figures = {}
        if team.is_first:
            figures = run.measure()
            run.write(out_dir, (card or short_card)(figures))
        team.wait()
    return figures


def _silent(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
    """The progress of a process that is not the first."""


def short_card(figures: Mapping[str, float]) -> str:
    """Returns a model card with nothing but the figures."""
    lines = [f"- {name}: {value:.2f}" for name, value in sorted(figures.items())]
    return "\n".join(["# Model card", "", "Figures of the training run:", "", *lines, ""])
