"""`sceneprint labels group|add|queue`: labels by hand from the shell, as in the Label tab."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption, LibraryOption, open_engine

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.label_desk import LabelQueue
    from retrieval.types import Segment

__all__ = ["add_label", "make_group", "show_queue"]

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The group of labels.")]


def make_group(
    group: GroupArgument,
    classes: Annotated[
        str, typer.Option("--classes", metavar="NAME,NAME", help="Names, with commas between.")
    ],
    multi: Annotated[
        bool, typer.Option("--multi/--exclusive", help="Whether several may hold at once.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a group of classes, or add classes to one that is there.

    Example: sceneprint labels group light --classes day,night
    """
    from app.cli.output import print_json

    names = [name.strip() for name in classes.split(",") if name.strip()]
    with open_engine(library=library) as engine:
        made = engine.label_desk.make_group(
            group, kind="any_of" if multi else "one_of", classes=names
        )
    if as_json:
        print_json(asdict(made))
    else:
        print(f"{made.name} ({made.kind.replace('_', ' ')}): {', '.join(made.classes)}")


def add_label(
    group: GroupArgument,
    name: Annotated[str, typer.Argument(metavar="CLASS", help="A class of the group.")],
    video: Annotated[str, typer.Option("--video", metavar="VIDEO", help="The film.")],
    shot: Annotated[
        int | None, typer.Option("--shot", min=0, help="Number of the shot, from 0.")
    ] = None,
    start: Annotated[
        float | None,
        typer.Option("--start", min=0, help="Seconds; with --end, in place of a shot."),
    ] = None,
    end: Annotated[float | None, typer.Option("--end", min=0, help="Seconds.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a class holds in a shot or a segment of a film.

    In a group that is one of, it replaces what was said of that time.

    Example: sceneprint labels add light night --video bikes.mp4 --shot 2
    """
    from app.cli.output import print_json

    with open_engine(library=library) as engine:
        segment = _segment(engine, video, shot, start, end)
        edit = engine.label_desk.label(
            group, name, video=video, segment=segment, source="command line"
        )
    if as_json:
        print_json(asdict(edit))
    else:
        print(f"{len(edit.added)} labels added, {len(edit.removed)} removed")


def show_queue(
    group: GroupArgument,
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter",
            metavar="NAME",
            help="Whose answers count.",
            show_default="what learned the group, else words",
        ),
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", metavar="VIDEO", help="Only shots of this film.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 20,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the shots to label next, the least certain first.

    Example: sceneprint labels queue light
    """
    from app.cli.output import print_json
    from app.schemas_labels import LabelQueueView

    with open_engine(library=library) as engine:
        desk = engine.label_desk
        chosen = adapter or desk.newest_adapter(group)
        queue = desk.queue(group, adapter=chosen, video=video, count=limit)
    if as_json:
        print_json(LabelQueueView.of(queue).model_dump())
    else:
        _print_queue(queue)


def _segment(
    engine: "Engine", video: str, shot: int | None, start: float | None, end: float | None
) -> "Segment":
    from retrieval.errors import InvalidInputError, NotFoundError
    from retrieval.types import Segment

    if shot is None:
        if start is None or end is None or not start < end:
            raise InvalidInputError(
                f"got --start {start} --end {end}, expected --shot, or seconds that rise"
            )
        return Segment(start, end)
    if start is not None or end is not None:
        raise InvalidInputError("got --shot with --start or --end, expected one of them")
    shots = engine.shots(video)
    if shot >= len(shots):
        raise NotFoundError(f"got shot {shot}, {video} has {len(shots)}, counted from 0")
    return shots[shot].segment


def _print_queue(queue: "LabelQueue") -> None:
    from app.cli.output import note, print_table
    from app.templating import clock
    from retrieval.types import readable

    rows = [
        (
            readable(item.video.name),
            str(item.shot.number),
            clock(item.shot.segment.start_seconds),
            f"{item.scores[0].label} {100 * item.scores[0].score:.0f}\N{NO-BREAK SPACE}%",
            f"{item.doubt:.2f}",
        )
        for item in queue.shots
    ]
    columns: list[Any] = [("Film", "fold"), ("Shot", "right"), ("From", "right")]
    print_table([*columns, ("Guess", "fold"), ("Doubt", "right")], rows)
    note(f"{queue.num_open} shots have no label yet; guesses by {queue.adapter or 'words alone'}")
    if queue.missing:
        note(f"no example yet of {', '.join(queue.missing)}: likely shots come first")
