"""`sceneprint eval few-shot`: adapters over a folder of classes, by the field's protocol."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from app.cli.options import DeviceOption, EncoderOption, JsonOption, RuntimeOption, chosen_device

__all__ = ["eval_few_shot"]


def eval_few_shot(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Pictures in folders named by their class."),
    ],
    shots: Annotated[
        str, typer.Option("--shots", metavar="N,N", help="Labelled pictures a class.")
    ] = "1,2,4,8,16",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Draws of the shots.")] = 5,
    first_seed: Annotated[
        int, typer.Option("--first-seed", min=0, help="The first of the seeds.")
    ] = 0,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            metavar="NAME",
            help="An adapter to measure; repeatable.",
            show_default="all",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="A label file: sentences for the classes."),
    ] = None,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label", help="A picture may lie in the folders of several classes."),
    ] = False,
    balance: Annotated[
        str,
        typer.Option("--balance", metavar="HOW", help="Rare classes: weights, sampling or smote."),
    ] = "weights",
    long_tail: Annotated[
        bool,
        typer.Option("--long-tail", help="Fewer and fewer shots a class, from the number to one."),
    ] = False,
    views: Annotated[
        int,
        typer.Option("--views", min=0, max=64, help="Cropped, mirrored, recoloured views a shot."),
    ] = 0,
    views_as: Annotated[
        str,
        typer.Option(
            "--views-as", metavar="HOW", help="mean: one example with its picture; add: one more."
        ),
    ] = "mean",
    error_rate: Annotated[
        float,
        typer.Option("--error-rate", metavar="RATE", help="At which to say unsure."),
    ] = 0.1,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep embeddings there.")
    ] = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn classes from 1 to 16 pictures each, with every adapter.

    Nothing is held out to tune on. DIR holds a folder for each class, or train and test with such
    folders. Words, linear probe and nearest neighbours are measured along.

    Example: sceneprint eval few-shot --data pictures --cache embeddings --seeds 10
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from app.settings import load_settings
    from eval.few_shot import evaluate_few_shot
    from retrieval.encoders import load_encoder

    numbers = _numbers(shots)
    settings = load_settings()
    loaded = load_encoder(
        encoder or settings.encoder,
        runtime=runtime or settings.runtime,
        device=chosen_device(device),
    )
    with stop_on_interrupt() as should_stop, shown_progress() as progress:
        report = evaluate_few_shot(
            loaded,
            data,
            num_shots=numbers,
            num_seeds=seeds,
            first_seed=first_seed,
            adapters=adapter or None,
            labels=labels,
            multi_label=multi_label,
            balance=cast(Any, balance),  # checked by what is called
            long_tail=long_tail,
            num_views=views,
            views_as=cast(Any, views_as),
            error_rate=error_rate,
            cache=cache,
            progress=progress,
            should_stop=should_stop,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.text())


def _numbers(text: str) -> list[int]:
    from retrieval.errors import InvalidInputError

    try:
        return [int(piece) for piece in text.split(",")]
    except ValueError as exc:
        raise InvalidInputError(f"got shots {text!r}, expected numbers like 1,2,4,8,16") from exc
