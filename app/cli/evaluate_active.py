"""`sceneprint eval active`: how many labels the order of the Label tab saves."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import DeviceOption, EncoderOption, JsonOption, RuntimeOption, chosen_device

__all__ = ["eval_active"]


def eval_active(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Pictures in folders named by their class."),
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Draws of pool and test.")] = 5,
    first_seed: Annotated[
        int, typer.Option("--first-seed", min=0, help="The first of the seeds.")
    ] = 0,
    step: Annotated[int, typer.Option("--step", min=1, help="Labels between two lessons.")] = 8,
    labels: Annotated[int, typer.Option("--labels", min=1, help="Labels in all.")] = 96,
    rare: Annotated[
        float,
        typer.Option("--rare", metavar="SHARE", help="What every second class keeps in the pool."),
    ] = 1.0,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            metavar="PERCENT",
            help="Accuracy whose labels are counted.",
            show_default="what random reaches",
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter", metavar="NAME", help="What learns.", show_default="blended-probe"
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep embeddings there.")
    ] = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate labelling: least certain first against random.

    The same pools, tests and adapter for all orders; the test is never labelled. DIR holds a folder
    for each class, or train and test with such folders.

    Example: sceneprint eval active --data pictures --cache embeddings
    """
    from adapters.few_shot import DEFAULT_ADAPTER
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from app.settings import load_settings
    from eval.active import ActiveOptions, evaluate_active
    from retrieval.encoders import load_encoder

    options = ActiveOptions(
        num_seeds=seeds,
        first_seed=first_seed,
        per_step=step,
        max_labels=labels,
        adapter=adapter or DEFAULT_ADAPTER,
        rare=rare,
        target=target,
    )
    settings = load_settings()
    loaded = load_encoder(
        encoder or settings.encoder,
        runtime=runtime or settings.runtime,
        device=chosen_device(device),
    )
    with stop_on_interrupt() as should_stop, shown_progress() as progress:
        table = evaluate_active(
            loaded, data, options=options, cache=cache, progress=progress, should_stop=should_stop
        )
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.text())
