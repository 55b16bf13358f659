"""`sceneprint reindex`: another encoder for a library, while search goes on with the old one."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.options import DeviceOption, JsonOption, LibraryOption, RuntimeOption, open_engine

if TYPE_CHECKING:
    from pathlib import Path

    from retrieval.reindex import ReindexSummary
    from retrieval.types import EncoderId

__all__ = ["reindex"]

MAX_SHOWN = 20
"""Missing films that are named; `--json` has them all."""


def reindex(
    encoder: Annotated[
        str,
        typer.Option("--encoder", metavar="NAME", help="The new encoder."),
    ],
    library: LibraryOption = None,
    source: Annotated[
        Literal["keyframes", "films"] | None,
        typer.Option(
            "--from",
            help="Show it the films, or the small keyframes that the library keeps.",
            show_default="films; keyframes of a missing one, if large enough",
        ),
    ] = None,
    switch: Annotated[
        bool,
        typer.Option("--switch/--no-switch", help="Use the new vectors at the end."),
    ] = True,
    without_missing: Annotated[
        bool,
        typer.Option(
            "--without-missing",
            help="Use them also where films are missing, which search then does not find.",
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Forget the vectors of all other encoders at the end."),
    ] = False,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the encoder of a library while search goes on.

    The new vectors are made beside the old ones and exchanged in one step; the old ones stay, so
    that naming their encoder changes back at once, until --prune. Ctrl-C stops and keeps what is
    finished; the same command continues. Films that are missing are listed, and keep the library
    on the old vectors unless --without-missing.

    Example: sceneprint reindex --encoder open_clip:ViT-B-32/laion2b_s34b_b79k
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.progress import shown_progress
    from retrieval.adapter_list import adapters_to_teach

    with (
        open_engine(library=library, runtime=runtime, device=device) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        summary = engine.reindex(
            encoder,
            source=source,
            switch=switch,
            without_missing=without_missing,
            prune=prune,
            progress=progress,
            should_stop=should_stop,
        )
        commands = adapters_to_teach(engine.library, summary.encoder) if summary.is_used else []
        where = engine.library
    if as_json:
        _print_json(summary, commands)
    else:
        _print_summary(summary, commands, library=where)
    raise typer.Exit(_exit_code(summary, switch=switch, without_missing=without_missing))


def _exit_code(summary: "ReindexSummary", *, switch: bool, without_missing: bool) -> int:
    """0 when all that was asked for is done, 2 where films are missing, 130 when stopped."""
    from app.problems import ABORTED, USER_ERROR

    if summary.was_cancelled:
        return ABORTED
    is_undone = switch and not summary.is_used
    return USER_ERROR if is_undone or (summary.missing and not without_missing) else 0


def _print_json(summary: "ReindexSummary", commands: list[str]) -> None:
    from app.cli.output import print_json

    print_json(
        {
            "encoder": _encoder(summary.encoder),
            "before": None if summary.before is None else _encoder(summary.before),
            "is_used": summary.is_used,
            "was_changed": summary.was_changed,
            "num_videos": summary.num_videos,
            "num_shots": summary.num_shots,
            "num_embedded": summary.num_embedded,
            "num_videos_from": summary.sources,
            "missing": [
                {"video_id": one.video.video_id, "path": str(one.video.path), "reason": one.reason}
                for one in summary.missing
            ],
            "pruned": [_encoder(one) for one in summary.pruned],
            "teach_again": commands,
            "wall_seconds": round(summary.wall_seconds, 3),
            "was_cancelled": summary.was_cancelled,
        }
    )


def _encoder(encoder: "EncoderId") -> dict[str, Any]:
    return {"name": encoder.name, "hash": encoder.hash, "dim": encoder.dim}


def _print_summary(summary: "ReindexSummary", commands: list[str], *, library: "Path") -> None:
    from app.cli.output import clock, note

    if summary.num_embedded:
        seen = ", ".join(f"{count} {_SEEN[name]}" for name, count in summary.sources.items())
        took = clock(summary.wall_seconds)
        print(f"{summary.num_embedded} shots embedded in {took}; films seen: {seen}")
    _print_missing(summary)
    print(_state(summary, library))
    if commands:
        print("\nThese adapters learned from the old vectors; teach them again:")
        for command in commands:
            print(f"  {command}")
    if summary.was_cancelled:
        note("stopped; finished films are kept, the same command continues with the others")


_SEEN = {"keyframes": "by the kept keyframes", "films": "by the files"}


def _print_missing(summary: "ReindexSummary") -> None:
    from app.cli.output import print_table

    if not summary.missing:
        return
    rows = [(one.video.name, one.reason) for one in summary.missing[:MAX_SHOWN]]
    print_table([("Missing", "fold"), ("Why", "fold")], rows)
    if len(summary.missing) > MAX_SHOWN:
        print(f"… and {len(summary.missing) - MAX_SHOWN} more; --json lists all")
    print(
        "Put the files back and run the same command (`sceneprint ingest` on a file that\n"
        "moved notes its new place); or make do with the small pictures that the library\n"
        "keeps of them: --from keyframes; or leave them out: --without-missing\n"
    )


def _state(summary: "ReindexSummary", library: "Path") -> str:
    """What is in use now, and how to go on."""
    from app.cli.library import films_text

    new, held = (
        summary.encoder.name,
        f"{summary.num_shots} shots of {films_text(summary.num_videos)}",
    )
    if summary.is_used:
        text = f"{library} uses {new}: {held}"
        if summary.pruned:
            names = ", ".join(one.name for one in summary.pruned)
            return f"{text}; forgotten: {names}"
        if summary.was_changed and summary.before is not None:
            back = summary.before.spec or summary.before.name
            return (
                f"{text}\nThe vectors of {summary.before.name} are kept: `sceneprint reindex "
                f"--encoder {back}` changes back at once, --prune forgets them"
            )
        return text
    before = "nothing" if summary.before is None else summary.before.name
    return f"{library} still uses {before}; beside it {new} has {held}"
