"""`sceneprint compress`: a smaller, faster encoder, and what that costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import EncoderOption, JsonOption

if TYPE_CHECKING:
    from eval.compress_run import Make
    from retrieval.encoders.builtin import BuiltinEncoder

__all__ = ["compress_app"]

compress_app = typer.Typer(
    help="Make a smaller encoder.\n\nExample: sceneprint compress int8 --data pictures",
    no_args_is_help=True,
)
DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="Pictures: a folder, a .tar, or like Flickr8k."),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Encoder folder to write.")
]
PicturesOption = Annotated[
    int, typer.Option("--pictures", min=1, metavar="N", help="At most so many to learn from.")
]
HeldOutOption = Annotated[
    int, typer.Option("--held-out", min=11, metavar="N", help="Pictures to measure on.")
]
FloorOption = Annotated[
    float,
    typer.Option("--floor", min=0, max=1, help="Least mean cosine to the original."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Write below the floor too.")]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, metavar="N", help="Passes.")]
BatchOption = Annotated[
    int, typer.Option("--batch-size", min=2, metavar="N", help="Pictures a step.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")]


@compress_app.command("int8")
def int8(
    data: DataOption,
    out: OutOption = Path("int8-encoder"),
    encoder: EncoderOption = None,
    pictures: PicturesOption = 200,
    held_out: HeldOutOption = 500,
    floor: FloorOption = 0.95,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the picture network into 8-bit integers.

    The pictures give the ranges. It needs the extra `train`.

    Example: sceneprint compress int8 --data pictures --out small
    """
    from functools import partial

    with _compressing(data):
        from adapters.training.compress import to_int8

        work = partial(to_int8, num_pictures=pictures)
        _run(work, data, out, encoder, held_out, floor, force, as_json)


@compress_app.command("prune")
def prune(
    data: DataOption,
    out: OutOption = Path("pruned-encoder"),
    encoder: EncoderOption = None,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=0.9, help="Of the inner channels to take out.")
    ] = 0.25,
    pictures: PicturesOption = 2000,
    held_out: HeldOutOption = 500,
    epochs: EpochsOption = 2,
    batch: BatchOption = 32,
    threads: ThreadsOption = 2,
    floor: FloorOption = 0.95,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take the weakest channels out of the picture network.

    It is narrower afterwards, and healed on the pictures by distillation. It needs the extra
    `train`.

    Example: sceneprint compress prune --data pictures --share 0.25 --out narrow
    """
    from functools import partial

    with _compressing(data):
        from adapters.training.compress import pruned
        from adapters.training.distill import DistillConfig

        work = partial(
            pruned,
            share=share,
            num_pictures=pictures,
            config=DistillConfig(epochs=epochs, batch=batch),
            threads=threads,
        )
        _run(work, data, out, encoder, held_out, floor, force, as_json)


@compress_app.command("distill")
def distill(
    data: DataOption,
    out: OutOption = Path("student-encoder"),
    encoder: EncoderOption = None,
    start: Annotated[
        str, typer.Option("--start", metavar="NAME", help="Whose picture network it begins as.")
    ] = "builtin",
    blocks: Annotated[
        float, typer.Option("--blocks", min=0, max=1, help="Share of refining blocks to leave out.")
    ] = 0.5,
    size: Annotated[
        int, typer.Option("--size", min=32, max=512, help="Side of the student's input.")
    ] = 160,
    pictures: PicturesOption = 6000,
    held_out: HeldOutOption = 500,
    epochs: EpochsOption = 3,
    batch: BatchOption = 32,
    threads: ThreadsOption = 2,
    floor: FloorOption = 0.95,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a small picture network the embeddings of a large encoder.

    --encoder is the teacher, whose text networks are taken over. It needs the extra `train`.

    Example: sceneprint compress distill --data flickr8k --encoder builtin --out student
    """
    from functools import partial

    with _compressing(data):
        from adapters.training.compress import distilled
        from adapters.training.distill import DistillConfig

        work = partial(
            distilled,
            start=_folder_of(start),
            blocks=blocks,
            size=size,
            num_pictures=pictures,
            config=DistillConfig(epochs=epochs, batch=batch),
            threads=threads,
        )
        _run(work, data, out, encoder, held_out, floor, force, as_json)


def _compressing(data: Path) -> Any:
    from app.cli.develop import training_on

    return training_on(data)


def _folder_of(name: str) -> Path:
    return _folder_encoder(name).manifest.folder


def _folder_encoder(name: str) -> "BuiltinEncoder":
    from retrieval.encoders import load_encoder
    from retrieval.encoders.builtin import BuiltinEncoder
    from retrieval.errors import InvalidInputError

    encoder = load_encoder(name)
    if not isinstance(encoder, BuiltinEncoder):
        raise InvalidInputError(
            f"got encoder {name!r}, expected a folder of ONNX networks: builtin, builtin:FOLDER or "
            "onnx:FOLDER"
        )
    return encoder


def _run(
    make: "Make",
    data: Path,
    out: Path,
    encoder: str | None,
    held_out: int,
    floor: float,
    force: bool,
    as_json: bool,
) -> None:
    from app.cli.develop import show_training
    from app.cli.output import print_json
    from app.settings import load_settings
    from eval.compress_run import compress, read_lessons

    original = _folder_encoder(encoder or load_settings().encoder)
    lessons = read_lessons(data, num_held_out=held_out)
    table = compress(make, original, lessons, out, floor=floor, force=force, progress=show_training)
    if as_json:
        print_json({**table.to_dict(), "folder": str(out)})
    else:
        print(table.text())
        print(f"written to {out}; use it as --encoder onnx:{out}")
