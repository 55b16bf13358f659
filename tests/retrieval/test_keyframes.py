from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.errors import CorruptMediaError, MediaError, NotFoundError, OperationCancelled
from retrieval.keyframes import are_kept_large, check_film, film_keyframes, kept_keyframes
from retrieval.media.limits import MediaLimits
from retrieval.media.shots import detect_shots
from retrieval.media.thumbnails import jpeg_thumbnail
from tests import films
from tests.retrieval.catalog_records import make_record

LIMITS = MediaLimits()


@pytest.fixture(params=["fast", "precise"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ["made_film", "bikes", "carphone"])
def test_the_film_shows_the_very_keyframes_of_ingest(
    name: str, mode: str, request: pytest.FixtureRequest
) -> None:
    given = request.getfixturevalue(name)
    path = given.path if isinstance(given, films.Film) else given
    found = detect_shots(path, mode=mode)  # type: ignore[arg-type]
    frames = list(film_keyframes(path, found.shots, limits=LIMITS))
    assert [frame.seconds for frame in frames] == [s.keyframe_seconds for s in found.shots]
    for again, first in zip(frames, found.keyframes, strict=True):
        np.testing.assert_array_equal(again.image, first.image)


def test_a_film_without_times_is_read_on(tmp_path: Path) -> None:
    path = films.write_film(
        tmp_path / "film.avi", [*films.flat_shot("red", 25), *films.flat_shot("blue", 25)], gop=10
    )
    found = detect_shots(path)
    frames = list(film_keyframes(path, found.shots, limits=LIMITS))
    for again, first in zip(frames, found.keyframes, strict=True):
        assert np.abs(again.image.astype(int) - first.image).max() < 12


def test_reading_stops_and_tells_of_what_is_not_there(made_film: films.Film) -> None:
    shots = detect_shots(made_film.path).shots
    with pytest.raises(OperationCancelled):
        list(film_keyframes(made_film.path, shots, limits=LIMITS, should_stop=lambda: True))
    with pytest.raises(NotFoundError):
        list(film_keyframes(Path("none.mp4"), shots, limits=LIMITS))


def test_kept_keyframes_serve_where_they_have_all_that_the_encoder_sees(tmp_path: Path) -> None:
    def is_large(size: tuple[int, int], side: int | None) -> bool:
        picture = np.zeros((*size, 3), np.uint8)
        record = replace(make_record(num_shots=1), thumbnails=[jpeg_thumbnail(picture)])
        catalog.add_video(record)
        return are_kept_large(catalog, catalog.shots("vone"), side=side)

    with Catalog.open(tmp_path, create=True) as catalog:
        assert is_large((1080, 1920), 180)
        assert not is_large((1080, 1920), 224)
        assert not is_large((1080, 1920), None)
        assert is_large((960, 1280), 224)
        assert is_large((144, 176), 224)  # the film itself has no more
        assert is_large((144, 176), None)
        catalog.add_video(make_record(num_shots=1))
        shots = catalog.shots("vone")
        assert not are_kept_large(catalog, shots, side=8)  # not a picture
        with pytest.raises(CorruptMediaError, match="shot 0 cannot be decoded"):
            list(kept_keyframes(catalog, shots))
        catalog.add_video(replace(make_record(num_shots=1), thumbnails=()))
        with pytest.raises(CorruptMediaError, match="no keyframe is kept"):
            list(kept_keyframes(catalog, catalog.shots("vone")))


def test_a_file_must_still_be_the_film(tmp_path: Path) -> None:
    video = replace(make_record().video, path=tmp_path / "film.mp4")
    with pytest.raises(NotFoundError, match="it is not at"):
        check_film(video, limits=LIMITS)
    video.path.write_bytes(b"x" * 1000)
    with pytest.raises(MediaError, match="another file is at"):
        check_film(video, limits=LIMITS)
    check_film(replace(video, modified_ns=video.path.stat().st_mtime_ns), limits=LIMITS)
