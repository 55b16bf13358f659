"""`sceneprint watch`: every film that arrives in a folder is matched."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.match import (
    BankOption,
    MinScoreOption,
    MinSecondsOption,
    NoBanksOption,
    VideoOption,
    asked,
    match_json,
)
from app.cli.options import (
    DeviceOption,
    EncoderOption,
    LibraryOption,
    RuntimeOption,
    open_engine,
)

if TYPE_CHECKING:
    from app.matching import Asked, Outcome
    from retrieval.engine import Engine

__all__ = ["watch"]


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to watch.")],
    once: Annotated[
        bool, typer.Option("--once", help="Look through what is there and end, for cron.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option("--interval", min=0.1, metavar="SECONDS", help="Between two looks."),
    ] = 5.0,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write evidence for each file with matches."),
    ] = None,
    min_score: MinScoreOption = 0.5,
    min_seconds: MinSecondsOption = 2.0,
    video: VideoOption = None,
    bank: BankOption = None,
    no_banks: NoBanksOption = False,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
) -> None:
    """Match every film that arrives in a folder.

    Prints one JSON line a match. Files that were looked through are remembered in the
    library, also over restarts, until they change. Ctrl-C ends it.

    Example: sceneprint watch ~/incoming --report ~/evidence >> matches.jsonl
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.progress import shown_progress
    from app.files import check_writable
    from app.watching import Seen, Watcher, seen_path

    if report is not None:
        check_writable(report, is_folder=True)
    wanted = asked(min_score, min_seconds, video, bank, no_banks)
    with (
        open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        watcher = Watcher(
            engine,
            folder,
            wanted,
            Seen.load(seen_path(engine.library, folder), folder),
            lambda outcome: _tell(engine, outcome, report, wanted),
            interval_seconds=interval,
            progress=progress,
            should_stop=should_stop,
        )
        watcher.run_once() if once else watcher.run()


def _tell(engine: "Engine", outcome: "Outcome", report: Path | None, wanted: "Asked") -> None:
    from app.cli.output import note, print_json_line
    from retrieval.types import readable

    name = readable(outcome.path.name)
    found_at = datetime.now(UTC).isoformat(timespec="seconds")
    for item in outcome.matches:
        print_json_line({"found_at": found_at, **match_json(item)})
    if outcome.error is not None:
        note(f"{name}: not looked through: {readable(outcome.error)}")
    elif not outcome.matches:
        note(f"{name}: no copied footage found")
    for line in outcome.remarks:
        note(f"{name}: {readable(line)}")
    if report is not None and outcome.matches:
        note(f"report: {_write_report(engine, outcome, report, wanted)}")


def _write_report(engine: "Engine", outcome: "Outcome", folder: Path, wanted: "Asked") -> Path:
    """A page of its own, also for another film of the same name, or for the same again."""
    from app.matching import page_name, write_reports

    taken = list(folder.glob("*.html")) if folder.is_dir() else []
    (page,) = write_reports(engine, [outcome], page_name(folder, outcome.path, taken), wanted)
    return page
