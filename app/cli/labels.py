"""`sceneprint labels`: bring labels in, show them, write them, check them, forget them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.label_shots import add_label, make_group, show_queue
from app.cli.options import JsonOption, LibraryOption, open_engine

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.label_book import ImportOptions
    from retrieval.label_types import Label, LabelFinding

__all__ = ["labels_app"]

MAX_ROWS = 200

labels_app = typer.Typer(
    help="Labels of your own on films of the library, in groups.\n\n"
    "Example: sceneprint labels import annotations.xml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

labels_app.command("group")(make_group)
labels_app.command("add")(add_label)
labels_app.command("queue")(show_queue)

Format = Literal["auto", "clips", "coco", "csv", "cvat", "jsonl", "voc", "yolo"]
PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="A label file or a folder.")]
FormatOption = Annotated[
    Format, typer.Option("--format", help="What the labels are written in; auto tells by looking.")
]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="The group of labels.")
]
VideoOption = Annotated[
    str | None,
    typer.Option("--video", metavar="VIDEO", help="The film, where the labels name none."),
]
OfVideoOption = Annotated[
    str | None, typer.Option("--video", metavar="VIDEO", help="Only labels of this film.")
]
MultiOption = Annotated[
    bool | None,
    typer.Option(
        "--multi/--exclusive",
        help="Whether several classes of the group may hold at once.",
        show_default="as the group is; several for boxes",
    ),
]
SplitOption = Annotated[
    Literal["train", "val", "test"] | None,
    typer.Option("--split", help="What all these labels are kept for."),
]
FirstFrameOption = Annotated[
    int,
    typer.Option("--first-frame", min=0, max=1, help="Number of a film's first frame in the file."),
]
UnusedOption = Annotated[
    bool, typer.Option("--allow-unused", help="Leave out classes that no label has.")
]
CosineOption = Annotated[
    float,
    typer.Option("--min-cosine", metavar="C", help="From when on two shots count as the same."),
]


@labels_app.command("import")
def import_labels(
    path: PathArgument,
    format: FormatOption = "auto",  # noqa: A002 (the option's name)
    group: GroupOption = None,
    multi: MultiOption = None,
    video: VideoOption = None,
    split: SplitOption = None,
    first_frame: FirstFrameOption = 0,
    allow_unused: UnusedOption = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring labels into the library: all of a file, or nothing.

    Reads CVAT XML, Pascal VOC, YOLO, COCO JSON, CSV, JSON lines, and folders of clips named by
    class. The films must be in the library; they are found by path, file name or stem.

    Example: sceneprint labels import annotations.xml --group vehicles --multi
    """
    from app.cli.output import note, print_json

    options = _options(group, multi, video, split, first_frame, allow_unused)
    with open_engine(library=library) as engine:
        done = engine.labels.import_from(path, format=format, options=options)
    for text in done.notes:
        note(f"note: {text}")
    if as_json:
        print_json(asdict(done))
        return
    groups = ", ".join(f"{one.name} ({_kind(one.kind)})" for one in done.groups)
    known = f", {done.num_known} were there already" if done.num_known else ""
    print(f"{done.num_added} labels on {done.num_videos} films imported into {groups}{known}")


