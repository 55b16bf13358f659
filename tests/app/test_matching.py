from pathlib import Path
from typing import Any, cast

import pytest

from app.matching import Asked, Suspect, match_files
from retrieval.engine import Engine
from retrieval.errors import (
    CatalogBusyError,
    InvalidInputError,
    MediaError,
    NotFoundError,
    OperationCancelled,
)
from retrieval.types import MatchResult


class _Engine:
    """Raises what is due for a file's name, and finds nothing in others."""

    def __init__(self, **errors: Exception) -> None:
        self._errors = errors

    def match(self, query: Path, **_: Any) -> MatchResult:
        if query.name in self._errors:
            raise self._errors[query.name]
        return MatchResult(query, 1.0, ())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("first", "second", "third"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


@pytest.mark.usefixtures("folder")
def test_what_concerns_all_files_ends_at_the_first() -> None:
    with pytest.raises(CatalogBusyError):
        _outcomes(first=CatalogBusyError("busy"))
    assert _outcomes(first=MediaError("unreadable"))[1:] == [(None, True), (None, True)]


def test_a_stop_ends_the_run() -> None:
    with pytest.raises(OperationCancelled):
        _outcomes(second=OperationCancelled("stopped"))


@pytest.mark.parametrize("error", [RuntimeError("bad shape"), InvalidInputError("an odd file")])
def test_a_fault_at_the_first_ends_nothing(error: Exception) -> None:
    (words, is_of_file), *others = _outcomes(first=error)
    assert words is not None
    assert str(error) in words
    assert not is_of_file
    assert others == [(None, True), (None, True)]


def test_a_first_file_that_is_gone_is_its_own_outcome(folder: Path) -> None:
    (folder / "first").unlink()
    assert _outcomes(first=NotFoundError("no first"))[0][0] == "no first"
