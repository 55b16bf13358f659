"""Banks of known non-matches: logos, intros, licensed clips that are no news when they are found.

A bank is a small library of its own at `LIBRARY/banks/NAME`. A match whose part of the query is
found in a bank as well is left out of a result, and counted in its notes.
"""

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval.catalog import CATALOG_NAME, Catalog
from retrieval.errors import CatalogError, InvalidInputError, NotFoundError
from retrieval.types import Match, MatchResult, Segment

__all__ = ["BankInfo", "bank_path", "chosen_banks", "list_banks", "remove_bank", "without_known"]

FOLDER = "banks"
_NAME = re.compile(r"\w[\w-]{0,63}")
MIN_COVERED = 0.5
"""Share of a match's part of the query that one bank must explain."""


@dataclass(frozen=True)
class BankInfo:
    """What a bank holds."""

    name: str
    num_videos: int
    hours: float


def bank_path(library: Path, name: str) -> Path:
    """Where the bank of this name is, or would be.

    Raises:
        InvalidInputError: The name is not one.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"got {name!r} as the name of a bank, expected up to 64 letters, digits, - and _"
        )
    return library / FOLDER / name


def list_banks(library: Path) -> list[BankInfo]:
    """The banks of a library, by name."""
    names = sorted(path.name for path in (library / FOLDER).glob("*") if path.is_dir())
    return [_describe(library / FOLDER / name) for name in names if _is_bank(library, name)]


def _is_bank(library: Path, name: str) -> bool:
    has_catalog = (library / FOLDER / name / CATALOG_NAME).is_file()
    return _NAME.fullmatch(name) is not None and has_catalog


def _describe(path: Path) -> BankInfo:
    with Catalog.open(path) as catalog:
        totals = catalog.totals()
    return BankInfo(path.name, totals.num_videos, totals.duration_seconds / 3600)


def chosen_banks(library: Path, names: Sequence[str] | None) -> list[str]:
    """The banks to consult: those that are named, or all of them for None.

    Raises:
        NotFoundError: There is no such bank.
    """
    known = [bank.name for bank in list_banks(library)]
    for name in names or ():
        if name not in known:
            raise _not_found(name, known)
    return known if names is None else list(dict.fromkeys(names))


def _not_found(name: str, known: Sequence[str]) -> NotFoundError:
    listed = ", ".join(known) or "none yet"
    return NotFoundError(
        f"there is no bank {name!r} (banks: {listed}); make it with `sceneprint bank add NAME PATH`"
    )


def remove_bank(library: Path, name: str) -> BankInfo:
    """Delete a bank; the files it was made from stay where they are.

    Raises:
        NotFoundError: There is no such bank.
        CatalogError: It cannot be deleted.
    """
    path = bank_path(library, name)
    chosen_banks(library, [name])
    info = _describe(path)
    try:
        shutil.rmtree(path)
    except OSError as exc:
        raise CatalogError(f"the bank {path} cannot be deleted: {exc.strerror}") from exc
    return info


def without_known(result: MatchResult, known: Mapping[str, Sequence[Match]]) -> MatchResult:
    """Leave out what banks explain, and say so in the notes.

    Args:
        result: Matches in the library.
        known: By bank, the matches of the same query in it.
    """
    kept, left_out = [], Counter[str]()
    for match in result.matches:
        name = next((one for one in known if _explains(known[one], match)), None)
        if name is None:
            kept.append(match)
        else:
            left_out[name] += 1
    notes = tuple(_note(name, count) for name, count in left_out.items())
    return replace(result, matches=tuple(kept), notes=(*result.notes, *notes))


def _note(name: str, count: int) -> str:
    matches = "1 match was" if count == 1 else f"{count} matches were"
    return f"{matches} left out: known from the bank {name}"


def _explains(known: Sequence[Match], match: Match) -> bool:
    """Whether a bank has all that agrees: known pictures do not excuse the sound over them."""
    return all(
        _covered(match, [item for item in known if modality in item.modalities]) >= MIN_COVERED
        for modality in match.modalities
    )


def _covered(match: Match, known: Sequence[Match]) -> float:
    """Share of the match's query segment that the segments of `known` cover together."""
    segment = match.query_segment
    if segment.duration_seconds <= 0:
        return float(any(item.query_segment == segment for item in known))
    covered, reached = 0.0, segment.start_seconds
    for other in sorted((item.query_segment for item in known), key=lambda one: one.start_seconds):
        start = max(reached, other.start_seconds)
        if other.end_seconds > start:
            covered += Segment(start, other.end_seconds).intersection_seconds(segment)
            reached = other.end_seconds
    return covered / segment.duration_seconds
