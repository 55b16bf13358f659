"""Several films at once, and what ends them all."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval import ingest as ingest_module
from retrieval.errors import CatalogError, OperationCancelled
from tests import films
from tests.retrieval.test_ingest import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    yield made
    made.catalog.close()


@pytest.fixture
def folder(tmp_path: Path, colour_film: films.Film) -> Path:
    """A folder with one film."""
    path = tmp_path / "films"
    path.mkdir()
    shutil.copy(colour_film.path, path / "colours.mp4")
    return path


def test_files_beside_each_other_give_what_one_after_the_other_gives(
    library: Library, folder: Path, made_film: films.Film, tmp_path: Path
) -> None:
    for name in ("made.mp4", "same.mp4"):
        shutil.copy(made_film.path, folder / name)
    (folder / "broken.mp4").write_bytes(b"no film")
    one = library.ingest(folder)
    other = Library(tmp_path / "other")
    beside = other.ingest(folder, at_once=3)
    assert sorted(item.status for item in beside.outcomes) == [
        "added",
        "added",
        "failed",
        "skipped",
    ]
    assert sorted(item.status for item in one.outcomes) == ["added", "added", "failed", "skipped"]
    assert other.catalog.totals() == library.catalog.totals()
    other.catalog.close()


def test_an_error_that_concerns_all_files_ends_those_beside_it(
    library: Library, folder: Path, made_film: films.Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(made_film.path, folder / "made.mp4")
    has_begun, has_ended = threading.Event(), threading.Event()

    def wait_or_fail(path: Path, *, should_stop: Any, **_: Any) -> Any:
        if path.name == "colours.mp4":
            assert has_begun.wait(30)
            raise CatalogError("the disk is full")
        has_begun.set()
        while not should_stop():
            time.sleep(0.01)
        has_ended.set()
        raise OperationCancelled("stopped")

    monkeypatch.setattr(ingest_module, "read_film", wait_or_fail)
    with pytest.raises(CatalogError, match="disk is full"):
        library.ingest(folder, at_once=2)
    assert has_ended.is_set()
    assert library.catalog.videos() == []
