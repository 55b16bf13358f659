"""`sceneprint eval`: measure quality on data sets, and make the attack benchmark."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.evaluate_active import eval_active
from app.cli.evaluate_classify import eval_classify
from app.cli.evaluate_few_shot import eval_few_shot
from app.cli.evaluate_fusion import eval_fusion
from app.cli.evaluate_stills import eval_stills
from app.cli.options import (
    DeviceOption,
    EncoderOption,
    JsonOption,
    RuntimeOption,
    chosen_device,
    open_engine,
)

if TYPE_CHECKING:
    from eval.table import Table

__all__ = ["eval_app"]

eval_app = typer.Typer(
    help="Measure quality on data sets.\n\nExample: sceneprint eval retrieval --data flickr8k",
    no_args_is_help=True,
)

eval_app.command("active")(eval_active)
eval_app.command("classify")(eval_classify)
eval_app.command("few-shot")(eval_few_shot)
eval_app.command("fusion")(eval_fusion)
eval_app.command("stills")(eval_stills)


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
        device=chosen_device(device),
    )
    _show(
        lambda: evaluate_retrieval(loaded, data, split=split, translations=captions_zh),
        as_json=as_json,
    )


@eval_app.command("copy")
def eval_copy(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Attacks, VSC2022, VCSL or DISC21 to measure."),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="NAME", help="A peer to run too, or all; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write predictions as VSC CSV there."),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option("--library", "-l", metavar="DIR", help="Keep the references there."),
    ] = None,
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
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy detection on a data set, against its peers.

    With --make, make the attack benchmark first; with both, go on and measure on it.

    Example: sceneprint eval copy --make attacks && sceneprint eval copy --data attacks --peer all
    """
    from retrieval.errors import InvalidInputError

    if make is None and data is None:
        raise InvalidInputError("got no folder; give --data DIR to measure, or --make DIR")
    if make is not None:
        _make_attacks(make, split, size, footage or [], pictures, sounds)
    if data is not None:
        options = {"encoder": encoder, "runtime": runtime, "device": device}
        _measure_copies(data, peers or [], out, library, options, as_json=as_json)


def _make_attacks(
    folder: Path,
    split: Literal["dev", "test"],
    size: Literal["small", "full"],
    footage: list[Path],
    pictures: Path | None,
    sounds: Path | None,
) -> None:
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import note
    from app.cli.progress import shown_progress
    from eval.attacks import make_attacks

    with stop_on_interrupt() as should_stop, shown_progress() as progress:
        made = make_attacks(
            folder,
            split=split,
            size=size,
            footage=footage,
            pictures=pictures,
            sounds=sounds,
            progress=progress,
            should_stop=should_stop,
        )
    note(
        f"{made.num_references} references, {made.num_queries} queries "
        f"({made.query_seconds / 60:.0f} minutes, {made.num_segments} copied segments) "
        f"in {made.folder}; {made.num_kept} films were there"
    )


def _measure_copies(
    data: Path,
    peers: list[str],
    out: Path | None,
    library: Path | None,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    import tempfile

    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from eval.copy_bench import evaluate_copies
    from eval.copy_peers import PEERS
    from eval.copy_sets import read_copy_set

    copy_set = read_copy_set(data)
    names = list(PEERS) if "all" in peers else peers
    with (
        tempfile.TemporaryDirectory(prefix="sceneprint-") as passing,
        open_engine(library=library or Path(passing) / "library", create=True, **options) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        bench = evaluate_copies(
            copy_set, engine, peers=names, out=out, progress=progress, should_stop=should_stop
        )
    if as_json:
        print_json(bench.to_dict())
    else:
        print(bench.text())


def _show(measure: "Callable[[], Table]", *, as_json: bool) -> None:
    from app.cli.output import print_json

    table = measure()
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.text())
