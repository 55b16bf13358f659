"""`sceneprint train copy`: a copy descriptor over the built-in encoder or any other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import DeviceOption, EncoderOption, RuntimeOption

if TYPE_CHECKING:
    from adapters.training.config import Progress, Recall
    from retrieval.encoders.base import PictureTextEncoder

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
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")] = 2,
) -> None:
    """Train a copy descriptor on pictures without labels.

    Over the built-in encoder it becomes a second output (`builtin:DIR`), over any other an
    adapter (`copy:DIR`). It needs the extra `train`.

    Example: sceneprint train copy --data pictures --out my-copy-encoder
    """
    from app.cli.develop import show_trained, show_training, top_recall, training_on
    from app.settings import load_settings
    from retrieval.encoders import load_encoder

    settings = load_settings()
    base = load_encoder(
        encoder or settings.encoder,
        runtime=runtime or settings.runtime,
        device=device or settings.device,
    )
    with training_on(data):
        figures = _train(base, data, out, work, threads, top_recall, show_training)
    show_trained(figures, out)


def _train(
    base: "PictureTextEncoder",
    data: Path,
    out: Path,
    work: Path | None,
    threads: int,
    recall: "Recall",
    progress: "Progress",
) -> dict[str, float]:
    """A second output where the base is a built-in encoder, else an adapter."""
    from adapters.training.copy import BaseEncoder, CopyConfig, train_adapter, train_copy_output
    from retrieval.encoders.builtin import BuiltinEncoder

    config = CopyConfig(num_threads=threads)
    if isinstance(base, BuiltinEncoder):
        return train_copy_output(
            data,
            out,
            source=base.manifest.folder,
            name=f"{base.name}+copy",
            config=config,
            recall=recall,
            progress=progress,
            work_dir=work,
        )
    return train_adapter(
        data,
        out,
        base=BaseEncoder(name=base.name, hash=base.hash, dim=base.dim),
        embed=base.encode_images,
        name=f"copy:{base.name}",
        config=config,
        recall=recall,
        progress=progress,
        work_dir=work,
    )