@labels_app.command("list")
def list_labels(
    group: GroupOption = None,
    video: OfVideoOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List groups and classes, or the labels of one group or film.

    Example: sceneprint labels list --group light
    """
    from app.cli.output import note, print_json, print_table

    with open_engine(library=library) as engine:
        labels = engine.labels.labels(group=group, video=video)
        if as_json:
            print_json(
                {
                    "groups": [asdict(one) for one in engine.labels.groups()],
                    "labels": [asdict(one) for one in labels],
                }
            )
        elif group is None and video is None:
            _print_groups(engine, labels)
        else:
            rows = [_row(engine, label) for label in labels[:MAX_ROWS]]
            film_columns: list[Any] = [("Film", "fold"), ("From", "left"), ("To", "left")]
            label_columns: list[Any] = [("Group", "fold"), ("Label", "fold"), ("Read from", "fold")]
            print_table([*film_columns, *label_columns], rows)
            if len(labels) > MAX_ROWS:
                note(f"{len(labels) - MAX_ROWS} more; --json has all")


@labels_app.command("export")
def export_labels(
    format: Annotated[  # noqa: A002 (the option's name)
        Literal["csv", "jsonl", "cvat"], typer.Option("--format", help="How to write them.")
    ] = "csv",
    group: GroupOption = None,
    video: OfVideoOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; else printed.")
    ] = None,
    library: LibraryOption = None,
) -> None:
    """Write labels so that importing them gives the same labels back.

    A format that would lose something is refused: a CSV row holds one box, a CVAT file one film
    and one group.

    Example: sceneprint labels export --format jsonl --out labels.jsonl
    """
    import sys

    from app.cli.output import note
    from retrieval.errors import InvalidInputError

    with open_engine(library=library) as engine:
        text = engine.labels.export(format=format, group=group, video=video)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as exc:
        raise InvalidInputError(f"cannot write {out}: {exc.strerror}") from exc
    note(f"wrote {out}")


@labels_app.command("check")
def check_labels(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="A label file to check without importing it."),
    ] = None,
    format: FormatOption = "auto",  # noqa: A002 (the option's name)
    group: GroupOption = None,
    multi: MultiOption = None,
    video: OfVideoOption = None,
    split: SplitOption = None,
    first_frame: FirstFrameOption = 0,
    min_cosine: CosineOption = 0.9,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what is doubtful in labels of the library or a file.

    Unknown and misspelt classes, overlaps, empty segments, classes with one example, and footage
    that is on both sides of a split: the same shot, the same film, or shots that look the same.
    The exit code is 0 whatever is found.

    Example: sceneprint labels check --group light
    """
    from app.cli.output import print_json

    with open_engine(library=library) as engine:
        if path is None:
            found = engine.labels.check(group=group, video=video, min_cosine=min_cosine)
        else:
            options = _options(group, multi, video, split, first_frame, False)
            found = engine.labels.check_file(
                path, format=format, options=options, min_cosine=min_cosine
            )
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _print_findings(found)


@labels_app.command("remove")
def remove_labels(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group.")],
    name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Only this class of it.")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a group of labels, or one class of it; films stay.

    Example: sceneprint labels remove light --class dusk
    """
    from app.cli.output import print_json

    with open_engine(library=library) as engine:
        num = engine.labels.remove(group, name=name)
    if as_json:
        print_json({"group": group, "class": name, "num_removed": num})
    else:
        print(f"removed {num} labels of {group if name is None else f'{group}: {name}'}")


def _options(
    group: str | None,
    multi: bool | None,
    video: str | None,
    split: Literal["train", "val", "test"] | None,
    first_frame: int,
    allow_unused: bool,
) -> "ImportOptions":
    from retrieval.label_book import ImportOptions

    return ImportOptions(
        group=group,
        kind=None if multi is None else "any_of" if multi else "one_of",
        video=video,
        split=split,
        first_frame=first_frame,
        is_lenient=allow_unused,
    )


def _print_groups(engine: "Engine", labels: "list[Label]") -> None:
    from collections import Counter

    from app.cli.output import print_table

    groups = engine.labels.groups()
    if not groups:
        print("there are no labels; bring some in with `sceneprint labels import PATH`")
        return
    counts = Counter((label.group, label.name) for label in labels)
    films = {key: set[str]() for key in counts}
    for label in labels:
        films[label.group, label.name].add(label.video_id)
    rows = [
        (group.name, _kind(group.kind), name, str(counts[group.name, name]),
         str(len(films.get((group.name, name), ()))))
        for group in groups
        for name in group.classes
    ]  # fmt: skip
    headings: list[Any] = [("Group", "fold"), ("Kind", "left"), ("Class", "fold")]
    print_table([*headings, ("Labels", "right"), ("Films", "right")], rows)


def _row(engine: "Engine", label: "Label") -> tuple[str, ...]:
    from retrieval.types import timecode

    video = engine.catalog.videos_by_ids([label.video_id]).get(label.video_id)
    rate = None if video is None else video.frame_rate
    segment = label.segment
    start, end = timecode(segment.start_seconds, rate), timecode(segment.end_seconds, rate)
    return label.video_name, start, end, label.group, label.name, label.where


def _print_findings(found: "list[LabelFinding]") -> None:
    from retrieval.types import readable

    for one in found:
        group = f"{one.group}: " if one.group else ""
        score = "" if one.score is None else f" (cosine {one.score:.3f})"
        print(readable(f"{one.kind}  {group}{one.message}{score}"))
        for place in one.places:
            print(readable(f"    {place}"))
    print(f"{len(found)} findings" if found else "nothing doubtful was found")


def _kind(kind: str) -> str:
    return kind.replace("_", " ")
