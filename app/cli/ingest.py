"""`sceneprint ingest`: films and folders into the library."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import (
    DeviceOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    SoundEncoderOption,
    open_engine,
)

if TYPE_CHECKING:
    from retrieval.types import IngestOutcome, IngestSummary

__all__ = ["exit_code", "ingest", "print_ingest"]

MAX_SHOWN = 30
"""Files that are named in the summary; `--json` has them all."""


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Films and folders.")],
    library: LibraryOption = None,
    shots: Annotated[
        Literal["fast", "precise"],
        typer.Option("--shots", help="Read sync frames, or every frame: finds short copies."),
    ] = "fast",
    detector: Annotated[
        str, typer.Option("--detector", metavar="NAME", help="Shot detector.")
    ] = "sync",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="Films that are read at once.")
    ] = 1,
    encoder: EncoderOption = None,
    sound_encoder: SoundEncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring films and folders into the library.

    Files that are known are skipped, also when they were moved. Ctrl-C stops and
    keeps what is finished; the same command continues.

    Example: sceneprint ingest ~/films holiday.mp4 --shots precise
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.progress import shown_progress

    engine = open_engine(
        library=library,
        encoder=encoder,
        sound_encoder=sound_encoder,
        runtime=runtime,
        device=device,
        create=True,
    )
    with engine, stop_on_interrupt() as should_stop, shown_progress() as progress:
        summary = engine.ingest(
            paths,
            shots=shots,
            detector=detector,
            at_once=jobs,
            progress=progress,
            should_stop=should_stop,
        )
    print_ingest(summary, as_json=as_json)
    raise typer.Exit(exit_code(summary, paths))


def print_ingest(summary: "IngestSummary", *, as_json: bool) -> None:
    """Show what happened to each file."""
    if as_json:
        _print_json(summary)
    else:
        _print_summary(summary)


def exit_code(summary: "IngestSummary", paths: list[Path]) -> int:
    """0 when there is something usable and no file that was named failed, else 2; 130 stopped."""
    from app.problems import ABORTED, USER_ERROR

    if summary.was_cancelled:
        return ABORTED
    named = {os.path.abspath(path) for path in paths}
    failed = [item for item in summary.outcomes if item.status == "failed"]
    usable = [item for item in summary.outcomes if item.video_id is not None]
    has_named_failure = any(os.path.abspath(item.path) in named for item in failed)
    return USER_ERROR if has_named_failure or not usable else 0


def _print_json(summary: "IngestSummary") -> None:
    from app.cli.output import print_json
    from app.schemas_library import IngestResult

    result = IngestResult.of(summary).model_dump(mode="json")
    for view, outcome in zip(result["outcomes"], summary.outcomes, strict=True):
        view["path"] = str(outcome.path)
    print_json(result)


def _print_summary(summary: "IngestSummary") -> None:
    from app.cli.output import Heading, note, print_table

    rows = [row for outcome in summary.outcomes for row in _rows(outcome)]
    if rows:
        has_reasons = any(why for _, _, why in rows[:MAX_SHOWN])
        headings: list[Heading] = [("File", "fold"), ("Outcome", "left"), ("Why", "fold")]
        width = 3 if has_reasons else 2
        print_table(headings[:width], [row[:width] for row in rows[:MAX_SHOWN]])
    if len(rows) > MAX_SHOWN:
        print(f"… and {len(rows) - MAX_SHOWN} more; --json lists all")
    print(_totals(summary))
    if summary.was_cancelled:
        note("stopped; finished films are kept, the same command continues with the others")


def _rows(outcome: "IngestOutcome") -> list[tuple[str, str, str]]:
    """What a person should read about one file: nothing where it was merely unchanged."""
    name = outcome.name
    if outcome.status == "unchanged":
        return []
    reasons = [outcome.reason] if outcome.reason else []
    return [(name, outcome.status, "; ".join([*reasons, *outcome.warnings]))]


def _totals(summary: "IngestSummary") -> str:
    from app.cli.output import clock
    from app.cli.progress import speed_text

    order = ("added", "replaced", "moved", "unchanged", "skipped", "failed")
    counts = [f"{summary.count(status)} {status}" for status in order if summary.count(status)]
    if not counts:
        return "nothing to ingest: found no media files"
    media = sum(outcome.media_seconds for outcome in summary.outcomes)
    text = ", ".join(counts)
    if media and summary.wall_seconds:
        speed = media / summary.wall_seconds
        text += f" · {clock(media)} of film in {clock(summary.wall_seconds)}"
        text += f" ({speed_text(speed)} × real time)"
    return text
