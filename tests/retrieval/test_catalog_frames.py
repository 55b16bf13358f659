from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_frames import FrameRow
from retrieval.errors import CatalogError, EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.types import EncoderId
from tests.retrieval.catalog_records import ENCODER, make_record, make_vectors

OTHER = EncoderId("other:copies/v1", "ffffffffffffffff", 8)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        yield opened


def test_the_frames_of_one_video_come_back(catalog: Catalog) -> None:
    catalog.add_video(make_record("a", num_shots=1))
    record = make_record("b", num_shots=2)
    catalog.add_video(record)
    stored = catalog.frames(ENCODER, "vb")
    assert stored.first_frame_id == 3
    assert stored.times.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert record.frame_vectors is not None
    np.testing.assert_allclose(stored.vectors, record.frame_vectors, atol=1e-3)
    assert catalog.frames(ENCODER, "vnone").vectors.shape == (0, 8)


def test_frame_ids_are_never_used_twice(catalog: Catalog) -> None:
    catalog.add_video(make_record("a", num_shots=1))
    catalog.add_video(make_record("b", num_shots=2))
    assert catalog.frame_rows(ENCODER) == [FrameRow("va", 1, 2), FrameRow("vb", 3, 4)]
    catalog.remove_video("vb")
    catalog.add_video(make_record("a", num_shots=1))  # replaces itself
    assert catalog.frame_rows(ENCODER) == [FrameRow("va", 7, 2)]
    assert catalog.problems() == []


def test_the_times_of_all_frames_come_by_id(catalog: Catalog) -> None:
    assert len(catalog.frame_times(ENCODER).times) == 0
    catalog.add_video(make_record("b", num_shots=1))
    catalog.add_video(make_record("a", num_shots=2))
    table = catalog.frame_times(ENCODER)
    assert table.video_ids == ("vb", "va")
    assert table.first_ids.tolist() == [1, 3]
    assert table.starts.tolist() == [0, 2, 6]
    assert table.times.tolist() == [0.0, 0.5, 0.0, 0.5, 1.0, 1.5]


def test_a_library_has_one_copy_encoder(catalog: Catalog) -> None:
    catalog.add_video(replace(make_record("a"), copy_encoder=OTHER))
    assert catalog.encoder() == ENCODER
    assert catalog.encoder("copy") == OTHER
    with pytest.raises(EncoderMismatchError, match="use copy encoder other:copies/v1"):
        catalog.add_video(make_record("b"))
    for read in (catalog.frame_rows, catalog.frame_times):
        with pytest.raises(EncoderMismatchError):
            read(ENCODER)
    catalog.remove_video("va")
    catalog.add_video(make_record("b"))  # an emptied library takes another one
    assert catalog.encoder("copy") == ENCODER


def test_damaged_frames_are_an_error(catalog: Catalog) -> None:
    catalog.add_video(make_record("a"))
    with catalog._transaction() as (connection, _):
        connection.execute("UPDATE frame_vectors SET num_vectors = num_vectors + 1")
    with pytest.raises(CatalogError, match="wrong size"):
        catalog.frames(ENCODER, "va")
    with pytest.raises(CatalogError, match="wrong size"):
        catalog.frame_times(ENCODER)
    assert catalog.problems() == ["frame ids used twice in va"]


def test_sound_prints(catalog: Catalog) -> None:
    loud = replace(make_record("loud"), sound_print=b"print", sound_print_version=3)
    catalog.add_video(loud)
    catalog.add_video(replace(make_record("silent"), sound_print_version=3))
    assert catalog.sound_prints() == [("vloud", 3, b"print")]
    assert catalog.sound_prints("vloud") == [("vloud", 3, b"print")]
    assert catalog.sound_prints("vsilent") == []
    catalog.remove_video("vloud")
    assert catalog.sound_prints() == []
    with pytest.raises(ValueError, match="version"):
        replace(make_record(), sound_print=b"print")


def test_videos_without_copies_are_known(catalog: Catalog) -> None:
    record = make_record("a")
    seen = replace(record, video=replace(record.video, video_codec="h264"))
    unseen = replace(seen, frame_times=None, frame_vectors=None, copy_encoder=None)
    catalog.add_video(unseen)
    assert [video.video_id for video in catalog.videos_without_copies()] == ["va"]
    catalog.add_video(seen)
    assert catalog.videos_without_copies() == []
    no_frames = replace(seen, frame_times=np.empty(0), frame_vectors=make_vectors(0))
    catalog.add_video(no_frames)  # was looked at, and gave none
    assert catalog.videos_without_copies() == []
    assert catalog.frame_rows(ENCODER) == []


def test_videos_that_were_not_listened_to_are_known(catalog: Catalog) -> None:
    record = make_record("a")
    loud = replace(record, video=replace(record.video, audio_codec="aac"))
    catalog.add_video(loud)
    assert [video.video_id for video in catalog.videos_without_copies()] == ["va"]
    catalog.add_video(replace(loud, sound_print_version=2))  # silence
    assert catalog.videos_without_copies() == []
    assert len(catalog.videos_without_copies(sound_print_version=3)) == 1


def test_a_match_threshold_is_kept_when_a_film_is_read_again(catalog: Catalog) -> None:
    catalog.add_video(make_record("a"))
    assert catalog.video("va").match_threshold is None
    catalog.set_match_threshold("va", 0.75)
    catalog.add_video(make_record("a"))
    assert catalog.video("va").match_threshold == 0.75
    catalog.set_match_threshold("va", None)
    assert catalog.video("va").match_threshold is None


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_match_thresholds_are_checked(catalog: Catalog, threshold: float) -> None:
    catalog.add_video(make_record("a"))
    with pytest.raises(InvalidInputError, match="0 to 1"):
        catalog.set_match_threshold("va", threshold)
    with pytest.raises(NotFoundError):
        catalog.set_match_threshold("vb", 0.5)
