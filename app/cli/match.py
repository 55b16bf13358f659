"""`sceneprint match`: copied segments of the library's films in other films."""

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
    from app.matching import Asked, Outcome
    from retrieval.types import Match

__all__ = [
    "BankOption",
    "MinScoreOption",
    "MinSecondsOption",
    "NoBanksOption",
    "VideoOption",
    "asked",
    "match",
    "match_json",
]

COPIES_FOUND = 4
"""Exit code of `--fail-on-match`."""

MinScoreOption = Annotated[
    float, typer.Option("--min-score", min=0.0, max=1.0, help="Leave out less probable matches.")
]
MinSecondsOption = Annotated[
    float, typer.Option("--min-seconds", min=0.0, help="Leave out shorter matches.")
]
VideoOption = Annotated[
    str | None,
    typer.Option("--video", metavar="VIDEO", help="Only copies of this film of the library."),
]
BankOption = Annotated[
    list[str] | None,
    typer.Option("--bank", metavar="NAME", help="Consult only this bank of known non-matches."),
]
NoBanksOption = Annotated[bool, typer.Option("--no-banks", help="Consult no bank.")]


def match(
    suspects: Annotated[
        list[Path], typer.Argument(metavar="SUSPECT…", help="Films and folders to look through.")
    ],
    min_score: MinScoreOption = 0.5,
    min_seconds: MinSecondsOption = 2.0,
    video: VideoOption = None,
    bank: BankOption = None,
    no_banks: NoBanksOption = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="DIR|FILE.html",
            help="Write an evidence report: a page for each suspect with matches, or one.",
        ),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the matches as VSC 2022 reads them."),
    ] = None,
    fail_on_match: Annotated[
        bool, typer.Option("--fail-on-match", help="Exit with 4 when copies are found.")
    ] = False,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find footage of the library in other films.

    Each match is aligned on both sides, with the probability that it is a copy, how
    fast it plays, what agrees and what was done to it.

    Example: sceneprint match suspect.mp4 ~/downloads --report evidence.html
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import print_json
    from app.cli.progress import shown_progress
    from app.files import check_writable
    from app.matching import is_page, match_files, suspects_in, write_reports

    if report is not None:
        check_writable(report, is_folder=not is_page(report))
    if csv_file is not None:
        check_writable(csv_file)
    wanted = asked(min_score, min_seconds, video, bank, no_banks)
    with (
        open_engine(library=library, encoder=encoder, runtime=runtime, device=device) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        files = suspects_in(suspects, library=engine.library)
        outcomes = match_files(engine, files, wanted, progress=progress, should_stop=should_stop)
        pages = []
        if report is not None:
            pages = write_reports(
                engine, outcomes, report, wanted, progress=progress, should_stop=should_stop
            )
    if csv_file is not None:
        _write_csv(csv_file, outcomes)
    if as_json:
        print_json([outcome_json(item) for item in outcomes])
    else:
        _print_outcomes(outcomes, pages)
    raise typer.Exit(_exit_code(outcomes, fail_on_match=fail_on_match))


def asked(
    min_score: float, min_seconds: float, video: str | None, bank: list[str] | None, no_banks: bool
) -> "Asked":
    """The options of a match as one value.

    Raises:
        InvalidInputError: `--bank` and `--no-banks` together.
    """
    from app.matching import Asked
    from retrieval.errors import InvalidInputError

    if bank and no_banks:
        raise InvalidInputError("got --bank and --no-banks, expected one of them or none")
    banks = () if no_banks else tuple(bank) if bank else None
    return Asked(min_score, min_seconds, video, banks)


def match_json(item: "Match") -> dict[str, Any]:
    """A match for `--json`: as over HTTP, with the paths of both films in place of the link."""
    from app.schemas_match import MatchView

    view = MatchView.of(item).model_dump(mode="json", exclude={"reference_clip_url"})
    return {
        **view,
        "query_path": str(item.query_path),
        "video_path": str(item.ref_video.path),
    }


def outcome_json(outcome: "Outcome") -> dict[str, Any]:
    """A suspect for `--json`: as over HTTP, with its path, and why it could not be read."""
    from app.schemas_match import MatchResult

    result = outcome.result
    head = {"query_path": str(outcome.path), "error": outcome.error}
    if result is None:
        return {**head, "query_seconds": 0.0, "matches": [], "unreadable": [], "notes": []}
    view = MatchResult.of(result).model_dump(mode="json", exclude={"matches", "report_url"})
    return {**head, **view, "matches": [match_json(item) for item in result.matches]}


def _exit_code(outcomes: list["Outcome"], *, fail_on_match: bool) -> int:
    from app.problems import USER_ERROR

    if any(outcome.matches for outcome in outcomes) and fail_on_match:
        return COPIES_FOUND
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    return USER_ERROR if any(item.was_named or not item.is_of_file for item in failed) else 0


def _write_csv(path: Path, outcomes: list["Outcome"]) -> None:
    from app.files import write_whole
    from app.match_formats import vsc_csv

    write_whole(path, vsc_csv(match for outcome in outcomes for match in outcome.matches))


def _print_outcomes(outcomes: list["Outcome"], pages: list[Path]) -> None:
    from app.cli.output import note

    for outcome in outcomes:
        _print_outcome(outcome, titled=len(outcomes) > 1)
    if len(outcomes) > 1:
        with_matches = sum(bool(outcome.matches) for outcome in outcomes)
        print(f"{len(outcomes)} films looked through, copies in {with_matches}")
    for page in pages:
        note(f"report: {page}")


def _print_outcome(outcome: "Outcome", *, titled: bool) -> None:
    from retrieval.types import readable

    name = readable(outcome.path.name)
    if outcome.error is not None:
        print(f"{name}: not looked through: {readable(outcome.error)}")
        return
    if outcome.matches:
        _print_matches(list(outcome.matches), title=name if titled else None)
    else:
        print(f"{name}: no copied footage found" if titled else "no copied footage found")
    for line in outcome.remarks:
        print(f"note: {readable(line)}")


def _print_matches(matches: list["Match"], *, title: str | None) -> None:
    from app.cli.output import print_table

    print_table(
        [
            ("Score", "right"),
            ("In the suspect", "left"),
            ("Copied from", "fold"),
            ("Where", "left"),
            ("Speed", "right"),
            ("What was seen", "fold"),
        ],
        [_row(item) for item in matches],
        title=title,
    )
    rates = [item.false_matches_per_hour for item in matches]
    measured = [rate for rate in rates if rate is not None]
    if measured:
        from app.match_words import false_rate_words

        print(f"the least sure: {false_rate_words(max(measured))}")


def _row(item: "Match") -> tuple[str, ...]:
    from app.cli.output import range_text
    from app.match_words import agreement_words, edit_words, score_words, speed_words
    from app.templating import clock

    query, ref = item.query_segment, item.ref_segment
    return (
        score_words(item.score),
        range_text(clock(query.start_seconds), clock(query.end_seconds)),
        item.ref_video.name,
        range_text(clock(ref.start_seconds), clock(ref.end_seconds)),
        speed_words(item),
        "; ".join([agreement_words(item), *edit_words(item.edit)]),
    )
