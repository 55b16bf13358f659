from pathlib import Path
from typing import Any, cast

import pytest

from app.matching import Asked, Suspect, match_files
from retrieval.engine import Engine
from retrieval.errors import CatalogBusyError, MediaError, OperationCancelled
from retrieval.types import MatchResult


class _Engine:
    """Raises what is due for a file's name, and finds nothing in others."""

    def __init__(self, **errors: Exception) -> None:
        self._errors = errors

    def match(self, query: Path, **_: Any) -> MatchResult:
        if query.name in self._errors:
            raise self._errors[query.name]
        return MatchResult(query, 1.0, ())


def _outcomes(**errors: Exception) -> list[tuple[str | None, bool]]:
    suspects = [Suspect(Path(name), was_named=False) for name in ("first", "second", "third")]
    found = match_files(cast(Engine, _Engine(**errors)), suspects, Asked())
    return [(outcome.error, outcome.is_of_file) for outcome in found]


@pytest.mark.parametrize(
    ("error", "words", "is_of_file"),
    [
        (MediaError("unreadable"), "unreadable", True),
        (CatalogBusyError("busy"), "busy", False),
        (RuntimeError("bad shape"), "a fault of Sceneprint, RuntimeError: bad shape", False),
    ],
)
def test_an_error_later_on_keeps_what_was_found(
    error: Exception, words: str, is_of_file: bool
) -> None:
    assert _outcomes(second=error) == [(None, True), (words, is_of_file), (None, True)]


def test_what_concerns_all_files_ends_at_the_first() -> None:
    with pytest.raises(CatalogBusyError):
        _outcomes(first=CatalogBusyError("busy"))
    assert _outcomes(first=MediaError("unreadable"))[1:] == [(None, True), (None, True)]


def test_a_stop_ends_the_run() -> None:
    with pytest.raises(OperationCancelled):
        _outcomes(second=OperationCancelled("stopped"))
