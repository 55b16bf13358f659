"""`sceneprint eval classify`: how well a library's own label group is learned."""

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
    from eval.classify_labels import LabelEvaluation

__all__ = ["eval_classify"]


def eval_classify(
    labels: Annotated[str, typer.Option("--labels", metavar="GROUP", help="A group of labels.")],
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="NAME", help="The method.", show_default="blended-probe"),
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, max=50, help="At most.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write an HTML page with pictures."),
    ] = None,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what is learned from your own labels.

    Example: sceneprint eval classify --labels light --out light.html
    """
    from adapters.few_shot import DEFAULT_ADAPTER
    from app.classify_report import classify_report
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import note, print_json
    from app.cli.progress import shown_progress
    from app.files import check_writable, write_whole
    from eval.classify_labels import evaluate_labels

    if out is not None:
        check_writable(out)
    with (
        open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        found = evaluate_labels(
            labels,
            catalog=engine.catalog,
            encoder=engine.encoder,
            adapter=adapter or DEFAULT_ADAPTER,
            num_folds=folds,
            progress=progress,
            should_stop=should_stop,
        )
        page = classify_report(found, engine.catalog) if out is not None else None
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    if out is not None and page is not None:
        note(f"wrote {write_whole(out, page)}")


def _print(found: "LabelEvaluation") -> None:
    from app.classify_report import FIGURE_NAMES, figure_text
    from app.cli.output import Heading, print_table

    keys = [key for key in FIGURE_NAMES if key in found.figures[found.adapter]]
    headings: list[Heading] = [("Adapter", "fold")]
    headings += [(FIGURE_NAMES[key], "right") for key in keys]
    print_table(
        headings,
        [(name, *(figure_text(row[key]) for key in keys)) for name, row in found.figures.items()],
    )
    print_table(
        [("Class", "fold"), ("Shots", "right"), ("Films", "right"), ("F1", "right")],
        [(one.name, str(one.num_shots), str(one.num_films), figure_text(one.f1))
         for one in found.classes],
    )  # fmt: skip
    if found.curve:
        print_table(
            [("Shots a class", "right"), ("Adapter", "fold"), ("Score", "right")],
            [
                (str(one.num_shots), one.adapter, f"{one.mean:.3f} ± {one.half_width:.3f}")
                for one in found.curve
            ],
        )
    for line in found.notes:
        print(line)
