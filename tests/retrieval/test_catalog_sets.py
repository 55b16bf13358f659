from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_sets import SetRow
from retrieval.errors import (
    CatalogBusyError,
    CatalogError,
    EncoderMismatchError,
    InvalidInputError,
    NotFoundError,
)
from retrieval.types import EncoderId
from tests.retrieval.catalog_records import ENCODER, make_record, make_vectors

NEW = EncoderId("fake:catalog/new", "ff", 3, "onnx:/somewhere/new")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        opened.add_video(make_record("a"))
        opened.add_video(make_record("b"))
        yield opened


def new_row(catalog: Catalog, video_id: str, starts: list[int]) -> SetRow:
    shots = catalog.shots(video_id)
    vectors = make_vectors(len(shots), dim=3, seed=shots[0].shot_id)
    return SetRow(video_id, shots[0].shot_id, vectors, starts, "films")


def fill(catalog: Catalog, *names: str, starts: tuple[int, ...] = (0, 1)) -> None:
    for name in names:
        assert catalog.add_to_set(NEW, new_row(catalog, name, list(starts)))


def scene_bounds(catalog: Catalog, video_id: str) -> list[tuple[int, int, float, float]]:
    return [
        (scene.first_shot, scene.last_shot, scene.segment.start_seconds, scene.segment.end_seconds)
        for scene in catalog.scenes(video_id)
    ]


def test_a_set_fills_unseen_beside_the_one_in_use(catalog: Catalog) -> None:
    before, vectors = catalog.generation(), catalog.shot_vectors(ENCODER)
    fill(catalog, "va")
    assert catalog.generation() == before
    assert catalog.encoder() == ENCODER
    np.testing.assert_array_equal(catalog.shot_vectors(ENCODER)[0], vectors[0])
    np.testing.assert_array_equal(catalog.shot_vectors(ENCODER)[1], vectors[1])
    ids, rows = catalog.set_vectors(NEW)
    assert ids.tolist() == [shot.shot_id for shot in catalog.shots("va")]
    assert rows.shape == (4, 3)
    with pytest.raises(EncoderMismatchError, match="use --encoder fake:catalog/test here"):
        catalog.shot_vectors(NEW)
    assert [video.video_id for video in catalog.videos_without_vectors(NEW)] == ["vb"]
    used, other = catalog.vector_sets()
    assert (used.encoder, used.is_used, used.num_shots, used.num_missing) == (ENCODER, True, 8, 0)
    assert (other.encoder, other.is_used, other.num_shots, other.num_missing) == (NEW, False, 4, 1)
    assert other.encoder.spec == "onnx:/somewhere/new"
    assert other.size_bytes == 4 * 3 * 2
    assert catalog.problems() == []


def test_sets_are_exchanged_with_their_scenes_and_back(catalog: Catalog) -> None:
    old_scenes, old_shots = catalog.scenes("va"), catalog.shots("va")
    fill(catalog, "va", "vb", starts=(0, 1))
    before = catalog.generation()
    catalog.use_set(NEW)
    assert catalog.generation() != before
    assert catalog.encoder() == NEW
    assert scene_bounds(catalog, "va") == [(0, 0, 0.0, 1.0), (1, 3, 1.0, 4.0)]
    assert [shot.scene_number for shot in catalog.shots("va")] == [0, 1, 1, 1]
    assert catalog.video("va").num_scenes == 2
    with pytest.raises(EncoderMismatchError):
        catalog.shot_vectors(ENCODER)
    assert catalog.problems() == []
    catalog.use_set(ENCODER)
    assert (catalog.scenes("va"), catalog.shots("va")) == (old_scenes, old_shots)
    catalog.use_set(NEW)
    assert [shot.scene_number for shot in catalog.shots("vb")] == [0, 1, 1, 1]


