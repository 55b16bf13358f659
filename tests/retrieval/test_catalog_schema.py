import sqlite3
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION
from retrieval.catalog_sets import SetRow
from retrieval.errors import CatalogError
from retrieval.types import EncoderId
from tests.retrieval.catalog_records import ENCODER, make_record, make_vectors


def write_version_1(path: Path, *, frames_encoder: int = 1) -> None:
    """A catalog as version 1 left it: one film of two shots, with frames of its search encoder."""
    vectors = make_vectors(2, seed=5).astype("<f2").tobytes()
    connection = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO encoders VALUES (1, ?, ?, ?, 1)", (ENCODER.name, ENCODER.hash, ENCODER.dim)
    )
    connection.execute(
        """INSERT INTO videos VALUES ('vold', '/films/old.mp4', 1000, 5, 2.0, 'mp4', 64, 36, 0,
           '25', 'h264', NULL, NULL, 'fast', 2, 0, 0, '2026-01-02T03:04:05+00:00', '[]', 0)"""
    )
    for number in range(2):
        connection.execute(
            "INSERT INTO shots VALUES (?, 'vold', ?, ?, ?, 0, 1, 0.5, 0, 1)",
            (number + 1, number, float(number), number + 1.0),
        )
    connection.execute("INSERT INTO shot_vectors VALUES ('vold', 1, 1, 2, ?)", (vectors,))
    seconds = np.array([0.5, 1.5]).tobytes()
    connection.execute(
        "INSERT INTO frame_vectors VALUES ('vold', ?, 2, ?, ?)", (frames_encoder, seconds, vectors)
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_a_version_1_file_is_carried_forward(tmp_path: Path) -> None:
    write_version_1(tmp_path / "catalog.sqlite3")
    with Catalog.open(tmp_path) as catalog:
        (video,) = catalog.videos()
        assert (video.video_id, video.match_threshold) == ("vold", None)
        assert catalog.encoder() == ENCODER
        ids, vectors = catalog.shot_vectors(ENCODER)
        assert ids.tolist() == [1, 2]
        np.testing.assert_allclose(vectors, make_vectors(2, seed=5), atol=1e-3)
        # The frames were no copy descriptors.
        assert catalog.encoder("copy") is None
        assert catalog.frame_rows(ENCODER) == []
        assert catalog.videos_without_copies() == [video]
        assert catalog.problems() == []
        assert catalog.add_video(make_record("new")) == [3, 4, 5, 6]
        catalog.remove_video("vold")  # references work again
        assert catalog.shot_vectors(ENCODER)[0].tolist() == [3, 4, 5, 6]
        assert catalog.problems() == []
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_a_migration_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.sqlite3"
    write_version_1(path)
    broken = (MIGRATIONS[0], (*MIGRATIONS[1][:4], "SELECT 1 FROM nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr("retrieval.catalog_schema.MIGRATIONS", broken)
        with pytest.raises(CatalogError, match="nowhere"):
            Catalog.open(tmp_path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT num_vectors FROM frame_vectors").fetchone() == (2,)
    connection.close()


def test_rows_that_belong_to_nothing_are_not_carried_forward(tmp_path: Path) -> None:
    write_version_1(tmp_path / "catalog.sqlite3")
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    connection.execute("INSERT INTO thumbnails VALUES (77, x'00')")  # references are off by default
    connection.commit()
    connection.close()
    with pytest.raises(CatalogError, match="belong to nothing"):
        Catalog.open(tmp_path)


def test_a_version_4_file_keeps_its_vectors_and_takes_a_second_set(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    write_version_1(path)
    connection = sqlite3.connect(path, isolation_level=None)
    for statements in MIGRATIONS[1:4]:
        for statement in statements:
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 4")
    connection.close()
    other = EncoderId("fake:catalog/other", "ff", 3)
    with Catalog.open(tmp_path) as catalog:
        assert catalog.problems() == []
        catalog.add_to_set(other, SetRow("vold", 1, make_vectors(2, dim=3), [0], "films"))
        catalog.use_set(other)
        catalog.use_set(ENCODER)
        np.testing.assert_allclose(
            catalog.shot_vectors(ENCODER)[1], make_vectors(2, seed=5), atol=1e-3
        )
