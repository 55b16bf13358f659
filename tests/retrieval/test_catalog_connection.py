import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_schema import SCHEMA_VERSION
from retrieval.errors import (
    CatalogBusyError,
    CatalogError,
    CatalogVersionError,
    InvalidInputError,
    NotFoundError,
)
from tests.retrieval.catalog_records import make_record

NAME = "catalog.sqlite3"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        catalog.add_video(make_record("a", num_shots=40))
    return tmp_path / "library"


def run_sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_missing_library_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="sceneprint ingest PATH --library"):
        Catalog.open(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_directory_without_catalog(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Catalog.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_creation_that_was_killed_goes_on(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    with pytest.raises(NotFoundError, match="no library yet"):
        Catalog.open(tmp_path)
    with Catalog.open(tmp_path, create=True) as catalog:
        assert catalog.videos() == []


def test_create_keeps_what_is_there(library: Path) -> None:
    with Catalog.open(library, create=True) as catalog:
        assert len(catalog.videos()) == 1


def test_library_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(CatalogError, match="expected the directory"):
        Catalog.open(tmp_path / "film.mp4")
    with pytest.raises(CatalogError, match="cannot make the library directory"):
        Catalog.open(tmp_path / "film.mp4", create=True)


def test_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    library = tmp_path / "50% of it? #1 mode=ro&x é 中"
    with Catalog.open(library, create=True) as catalog:
        catalog.add_video(make_record())
    assert (library / NAME).stat().st_size > 0


def test_newer_version_is_refused(library: Path) -> None:
    run_sql(library / NAME, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CatalogVersionError, match=f"version {SCHEMA_VERSION + 1}.*upgrade"):
        Catalog.open(library)


def test_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    run_sql(tmp_path / NAME, "CREATE TABLE bookmarks (url TEXT)")
    before = (tmp_path / NAME).read_bytes()
    for create in (False, True):
        with pytest.raises(CatalogError, match="another program"):
            Catalog.open(tmp_path, create=create)
    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_no_database_at_all(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"this is a text file, long enough to be read\n" * 50)
    for create in (False, True):
        with pytest.raises(CatalogError, match="damaged or is not a catalog"):
            Catalog.open(tmp_path, create=create)


def read_all(library: Path) -> None:
    with Catalog.open(library) as catalog:
        catalog.videos()
        catalog.shots("va")
        catalog.thumbnail(30)
        catalog.search_subtitles("line", limit=3)
        assert catalog.problems() == []


@pytest.mark.parametrize("kept", [0.5, 0.05])
def test_truncated_catalog_gives_advice(library: Path, kept: float) -> None:
    content = (library / NAME).read_bytes()
    (library / NAME).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CatalogError, match="ingest the films again"):
        read_all(library)


def test_overwritten_pages_are_found(library: Path) -> None:
    content = bytearray((library / NAME).read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (library / NAME).write_bytes(content)
    with pytest.raises(CatalogError, match="damaged"), Catalog.open(library) as catalog:
        catalog.videos()


def test_vectors_of_the_wrong_size_are_found(library: Path) -> None:
    run_sql(library / NAME, "UPDATE shot_vectors SET vectors = x'00'")
    with Catalog.open(library) as catalog:
        encoder = catalog.encoder()
        assert encoder is not None
        with pytest.raises(CatalogError, match="wrong size"):
            catalog.shot_vectors(encoder)


@pytest.fixture
def without_root() -> Iterator[Path]:
    """A directory of another user, seen with that user's rights where we are root."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        is_root = os.geteuid() == 0
        with Catalog.open(directory / "library", create=True) as catalog:
            catalog.add_video(make_record())
        if is_root:
            for path in (directory, directory / "library", *(directory / "library").iterdir()):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        try:
            yield directory / "library"
        finally:
            if is_root:
                os.seteuid(0)
            (directory / "library").chmod(0o755)


@pytest.mark.parametrize("place", [".", NAME])
def test_read_only_library_is_refused(without_root: Path, place: str) -> None:
    (without_root / place).chmod(0o500)
    with pytest.raises(CatalogError, match="change the permissions or copy"):
        Catalog.open(without_root)


def test_full_disk_keeps_what_was_there(library: Path) -> None:
    with Catalog.open(library) as catalog:
        with catalog._pool.writer() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(CatalogError, match="free some disk space"):
            catalog.add_video(make_record("big", num_shots=2000))
        connection.execute("PRAGMA max_page_count = 1000000")
        assert [video.video_id for video in catalog.videos()] == ["va"]
        assert catalog.problems() == []
        catalog.add_video(make_record("big", num_shots=2000))


def test_foreign_writer_makes_it_busy(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.catalog_connection.BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(library / NAME, isolation_level=None)
    with Catalog.open(library) as catalog:
        other.execute("BEGIN IMMEDIATE")  # as the sqlite3 shell would, without our lock
        with pytest.raises(CatalogBusyError, match="locked by another process"):
            catalog.add_video(make_record("b"))
        assert len(catalog.videos()) == 1
        other.execute("ROLLBACK")
        catalog.add_video(make_record("b"))
    other.close()


def test_error_inside_a_write_undoes_it(library: Path) -> None:
    with Catalog.open(library) as catalog:
        before = catalog.generation()
        with pytest.raises(KeyboardInterrupt):
            _interrupted(catalog)
        assert len(catalog.videos()) == 1
        assert catalog.generation() == before


def _interrupted(catalog: Catalog) -> None:
    with catalog._transaction() as (connection, _):
        connection.execute("DELETE FROM videos")
        raise KeyboardInterrupt


def test_invalid_text_is_a_mistake_of_the_caller(library: Path) -> None:
    with Catalog.open(library) as catalog, pytest.raises(InvalidInputError):
        catalog.remove_video("\ud800")
