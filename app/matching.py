"""Matching many files: each on its own, a bad one told and passed over, reports beside them.

The command line's `match` and `watch` stand on it.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.files import write_whole
from app.match_words import result_notes
from retrieval.engine import Engine
from retrieval.errors import (
    CatalogError,
    EncoderMismatchError,
    MediaError,
    MissingDependencyError,
    NotFoundError,
    OperationCancelled,
    SceneprintError,
)
from retrieval.ingest_scan import scan
from retrieval.types import Match, MatchResult, Progress, ProgressCallback

__all__ = [
    "Asked",
    "Outcome",
    "Suspect",
    "concerns_all",
    "is_page",
    "match_file",
    "match_files",
    "page_name",
    "suspects_in",
    "write_reports",
]

logger = logging.getLogger(__name__)

ShouldStop = Callable[[], bool]
OF_ALL_FILES = (CatalogError, EncoderMismatchError, MissingDependencyError, NotFoundError)
"""Errors that are nothing of one file: every other file would fail alike."""


@dataclass(frozen=True)
class Asked:
    """What counts as a match."""

    min_score: float = 0.5
    min_seconds: float = 2.0
    video: str | None = None
    banks: tuple[str, ...] | None = None
    """Banks of known non-matches to consult; None for all."""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The same for a person, to be kept with a report."""
        banks = "all" if self.banks is None else ", ".join(self.banks) or "none"
        return [
            ("Least probability", f"{100 * self.min_score:g} %"),
            ("Least length", f"{self.min_seconds:g} s"),
            ("Banks consulted", banks),
        ]


@dataclass(frozen=True)
class Suspect:
    """A file to look through."""

    path: Path
    was_named: bool
    """By itself, and not only its folder."""


@dataclass(frozen=True)
class Outcome:
    """What came of one suspect."""

    path: Path
    was_named: bool = True
    result: MatchResult | None = None
    error: str | None = None
    """Why it could not be looked through."""
    is_of_file: bool = True
    """Whether the file itself is the cause of the error, not the library or a fault."""

    @property
    def matches(self) -> tuple[Match, ...]:
        """What was found, best first."""
        return () if self.result is None else self.result.matches

    @property
    def remarks(self) -> list[str]:
        """What a person should know about the answer."""
        return [] if self.result is None else result_notes(self.result)


def suspects_in(paths: Sequence[Path], *, library: Path) -> list[Suspect]:
    """The files that are named, and the media files of the folders that are named.

    Raises:
        NotFoundError: A path does not exist, or the folders hold no media files.
    """
    named = {Path(os.path.abspath(path)) for path in paths}
    files = [Suspect(path, path in named) for path in scan(paths, library=library).files]
    if not files:
        given = ", ".join(map(str, paths))
        raise NotFoundError(f"got {given}, which holds no media files; name films to look through")
    return files


def match_files(
    engine: Engine,
    suspects: Sequence[Suspect],
    asked: Asked,
    *,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Outcome]:
    """Match one file after the other; a file that cannot be read does not end the rest.

    Raises:
        SceneprintError: What is wrong with the only file; of several, what concerns them all (an
            unknown video or bank, an empty library) where it shows at the first. Other errors end
            nothing, so what was found is kept.
        OperationCancelled: `should_stop` said so.
    """
    outcomes = []
    for number, suspect in enumerate(suspects, start=1):
        shown = _numbered(progress, number, len(suspects))
        try:
            outcomes.append(match_file(engine, suspect, asked, shown, should_stop))
        except OperationCancelled:
            raise
        except Exception as error:  # hours of earlier outcomes are not lost with one file
            if len(suspects) == 1 or (not outcomes and concerns_all(error, suspect.path)):
                raise
            is_of_file = isinstance(error, MediaError)
            outcomes.append(_failed(suspect, error, is_of_file=is_of_file))
    return outcomes


def concerns_all(error: Exception, file: Path) -> bool:
    """Whether every other file would fail alike, and not because this one is gone."""
    return isinstance(error, OF_ALL_FILES) and file.exists()


def _failed(suspect: Suspect, error: Exception, *, is_of_file: bool) -> Outcome:
    text = str(error)
    if not isinstance(error, SceneprintError):
        logger.error("a fault while matching %s", suspect.path, exc_info=error)
        text = f"a fault of Sceneprint, {type(error).__name__}: {error}"
    return Outcome(suspect.path, suspect.was_named, error=text, is_of_file=is_of_file)


def match_file(
    engine: Engine,
    suspect: Suspect,
    asked: Asked,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> Outcome:
    """Match one file.

    Raises:
        SceneprintError: See `Engine.match`.
    """
    result = engine.match(
        suspect.path,
        min_score=asked.min_score,
        min_seconds=asked.min_seconds,
        video=asked.video,
        banks=asked.banks,
        progress=progress,
        should_stop=should_stop,
    )
    return Outcome(suspect.path, suspect.was_named, result)


def _numbered(
    progress: ProgressCallback | None, number: int, total: int
) -> ProgressCallback | None:
    """Progress that says which file of how many it is about."""
    if progress is None or total == 1:
        return progress

    def report(given: Progress) -> None:
        progress(replace(given, item=f"{number}/{total} {given.item}"))

    return report


def write_reports(
    engine: Engine,
    outcomes: Sequence[Outcome],
    target: Path,
    asked: Asked,
    *,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Path]:
    """Write evidence reports: one page where `target` ends in `.html`, else a page a suspect.

    A suspect without matches has no page of its own, but is on the page of all.

    Returns:
        The pages that were written.
    """
    from app.match_report import match_report

    def write(path: Path, results: Sequence[MatchResult]) -> Path:
        page = match_report(
            engine, results, settings=asked.facts, progress=progress, should_stop=should_stop
        )
        return write_whole(path, page)

    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if is_page(target):
        return [write(target, results)]
    written: list[Path] = []
    for result in results:
        if result.matches:
            written.append(write(page_name(target, result.query_path, written), [result]))
    return written


def is_page(target: Path) -> bool:
    """Whether a report goes to one page of this name, and not to a folder of pages."""
    return target.suffix.lower() in (".html", ".htm")


def page_name(folder: Path, suspect: Path, taken: Sequence[Path] = ()) -> Path:
    """A page for a suspect, named after it; a number tells films of one name apart."""
    stem = suspect.name[:120]
    names = (f"{stem}.html", *(f"{stem} {number}.html" for number in range(2, 10_000)))
    return next(folder / name for name in names if folder / name not in taken)
