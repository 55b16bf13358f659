"""`sceneprint threshold`: how sure a match of one film must be."""

from typing import Annotated

import typer

from app.cli.options import JsonOption, LibraryOption, open_engine

__all__ = ["threshold"]


def threshold(
    video: Annotated[
        str,
        typer.Argument(metavar="VIDEO", help="A film: id, start of an id, path or file name."),
    ],
    score: Annotated[
        float | None,
        typer.Argument(metavar="[SCORE]", min=0.0, max=1.0, help="Least probability, 0 to 1."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Go back to what the match asks for.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the least probability at which copies of a film are told.

    It takes the place of --min-score for this film: higher where it is often found
    by chance, lower where none must be missed. Without SCORE it is shown.

    Example: sceneprint threshold bikes.mp4 0.8
    """
    from app.cli.library import video_json
    from app.cli.output import print_json
    from retrieval.errors import InvalidInputError

    if clear and score is not None:
        raise InvalidInputError(f"got the score {score:g} and --clear, expected one of them")
    with open_engine(library=library) as engine:
        found = engine.video(video)
        if clear or score is not None:
            engine.catalog.set_match_threshold(found.video_id, score)
            found = engine.video(found.video_id)
    if as_json:
        print_json(video_json(found))
    elif found.match_threshold is None:
        print(f"{found.name}: no threshold of its own")
    else:
        print(f"{found.name}: told from a probability of {found.match_threshold:g}")
