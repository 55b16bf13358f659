"""`sceneprint eval fusion`: picture, sound and words together against each alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.options import DeviceOption, EncoderOption, JsonOption, RuntimeOption, open_engine

__all__ = ["eval_fusion"]


def eval_fusion(
    split: Annotated[
        Literal["dev", "test"], typer.Option("--split", help="dev to choose on, test to report.")
    ] = "dev",
    films: Annotated[int, typer.Option("--films", min=2, max=100, help="How many to make.")] = 12,
    shots: Annotated[
        int, typer.Option("--shots", min=1, help="Labelled shots a class to learn from.")
    ] = 4,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Draws of folds and shots.")] = 5,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Of films.")] = 4,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="METHOD",
            help="How each modality learns.",
            show_default="anchored-probe",
        ),
    ] = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn made scenes that no modality tells alone.

    The films are made, ingested and measured in one run: each modality, every way to join them,
    and what is left when one is missing. Nothing is kept.

    Example: sceneprint eval fusion --split test --shots 8
    """
    import tempfile

    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from eval.fusion import evaluate_fusion

    with (
        tempfile.TemporaryDirectory(prefix="sceneprint-") as passing,
        open_engine(
            library=Path(passing) / "library",
            encoder=encoder,
            runtime=runtime,
            device=device,
            create=True,
        ) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        report = evaluate_fusion(
            Path(passing) / "films",
            engine,
            split=split,
            num_films=films,
            num_shots=shots,
            num_seeds=seeds,
            num_folds=folds,
            few_shot=method,
            progress=progress,
            should_stop=should_stop,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.text())
