"""`sceneprint bank`: known non-matches (logos, intros, licensed clips) that are no news."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    DeviceOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    open_engine,
)

if TYPE_CHECKING:
    from retrieval.types import Video

__all__ = ["bank_app"]

bank_app = typer.Typer(
    help="Known non-matches: logos, intros, licensed clips.\n\n"
    "A match that a bank explains is left out of the answer, and counted below it.\n\n"
    "Example: sceneprint bank add logos ident.mp4",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BankArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the bank.")]


@bank_app.command("add")
def add(
    name: BankArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Films and folders.")],
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add films to a bank, which is made where there is none.

    Every frame is read, so that short logos and intros are known too.

    Example: sceneprint bank add logos ident.mp4 ~/licensed
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.ingest import exit_code, print_ingest
    from app.cli.progress import shown_progress

    with (
        open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine,
        engine.bank(name, create=True) as bank,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        summary = bank.ingest(paths, shots="precise", progress=progress, should_stop=should_stop)
    print_ingest(summary, as_json=as_json)
    raise typer.Exit(exit_code(summary, paths))


@bank_app.command("list")
def list_banks(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the banks of a library and what they hold.

    Example: sceneprint bank list
    """
    from app.cli.library import video_json
    from app.cli.output import clock, print_json, print_table

    films: dict[str, list[Video]] = {}
    with open_engine(library=library) as engine:
        for info in engine.banks():
            with engine.bank(info.name) as bank:
                films[info.name] = bank.videos()
    if as_json:
        print_json(
            [{"name": name, "videos": [*map(video_json, held)]} for name, held in films.items()]
        )
        return
    if not films:
        print("there are no banks; make one with `sceneprint bank add NAME PATH`")
        return
    rows = [
        (name if number == 0 else "", video.name, clock(video.duration_seconds))
        for name, held in films.items()
        for number, video in enumerate(held)
    ]
    rows += [(name, "nothing", "") for name, held in films.items() if not held]
    print_table([("Bank", "left"), ("Film", "fold"), ("Length", "right")], rows)


@bank_app.command("remove")
def remove(
    name: BankArgument,
    videos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIDEO…]", help="Films of the bank; without any, all of it."),
    ] = None,
    library: LibraryOption = None,
) -> None:
    """Forget a bank, or films of it; the files stay where they are.

    Example: sceneprint bank remove logos ident.mp4
    """
    with open_engine(library=library) as engine:
        if not videos:
            info = engine.remove_bank(name)
            print(f"removed the bank {name} ({info.num_videos} films); the files stay")
            return
        with engine.bank(name) as bank:
            found = list(dict.fromkeys(bank.video(key).video_id for key in videos))
            removed = [bank.remove(video_id) for video_id in found]
    for video in removed:
        print(f"removed {video.name} from the bank {name}; the file stays")
