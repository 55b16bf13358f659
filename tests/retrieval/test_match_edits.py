"""Journeys of suspects that are edited hard, damaged, or hardly films at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.made_sound import RATE_HZ, music
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.match import match
from retrieval.media.limits import MediaLimits
from retrieval.sound_match import SoundMatch
from retrieval.types import Segment
from retrieval.vectors import FrameVectors
from tests import films
from tests.fakes import FakeEncoder
from tests.retrieval.test_match import Images, Library, images, resized


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> films.Film:
    """Three moving shots, 12 s, a sync frame a second."""
    path = tmp_path_factory.mktemp("edits") / "film.mp4"
    return films.film_with_cuts(path, [110, 90, 100], gop=25, seed=11)


@pytest.fixture
def library(tmp_path: Path, film: films.Film) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    made.add(film.path)
    yield made
    made.catalog.close()


def written(path: Path, pictures: Images) -> Path:
    return films.write_film(path, pictures)


def test_a_mirrored_copy_is_found_and_said_to_be_one(film: films.Film, tmp_path: Path) -> None:
    flipped = [np.ascontiguousarray(image[:, ::-1]) for image in images(film.path, 2.0, 9.0)]
    plain = Library(tmp_path / "plain")  # by colours alone, which survive a mirror
    plain.encoder = FakeEncoder()
    plain.copy_encoder = SearchCopyEncoder(plain.encoder)
    plain.vectors = FrameVectors(plain.catalog, plain.copy_encoder.id, backend="exact")
    plain.add(film.path)
    found = plain.match(written(tmp_path / "flipped.mp4", flipped)).matches
    plain.catalog.close()
    assert found
    assert found[0].edit.is_flipped
    assert found[0].ref_segment.start_seconds == pytest.approx(2.0, abs=1.0)
    assert found[0].ref_segment.end_seconds == pytest.approx(9.0, abs=1.0)


def test_a_copy_in_a_corner_of_other_footage(
    library: Library, film: films.Film, tmp_path: Path
) -> None:
    inner = resized(images(film.path, 1.0, 9.0), 180, 102)
    outer = [
        *films.moving_shot(71, 110, size=(320, 180)),
        *films.moving_shot(72, 90, size=(320, 180)),
    ]
    pasted = []
    for below, above in zip(outer, inner, strict=True):
        image = below.copy()
        image[60:162, 120:300] = above
        pasted.append(image)
    found = library.match(written(tmp_path / "inner.mp4", pasted)).matches
    assert len(found) == 1
    box = found[0].edit.query_box
    assert box is not None
    assert box.left == pytest.approx(0.375, abs=0.03)
    assert box.top == pytest.approx(0.333, abs=0.03)
    assert found[0].query_segment.duration_seconds == pytest.approx(8.0, abs=1.0)


def test_reversed_playback(library: Library, film: films.Film, tmp_path: Path) -> None:
    backwards = images(film.path, 2.0, 10.0)[::-1]
    found = library.match(written(tmp_path / "back.mp4", backwards)).matches
    assert found[0].edit.is_reversed
    assert found[0].ref_segment.start_seconds == pytest.approx(2.0, abs=1.0)
    assert found[0].ref_segment.end_seconds == pytest.approx(10.0, abs=1.0)
    first, last = found[0].evidence[0], found[0].evidence[-1]
    assert first.query_seconds < last.query_seconds
    assert first.ref_seconds > last.ref_seconds


def test_a_part_that_plays_twice_is_two_matches(
    library: Library, film: films.Film, tmp_path: Path
) -> None:
    part = images(film.path, 3.0, 7.0)
    found = library.match(written(tmp_path / "twice.mp4", [*part, *part])).matches
    starts = sorted(item.query_segment.start_seconds for item in found)
    assert starts == pytest.approx([0.0, 4.0], abs=0.8)
    for item in found:
        assert item.ref_segment.start_seconds == pytest.approx(3.0, abs=0.8)


def test_readable_parts_of_a_damaged_suspect_are_matched(
    library: Library, film: films.Film, tmp_path: Path
) -> None:
    whole = films.write_film(tmp_path / "whole.ts", images(film.path, 0.0, 12.0), gop=25)
    data = bytearray(whole.read_bytes())
    rng = np.random.default_rng(1)
    middle = slice(int(len(data) * 0.4), int(len(data) * 0.6))
    data[middle] = rng.integers(0, 256, middle.stop - middle.start, dtype=np.uint8).tobytes()
    broken = tmp_path / "broken.ts"
    broken.write_bytes(data)
    result = library.match(broken)
    assert result.matches
    assert result.unreadable
    lost = result.unreadable[0]
    assert 2.0 < (lost.start_seconds + lost.end_seconds) / 2 < 10.0
    assert any("could not be decoded" in note for note in result.notes)


def test_a_short_suspect_and_a_still_are_told_what_they_are(
    library: Library, film: films.Film, tmp_path: Path
) -> None:
    short = library.match(written(tmp_path / "short.mp4", images(film.path, 5.0, 6.2)))
    assert any("only 1.2 s long" in note for note in short.notes)
    still = tmp_path / "still.png"
    Image.fromarray(images(film.path, 6.0, 6.1)[0]).save(still)
    result = library.match(still)
    assert result.query_seconds == 0.0
    assert any("still image" in note for note in result.notes)


def test_a_black_film_says_so(library: Library, tmp_path: Path) -> None:
    black = films.write_film(tmp_path / "black.mp4", films.flat_shot((0, 0, 0), 100))
    result = library.match(black)
    assert result.matches == ()
    assert any("black" in note for note in result.notes)


def test_thresholds_of_a_video_count_before_that_of_the_match(
    library: Library, film: films.Film
) -> None:
    (found,) = library.match(film.path).matches
    library.catalog.set_match_threshold(found.ref_video.video_id, 1.0)
    held_back = library.match(film.path)
    assert held_back.matches == ()
    assert any("own threshold of 1" in note for note in held_back.notes)


def test_sound_alone_is_a_match_and_joins_what_pictures_found(
    library: Library, film: films.Film, tmp_path: Path
) -> None:
    (picture,) = library.match(film.path).matches
    heard = SoundMatch(
        picture.ref_video.video_id, Segment(0.0, 12.0), Segment(0.0, 12.0), 1.0, 0.0, 9.0, 90, 0.8
    )
    song = films.write_sound(tmp_path / "song.m4a", music(12.0, 1), sample_rate_hz=RATE_HZ)
    options = {
        "catalog": library.catalog,
        "encoder": library.copy_encoder,
        "vectors": library.vectors,
        "limits": MediaLimits(),
    }
    alone = match(song, sounds=lambda sound, seconds: [heard], **options)  # type: ignore[arg-type]
    (found,) = alone.matches
    assert found.modalities == ("sound",)
    assert found.evidence == ()
    song = films.write_sound(tmp_path / "silent.m4a", 0 * films.tone(4.0))
    silent = match(song, sounds=lambda sound, seconds: [heard], **options)  # type: ignore[arg-type]
    assert silent.matches == ()
    assert any("silent" in note for note in silent.notes)
