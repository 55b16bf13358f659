"""Options that several commands share, and the Engine they open.

An option that is not given falls back to the setting, and that to its default.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from retrieval.engine import Engine

__all__ = [
    "Device",
    "DeviceOption",
    "EncoderOption",
    "JsonOption",
    "LibraryOption",
    "RuntimeOption",
    "SoundEncoderOption",
    "chosen_device",
    "open_engine",
    "open_or_temporary_engine",
]

Device = Literal["auto", "cpu", "cuda", "tensorrt"]

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library", "-l", metavar="DIR", help="Library directory.", show_default="./library"
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Encoder, as family:architecture/tag.",
        show_default="the library's, or builtin",
    ),
]
SoundEncoderOption = Annotated[
    str | None,
    typer.Option(
        "--sound-encoder",
        metavar="NAME",
        help="What embeds sound: builtin or clap:ORG/REPO.",
        show_default="builtin",
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="auto, onnxruntime, openvino or tensorrt.",
        show_default="auto",
    ),
]
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device", help="What computes; auto takes the best and says which.", show_default="cpu"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def chosen_device(given: Device | None) -> Device:
    """The device that was given, else the setting's; where it is `auto`, its choice is shown."""
    from app.cli.output import log_to_stderr
    from app.settings import load_settings

    device = given or load_settings().device
    if device == "auto":
        log_to_stderr()
    return device


def open_engine(
    *,
    library: Path | None,
    encoder: str | None = None,
    sound_encoder: str | None = None,
    runtime: str | None = None,
    device: Device | None = None,
    create: bool = False,
) -> "Engine":
    """Open the library with the options that were given and the settings for the others."""
    from app.cli.output import log_to_stderr
    from app.settings import load_settings
    from retrieval.engine import Engine

    log_to_stderr()
    settings = load_settings()
    return Engine(
        library or settings.library,
        encoder=encoder or settings.library_encoder,
        copy_encoder=settings.copy_encoder,
        sound_encoder=sound_encoder or settings.sound_encoder,
        index=settings.index,
        limits=settings.media_limits,
        runtime=runtime or settings.runtime,
        device=chosen_device(device),
        create=create,
    )


@contextmanager
def open_or_temporary_engine(
    *,
    library: Path | None,
    encoder: str | None = None,
    runtime: str | None = None,
    device: Device | None = None,
) -> "Iterator[Engine]":
    """Open the library, or an empty passing one where there is none.

    For work that needs no library, so that it leaves no directory behind.
    """
    import tempfile

    from app.settings import load_settings

    chosen = library or load_settings().library
    with tempfile.TemporaryDirectory(prefix="sceneprint-") as passing:
        is_there = chosen.exists()
        with open_engine(
            library=chosen if is_there else Path(passing) / "library",
            encoder=encoder,
            runtime=runtime,
            device=device,
            create=not is_there,
        ) as engine:
            yield engine
