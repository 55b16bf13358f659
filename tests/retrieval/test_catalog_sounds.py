import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog, VideoRecord
from retrieval.catalog_schema import APPLICATION_ID, MIGRATIONS
from retrieval.errors import CatalogError, EncoderMismatchError
from retrieval.types import EncoderId
from tests.retrieval.catalog_records import ENCODER, make_record, make_vectors

SOUND = EncoderId("fake:sound/v1", "aaaaaaaaaaaaaaaa", 6)
OTHER = EncoderId("other:sound/v1", "bbbbbbbbbbbbbbbb", 6)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        yield opened


def with_sound(record: VideoRecord, silent: tuple[int, ...] = ()) -> VideoRecord:
    sounds = make_vectors(len(record.shots), dim=SOUND.dim, seed=3)
    sounds[list(silent)] = 0.0
    video = replace(record.video, audio_codec="aac")
    return replace(record, video=video, shot_sounds=sounds, sound_encoder=SOUND)


def test_rows_are_aligned_with_all_shots(catalog: Catalog) -> None:
    catalog.add_video(make_record("mute", num_shots=2))
    record = with_sound(make_record("loud", num_shots=4), silent=(1, 2))
    ids = catalog.add_video(record)
    one = catalog.shot_sounds(SOUND, "vloud")
    assert one.shot_ids.tolist() == ids
    assert one.has_sound.tolist() == [True, False, False, True]
    assert one.vectors.dtype == np.float32
    assert record.shot_sounds is not None
    np.testing.assert_allclose(one.vectors, record.shot_sounds, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(one.vectors[one.has_sound], axis=1), 1.0, atol=1e-6)
    every = catalog.shot_sounds(SOUND)
    assert every.shot_ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert every.has_sound.tolist() == [False, False, True, False, False, True]
    np.testing.assert_array_equal(every.vectors[2:], one.vectors)
    assert catalog.shot_sounds(SOUND, "vmute").has_sound.tolist() == [False, False]
    assert catalog.problems() == []


def test_a_library_has_one_sound_encoder_until_it_is_empty(catalog: Catalog) -> None:
    catalog.add_video(with_sound(make_record("a")))
    assert catalog.encoder("sound") == SOUND
    with pytest.raises(EncoderMismatchError, match="use --sound-encoder fake:sound/v1 here"):
        catalog.shot_sounds(OTHER)
    with pytest.raises(EncoderMismatchError):
        catalog.add_video(replace(with_sound(make_record("b")), sound_encoder=OTHER))
    assert [video.video_id for video in catalog.videos()] == ["va"]
    catalog.remove_video("va")
    assert catalog.encoder("sound") is None
    assert catalog.shot_sounds(OTHER).vectors.shape == (0, 6)


def test_films_that_were_not_heard_are_known(catalog: Catalog) -> None:
    unheard = make_record("old")
    catalog.add_video(replace(unheard, video=replace(unheard.video, audio_codec="aac")))
    catalog.add_video(make_record("mute"))
    catalog.add_video(with_sound(make_record("silent"), silent=(0, 1, 2, 3)))
    assert [video.video_id for video in catalog.videos_without_sounds()] == ["vold"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sound_encoder": None}, "without their encoder"),
        ({"shot_sounds": make_vectors(3, dim=6)}, r"expected \(4, 6\)"),
        ({"shot_sounds": 2 * make_vectors(4, dim=6)}, "neither of unit norm nor zero"),
        ({"shot_sounds": np.full((4, 6), np.nan, np.float32)}, "neither of unit norm nor zero"),
    ],
)
def test_records_check_their_sounds(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(with_sound(make_record()), **changes)  # type: ignore[arg-type]


def test_cut_off_vectors_are_damage(catalog: Catalog) -> None:
    catalog.add_video(with_sound(make_record("a")))
    connection = sqlite3.connect(catalog.library / "catalog.sqlite3")
    connection.execute("UPDATE shot_sounds SET vectors = x'0000'")
    connection.commit()
    connection.close()
    with pytest.raises(CatalogError, match="damaged"):
        catalog.shot_sounds(SOUND)


def test_a_version_3_file_keeps_its_vectors(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    for statements in MIGRATIONS[:3]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(
        "INSERT INTO encoders VALUES (7, 'search', ?, ?, ?, 1)",
        (ENCODER.name, ENCODER.hash, ENCODER.dim),
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    with Catalog.open(tmp_path) as catalog:
        assert catalog.encoder() == ENCODER
        catalog.add_video(with_sound(make_record("a")))
        assert catalog.encoder("sound") == SOUND
        assert catalog.problems() == []
