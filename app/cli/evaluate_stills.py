"""`sceneprint eval stills`: how often a still names its film and moment, and how often falsely."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, RuntimeOption, open_engine

__all__ = ["eval_stills"]


def eval_stills(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="A folder of films, or of attacks.")
    ],
    stills: Annotated[
        int, typer.Option("--stills", min=8, help="Stills of films that are there, and of others.")
    ] = 120,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the moments and edits.")] = 0,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Match frames of films, edited, with half of the films.

    Every other film goes into a passing library. Its stills must be found; stills of the others
    must not.

    Example: sceneprint eval stills --data attacks/test/reference
    """
    import tempfile

    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from eval.copy_stills import evaluate_stills, films_in

    films = films_in(data)
    with (
        tempfile.TemporaryDirectory(prefix="sceneprint-") as passing,
        open_engine(library=Path(passing) / "library", runtime=runtime, create=True) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        table = evaluate_stills(
            films,
            engine,
            folder=Path(passing),
            count=stills,
            seed=seed,
            progress=progress,
            should_stop=should_stop,
        )
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.text())