def test_a_set_that_is_not_whole_is_not_used(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no vectors of fake:catalog/new"):
        catalog.use_set(NEW)
    fill(catalog, "va")
    with pytest.raises(CatalogError, match=r"not whole: 1 films lack some, b\.mp4"):
        catalog.use_set(NEW)
    with catalog._transaction() as (connection, _):
        connection.execute("UPDATE shot_vectors SET num_vectors = 3")
    with pytest.raises(CatalogError, match="not whole: 1 films lack some, va"):
        catalog.use_set(NEW, without=["vb"])
    assert catalog.encoder() == ENCODER
    assert [shot.scene_number for shot in catalog.shots("va")] == [0, 0, 1, 1]


def test_a_film_left_out_stays_listed_and_can_be_filled_in_later(catalog: Catalog) -> None:
    fill(catalog, "va")
    catalog.use_set(NEW, without=["vb"])
    assert len(catalog.shots("vb")) == 4
    assert catalog.shot_vectors(NEW)[0].tolist() == [s.shot_id for s in catalog.shots("va")]
    assert catalog.vector_sets()[0].num_missing == 1
    before = catalog.generation()
    fill(catalog, "vb", starts=(0,))
    assert catalog.generation() != before  # what is in use changed
    assert [shot.scene_number for shot in catalog.shots("vb")] == [0, 0, 0, 0]
    assert len(catalog.shot_vectors(NEW)[0]) == 8


def test_vectors_of_shots_that_went_are_not_stored(catalog: Catalog) -> None:
    row = new_row(catalog, "va", [0])
    catalog.add_video(make_record("a"))  # read again: other shot ids
    assert not catalog.add_to_set(NEW, row)
    catalog.remove_video("va")
    assert not catalog.add_to_set(NEW, row)
    assert [one.encoder for one in catalog.vector_sets()] == [ENCODER]


def test_a_film_that_comes_in_meanwhile_has_vectors_of_the_set_in_use(catalog: Catalog) -> None:
    fill(catalog, "va", "vb")
    catalog.add_video(make_record("c"))
    assert [video.video_id for video in catalog.videos_without_vectors(NEW)] == ["vc"]
    fill(catalog, "vc")
    catalog.use_set(NEW)
    with pytest.raises(EncoderMismatchError, match="reindex --encoder fake:catalog/test"):
        catalog.add_video(make_record("d"))


def test_sets_are_filled_while_another_process_writes(catalog: Catalog) -> None:
    with Catalog.open(catalog.library) as other, other.writing():
        fill(catalog, "va", "vb")
        catalog._lock._wait_seconds = 0.1
        with pytest.raises(CatalogBusyError):
            catalog.use_set(NEW)
    catalog.use_set(NEW)


def test_one_process_reindexes_at_a_time(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.catalog_lock import WriterLock

    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.1})
    with (
        Catalog.open(catalog.library) as other,
        other.reindexing(),
        pytest.raises(CatalogBusyError, match="is being reindexed by process"),
        catalog.reindexing(),
    ):
        pass


def test_only_a_set_that_is_not_in_use_is_dropped(catalog: Catalog) -> None:
    fill(catalog, "va", "vb")
    with pytest.raises(InvalidInputError, match="in use"):
        catalog.drop_set(ENCODER)
    catalog.use_set(NEW)
    catalog.drop_set(ENCODER)
    assert [one.encoder for one in catalog.vector_sets()] == [NEW]
    with pytest.raises(EncoderMismatchError):
        catalog.set_vectors(ENCODER)
    assert catalog.encoder("copy") == ENCODER
    assert catalog.problems() == []


def test_an_emptied_library_takes_a_set_that_was_kept_aside(catalog: Catalog) -> None:
    fill(catalog, "va")
    catalog.use_set(NEW, without=["vb"])
    catalog.remove_video("va")
    assert catalog.encoder() is None
    catalog.add_video(make_record("a"))
    assert catalog.encoder() == ENCODER
    assert catalog.problems() == []


@pytest.mark.parametrize("starts", [[], [1], [0, 0], [0, 4]])
def test_a_row_checks_itself(starts: list[int]) -> None:
    row = SetRow("va", 1, make_vectors(4), [0, 2], "films")
    with pytest.raises(ValueError, match="scenes from"):
        replace(row, scene_starts=starts)
    with pytest.raises(ValueError, match="unit norm"):
        replace(row, vectors=2 * row.vectors)
