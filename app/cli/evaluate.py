"""`sceneprint eval`: measure quality on data sets, and make the attack benchmark."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import DeviceOption, EncoderOption, JsonOption, RuntimeOption

if TYPE_CHECKING:
    from eval.table import Table

__all__ = ["eval_app"]

eval_app = typer.Typer(
    help="Measure quality on data sets.\n\nExample: sceneprint eval retrieval --data flickr8k",
    no_args_is_help=True,
)


@eval_app.command("retrieval")
def eval_retrieval(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder laid out like Flickr8k.")
    ],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Which split.")] = "dev",
    captions_zh: Annotated[
        Path | None,
        typer.Option(
            "--captions-zh", metavar="FILE", help="Lines of image, English, Chinese (tabs)."
        ),
    ] = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Text-to-image recall of an encoder on captioned pictures.

    Example: sceneprint eval retrieval --data flickr8k --split dev
    """
    from app.settings import load_settings
    from eval.retrieval import evaluate_retrieval
    from retrieval.encoders import load_encoder

    settings = load_settings()
    loaded = load_encoder(
        encoder or settings.encoder,
        runtime=runtime or settings.runtime,
        device=device or settings.device,
    )
    _show(
        lambda: evaluate_retrieval(loaded, data, split=split, translations=captions_zh),
        as_json=as_json,
    )


@eval_app.command("copy")
def eval_copy(
    make: Annotated[
        Path | None, typer.Option("--make", metavar="DIR", help="Make the attack benchmark there.")
    ] = None,
    split: Annotated[
        Literal["dev", "test"],
        typer.Option("--split", help="With --make: dev to tune on, test to report."),
    ] = "dev",
    size: Annotated[
        Literal["small", "full"], typer.Option("--size", help="With --make: how large.")
    ] = "small",
    footage: Annotated[
        list[Path] | None,
        typer.Option("--footage", metavar="DIR", help="With --make: films to use; repeatable."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="PATH", help="With --make: folder or tar of pictures."),
    ] = None,
    sounds: Annotated[
        Path | None,
        typer.Option("--sounds", metavar="DIR", help="With --make: folder of sounds."),
    ] = None,
) -> None:
    """Make the attack benchmark of copy detection.

    Example: sceneprint eval copy --make attacks --split dev
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.progress import shown_progress
    from eval.attacks import make_attacks
    from retrieval.errors import InvalidInputError

    if make is None:
        raise InvalidInputError("got no folder; give --make DIR")
    with stop_on_interrupt() as should_stop, shown_progress() as progress:
        made = make_attacks(
            make,
            split=split,
            size=size,
            footage=footage or (),
            pictures=pictures,
            sounds=sounds,
            progress=progress,
            should_stop=should_stop,
        )
    print(
        f"{made.num_references} references, {made.num_queries} queries "
        f"({made.query_seconds / 60:.0f} minutes, {made.num_segments} copied segments) "
        f"in {made.folder}; {made.num_kept} films were there"
    )


def _show(measure: "Callable[[], Table]", *, as_json: bool) -> None:
    from app.cli.output import print_json

    table = measure()
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.text())
