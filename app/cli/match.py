"""`sceneprint match`: copied segments of the library's films in another film."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from retrieval.types import Match

__all__ = ["match", "match_json"]


def match(
    suspect: Annotated[Path, typer.Argument(metavar="FILM", help="The film to look through.")],
    min_score: Annotated[
        float, typer.Option("--min-score", min=0.0, max=1.0, help="Leave out weaker matches.")
    ] = 0.5,
    min_seconds: Annotated[
        float, typer.Option("--min-seconds", min=0.0, help="Leave out shorter matches.")
    ] = 2.0,
    video: Annotated[
        str | None,
        typer.Option("--video", metavar="VIDEO", help="Only copies of this film of the library."),
    ] = None,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find footage of the library in another film.

    Each match is aligned on both sides. Speed is how much faster the copy plays than its source.

    Example: sceneprint match suspect.mp4 --min-seconds 5
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress

    with (
        open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        result = engine.match(
            suspect,
            min_score=min_score,
            min_seconds=min_seconds,
            video=video,
            progress=progress,
            should_stop=should_stop,
        )
    if as_json:
        print_json([match_json(item) for item in result.matches])
    else:
        _print_matches(list(result.matches))


def match_json(item: "Match") -> dict[str, Any]:
    """A match for `--json`: as over HTTP, with the paths of both films in place of the link."""
    from app.schemas import MatchView

    view = MatchView.of(item).model_dump(mode="json", exclude={"reference_clip_url"})
    return {
        **view,
        "query_path": str(item.query_path),
        "video_path": str(item.ref_video.path),
    }


def _print_matches(matches: list["Match"]) -> None:
    from app.cli.output import print_table, range_text
    from app.templating import clock

    if not matches:
        print("no copied footage found")
        return
    rows = [
        (
            f"{item.score:.2f}",
            range_text(
                clock(item.query_segment.start_seconds), clock(item.query_segment.end_seconds)
            ),
            item.ref_video.name,
            range_text(clock(item.ref_segment.start_seconds), clock(item.ref_segment.end_seconds)),
            f"{item.speed_ratio:.2f} ×",
        )
        for item in matches
    ]
    print_table(
        [
            ("Score", "right"),
            ("In the suspect", "left"),
            ("Copied from", "fold"),
            ("Where", "left"),
            ("Speed", "right"),
        ],
        rows,
    )
