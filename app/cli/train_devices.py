"""`--devices`, `--batch-size` and `--epochs` of `sceneprint train`: how much, and on what."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adapters.training.config import BuiltinConfig
    from adapters.training.copy import CopyConfig
    from adapters.training.team import Team

__all__ = [
    "BatchOption",
    "DevicesOption",
    "EpochsOption",
    "builtin_config",
    "copy_config",
    "on_devices",
    "train_builtin_on",
]

DevicesOption = Annotated[
    int | None,
    typer.Option(
        "--devices",
        min=1,
        metavar="N",
        help="Train in N processes: one a GPU, or on the CPU without GPUs.",
        show_default="one process on the CPU",
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=2,
        metavar="N",
        help="Pictures a step, over all devices.",
        show_default="as it ships",
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        metavar="N",
        help="Passes over the pictures.",
        show_default="as it ships",
    ),
]


def on_devices(work: "Callable[[Team], dict[str, float]]", devices: int | None) -> Any:
    """Run a training on so many devices; None is one process on the CPU."""
    from adapters.training.launch import check_devices, run_on_devices

    on_gpu = devices is not None and check_devices(devices)
    return run_on_devices(work, num_devices=devices or 1, on_gpu=on_gpu)


def train_builtin_on(
    team: "Team",
    *,
    data: Path,
    out: Path,
    work: Path | None,
    threads: int,
    batch: int | None,
    epochs: int | None,
) -> dict[str, float]:
    """What each process of `train builtin` does."""
    from adapters.training.builtin import train_builtin
    from app.cli.develop import show_training, top_recall

    return train_builtin(
        data,
        out,
        config=builtin_config(threads=threads, batch=batch, epochs=epochs),
        recall=top_recall,
        progress=show_training,
        work_dir=work,
        team=team,
    )


def builtin_config(*, threads: int, batch: int | None, epochs: int | None) -> "BuiltinConfig":
    """The shipped settings with another batch in every stage, other epochs in the main one."""
    from dataclasses import replace

    from adapters.training.config import BuiltinConfig

    config = BuiltinConfig(num_threads=threads)
    stages = {name: getattr(config, name) for name in ("heads", "towers", "multilingual")}
    if batch is not None:
        stages = {name: replace(stage, batch=batch) for name, stage in stages.items()}
    if epochs is not None:
        stages["towers"] = replace(stages["towers"], epochs=epochs)
    return replace(config, **stages)


def copy_config(*, threads: int, batch: int | None, epochs: int | None) -> "CopyConfig":
    """The shipped settings with another batch and other epochs."""
    from dataclasses import replace

    from adapters.training.copy import CopyConfig

    config = CopyConfig(num_threads=threads)
    given = {"batch": batch, "epochs": epochs}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(config, fit=replace(config.fit, **chosen))
