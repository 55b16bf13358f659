"""`sceneprint teach`: a classifier of one's own from labelled shots, and how it is used."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    Device,
    DeviceOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    open_engine,
)

if TYPE_CHECKING:
    from retrieval.teach import Lesson, TaughtShot

__all__ = ["classify_with", "teach"]


def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the adapter.")],
    group: Annotated[str, typer.Option("--group", metavar="GROUP", help="The group of labels.")],
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="METHOD", help="How it learns.", show_default="blended-probe"
        ),
    ] = None,
    error_rate: Annotated[
        float, typer.Option("--error-rate", metavar="RATE", help="At which it says unsure.")
    ] = 0.1,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn the classes of a label group from its labelled shots.

    A name that is there gets a new version; classify --adapter NAME takes the newest.

    Example: sceneprint teach mine --group light
    """
    from app.cli.output import print_json

    options = {"error_rate": error_rate} | ({"adapter": method} if method else {})
    with open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine:
        lesson = engine.teach(name, group, **options)
    if as_json:
        print_json({**asdict(lesson), "folder": str(lesson.folder)})
    else:
        _print_lesson(lesson)


def classify_with(
    adapter: str,
    film: str,
    *,
    given: bool,
    library: Path | None,
    encoder: str | None,
    runtime: str | None,
    device: Device | None,
    as_json: bool,
) -> None:
    """Run `classify --adapter`; `given` says whether options came that only words understand."""
    from app.cli.output import print_json
    from retrieval.errors import InvalidInputError

    if given:
        raise InvalidInputError(
            "got --adapter with --labels, --group, --annotations or --per; an adapter has its own "
            "classes and answers per shot"
        )
    with open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine:
        shots = engine.apply_adapter(adapter, film)
    if as_json:
        print_json([asdict(shot) for shot in shots])
    else:
        _print_shots(shots)


def _print_lesson(lesson: "Lesson") -> None:
    from app.cli.output import print_table

    print_table(
        [("Class", "fold"), ("Shots", "right")],
        [(name, str(count)) for name, count in lesson.num_shots.items()],
    )
    right = 100 * lesson.figures["cross_fitted_accuracy"]
    print(f"{lesson.name}/{lesson.version}: {right:.0f} % of the shots right when not learned from")
    if not lesson.can_be_sure:
        print("Too few shots to be sure of anything at this rate of error: it gives shares alone.")


def _print_shots(shots: "list[TaughtShot]") -> None:
    from app.cli.output import print_table
    from app.templating import clock

    rows = [
        (
            str(shot.shot_number),
            clock(shot.segment.start_seconds),
            "unsure" if shot.labels is None else ", ".join(shot.labels) or "none",
            f"{shot.scores[0].label} {100 * shot.scores[0].score:.0f}\N{NO-BREAK SPACE}%",
            shot.examples[0],
        )
        for shot in shots
    ]
    print_table(
        [
            ("Shot", "right"),
            ("From", "right"),
            ("Answer", "fold"),
            ("Best", "fold"),
            ("Most like", "fold"),
        ],
        rows,
    )
