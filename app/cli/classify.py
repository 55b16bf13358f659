"""`sceneprint classify`: labels for the shots of a film, zero-shot."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.options import (
    DeviceOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    SoundEncoderOption,
    open_or_temporary_engine,
)
from app.cli.teach import TextEncoderOption, classify_with

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.labels import LabelGroup
    from retrieval.types import Classification

__all__ = ["chosen_groups", "classify"]

BAR_WIDTH = 24
STILLS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def classify(
    film: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A film or a still, or a film of the library."),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
            help='Labels like "day,night", or a file of labels with sentences.',
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME", help="A group that ships, such as mood."),
    ] = None,
    per: Annotated[
        Literal["shot", "video"], typer.Option("--per", help="Score each shot, or the whole.")
    ] = "shot",
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter", metavar="NAME", help="An adapter of `sceneprint teach`: mine, or mine/2."
        ),
    ] = None,
    text_encoder: TextEncoderOption = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Print the annotation format (JSON).")
    ] = False,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    sound_encoder: SoundEncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score labels for the shots of a film or a still.

    Without labels: place, time, action and mood, which ship. The shares sum to one within a
    group. A label file is JSON {"group": {"label": ["sentence"]}} or lines of
    "label: sentence; sentence".

    Example: sceneprint classify bikes.mp4 --labels "day,night" --per video
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress

    if adapter is not None:
        classify_with(
            adapter,
            film,
            given=bool(labels or group or annotations or per != "shot"),
            text_encoder=text_encoder,
            library=library,
            encoder=encoder,
            sound_encoder=sound_encoder,
            runtime=runtime,
            device=device,
            as_json=as_json,
        )
        return
    groups = chosen_groups(labels or [], group or [])
    with (
        open_or_temporary_engine(
            library=library, encoder=encoder, runtime=runtime, device=device
        ) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        if _is_still(film):
            from app.pictures import read_picture

            items = engine.classify(image=read_picture(Path(film)), groups=groups)
        else:
            items = engine.classify(
                film, groups=groups, per=per, progress=progress, should_stop=should_stop
            )
        if annotations:
            print_json(_annotations(engine, items, film))
            return
    if as_json:
        print_json(_json(items))
    else:
        _print(items)


def chosen_groups(labels: Sequence[str], names: Sequence[str]) -> list["LabelGroup"] | None:
    """Read what `--labels` and `--group` name; None means all groups that ship.

    Raises:
        InvalidInputError: Bad labels, or a group that does not ship.
    """
    from retrieval.errors import InvalidInputError
    from retrieval.labels import builtin_groups, load_label_file, parse_labels

    known = {group.name: group for group in builtin_groups()} if names else {}
    for name in names:
        if name not in known:
            raise InvalidInputError(f"got group {name!r}, known groups: {', '.join(known)}")
    groups = [known[name] for name in names]
    for number, value in enumerate(labels, start=1):
        if Path(value).is_file():
            groups.extend(load_label_file(Path(value)))
        else:
            groups.append(parse_labels(value, name="labels" if number == 1 else f"labels{number}"))
    return groups or None


def _is_still(film: str) -> bool:
    return film.lower().endswith(STILLS) and Path(film).is_file()


def _annotations(
    engine: "Engine", items: Sequence["Classification"], film: str
) -> list[dict[str, Any]]:
    return engine.annotations(items, source=None if _is_still(film) else film)


def _json(items: Sequence["Classification"]) -> list[dict[str, Any]]:
    from app.schemas import ClassificationView

    return [ClassificationView.of(item).model_dump(mode="json") for item in items]


def _print(items: Sequence["Classification"]) -> None:
    if any(item.shot_number is not None for item in items):
        _print_shots(items)
    else:
        _print_bars(items)


def _print_shots(items: Sequence["Classification"]) -> None:
    """One row a shot, one column a group with its best label."""
    from app.cli.output import Heading, print_table
    from app.templating import clock

    groups = list(dict.fromkeys(item.group for item in items))
    shots: dict[int | None, dict[str, Classification]] = {}
    for item in items:
        shots.setdefault(item.shot_number, {})[item.group] = item
    rows = []
    for number, row in shots.items():
        segment = next(iter(row.values())).segment
        cells = [_best(row[group]) if group in row else "" for group in groups]
        rows.append((str(number), clock(segment.start_seconds), *cells))
    headings: list[Heading] = [("Shot", "right"), ("From", "right")]
    print_table([*headings, *((group, "fold") for group in groups)], rows)


def _best(item: "Classification") -> str:
    return f"{item.best.label} {100 * item.best.score:.0f}\N{NO-BREAK SPACE}%"


def _print_bars(items: Sequence["Classification"]) -> None:
    """All labels of each group with their shares."""
    from app.cli.output import print_table

    for item in items:
        rows = [
            (one.label, f"{100 * one.score:5.1f} %", "█" * round(BAR_WIDTH * one.score))
            for one in item.scores
        ]
        print_table([(item.group, "fold"), ("Share", "right"), ("", "fold")], rows)
