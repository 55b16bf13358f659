"""`sceneprint train copy`: a copy descriptor over the built-in encoder or any other."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import DeviceOption, EncoderOption, RuntimeOption, chosen_device
from app.cli.train_devices import (
    BatchOption,
    DevicesOption,
    EpochsOption,
    copy_config,
    on_devices,
)

if TYPE_CHECKING:
    from adapters.training.copy import CopyConfig
    from adapters.training.team import Team

__all__ = ["train_copy_command"]


def train_copy_command(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Pictures: a folder, a .tar, or like Flickr8k."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")
    ] = Path("copy-encoder"),
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Where the cache is kept.")
    ] = None,
    devices: DevicesOption = None,
    batch: BatchOption = None,
    epochs: EpochsOption = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads a process.")] = 2,
) -> None:
    """Train a copy descriptor on pictures without labels.

    Over the built-in encoder it becomes a second output (`builtin:DIR`), over any other an
    adapter (`copy:DIR`). It needs the extra `train`. A killed training goes on where it was.

    Example: sceneprint train copy --data pictures --out my-copy-encoder --devices 2
    """
    from app.cli.develop import show_trained, training_on
    from app.settings import load_settings
    from retrieval.encoders import load_encoder

    settings = load_settings()
    named: dict[str, Any] = {
        "name": encoder or settings.encoder,
        "runtime": runtime or settings.runtime,
        "device": chosen_device(device),
    }
    load_encoder(**named)  # a wrong name is better said before processes start
    with training_on(data):
        config = copy_config(threads=threads, batch=batch, epochs=epochs)
        figures = on_devices(
            partial(_train, named=named, data=data, out=out, work=work, config=config), devices
        )
    show_trained(figures, out)


def _train(
    team: "Team",
    *,
    named: dict[str, Any],
    data: Path,
    out: Path,
    work: Path | None,
    config: "CopyConfig",
) -> dict[str, float]:
    """A second output where the base is a built-in encoder, else an adapter; in each process."""
    from adapters.training.copy import BaseEncoder, train_adapter, train_copy_output
    from app.cli.develop import show_training, top_recall
    from retrieval.encoders import load_encoder
    from retrieval.encoders.builtin import BuiltinEncoder

    base = load_encoder(**named)
    if isinstance(base, BuiltinEncoder):
        return train_copy_output(
            data,
            out,
            source=base.manifest.folder,
            name=f"{base.name}+copy",
            config=config,
            recall=top_recall,
            progress=show_training,
            work_dir=work,
            team=team,
        )
    return train_adapter(
        data,
        out,
        base=BaseEncoder(name=base.name, hash=base.hash, dim=base.dim),
        embed=base.encode_images,
        name=f"copy:{base.name}",
        config=config,
        recall=top_recall,
        progress=show_training,
        work_dir=work,
        team=team,
    )
