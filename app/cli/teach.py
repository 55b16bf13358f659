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
    from retrieval.encoders.base import TextEncoder
    from retrieval.teach import Lesson, TaughtShot

__all__ = ["TextEncoderOption", "classify_with", "teach"]

TextEncoderOption = Annotated[
    str | None,
    typer.Option(
        "--text-encoder",
        metavar="NAME",
        help="What reads subtitles, such as sentence-transformers:NAME.",
        show_default="the library's",
    ),
]


def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the adapter.")],
    group: Annotated[str, typer.Option("--group", metavar="GROUP", help="The group of labels.")],
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="METHOD", help="How it learns.", show_default="blended-probe"
        ),
    ] = None,
    modalities: Annotated[
        str | None,
        typer.Option(
            "--modalities",
            metavar="NAMES",
            help="Some of picture,sound,text.",
            show_default="all that the labelled shots have",
        ),
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option("--fusion", metavar="NAME", help="How they are joined.", show_default="early"),
    ] = None,
    balance: Annotated[
        str,
        typer.Option(
            "--balance",
            metavar="HOW",
            help="Rare classes: weights; of pictures alone also sampling or smote.",
        ),
    ] = "weights",
    error_rate: Annotated[
        float, typer.Option("--error-rate", metavar="RATE", help="At which it says unsure.")
    ] = 0.1,
    text_encoder: TextEncoderOption = None,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn the classes of a label group from its labelled shots.

    It learns from pictures, and from sound and subtitles where the shots have them. A name that is
    there gets a new version; classify --adapter NAME takes the newest.

    Example: sceneprint teach mine --group light
    """
    from app.cli.output import print_json

    names = None if modalities is None else [one.strip() for one in modalities.split(",")]
    with open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine:
        lesson = engine.teach(
            name,
            group,
            adapter=method,
            error_rate=error_rate,
            modalities=names,
            fusion=fusion,
            balance=balance,
            text_encoder=_text_encoder(text_encoder, device),
        )
    if as_json:
        print_json({**asdict(lesson), "folder": str(lesson.folder)})
    else:
        _print_lesson(lesson)


def classify_with(
    adapter: str,
    film: str,
    *,
    given: bool,
    text_encoder: str | None,
    library: Path | None,
    encoder: str | None,
    sound_encoder: str | None,
    runtime: str | None,
    device: Device | None,
    as_json: bool,
) -> None:
    """Run `classify --adapter`; `given` says whether options came that only words understand."""
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from retrieval.errors import InvalidInputError

    if given:
        raise InvalidInputError(
            "got --adapter with --labels, --group, --annotations or --per; an adapter has its own "
            "classes and answers per shot"
        )
    with (
        open_engine(
            library=library,
            encoder=encoder,
            sound_encoder=sound_encoder,
            runtime=runtime,
            device=device,
        ) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        shots = engine.apply_adapter(
            adapter,
            film,
            text_encoder=_text_encoder(text_encoder, device),
            progress=progress,
            should_stop=should_stop,
        )
    if as_json:
        print_json([asdict(shot) for shot in shots])
    else:
        _print_shots(shots)


def _text_encoder(name: str | None, device: Device | None) -> "TextEncoder | None":
    """What is named; None for the library's own."""
    if name is None:
        return None
    from retrieval.encoders.registry import load_text_encoder

    return load_text_encoder(name, device=device or "cpu")


def _print_lesson(lesson: "Lesson") -> None:
    from app.cli.output import print_table

    print_table(
        [("Class", "fold"), ("Shots", "right")],
        [(name, str(count)) for name, count in lesson.num_shots.items()],
    )
    right = 100 * lesson.figures["cross_fitted_accuracy"]
    print(f"{lesson.name}/{lesson.version}: {right:.0f} % of the shots right when not learned from")
    if len(lesson.modalities) > 1:
        alone = [
            f"{name} {100 * lesson.figures[key]:.0f} % of {lesson.figures[f'num_shots_{name}']:.0f}"
            for name in lesson.modalities
            if (key := f"cross_fitted_accuracy_{name}") in lesson.figures
        ]
        print(f"By one of them alone: {', '.join(alone)}")
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
            _decided(shot),
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
            ("Decided by", "fold"),
            ("Most like", "fold"),
        ],
        rows,
    )


def _decided(shot: "TaughtShot") -> str:
    """Which modalities speak for the best class, the strongest first."""
    shares = sorted(shot.decided.items(), key=lambda one: -one[1])
    shown = [
        f"{name} {100 * share:.0f}\N{NO-BREAK SPACE}%" for name, share in shares if share >= 0.005
    ]
    return ", ".join(shown) or "nothing"
