import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from retrieval.catalog import Catalog
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.errors import (
    InvalidInputError,
    NotFoundError,
    NotMediaError,
    OperationCancelled,
)
from retrieval.match import match
from retrieval.media.frames import frames_between
from retrieval.media.limits import MediaLimits
from retrieval.types import MatchResult, Progress
from retrieval.vectors import FrameVectors
from tests import films
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_file

Images = list[NDArray[np.uint8]]


class Library:
    """A catalog of real files, with its encoder and frame vectors."""

    def __init__(self, path: Path) -> None:
        self.catalog = Catalog.open(path, create=True)
        self.encoder = FakeEncoder(layout_weight=3.0)
        self.copy_encoder = SearchCopyEncoder(self.encoder)
        self.vectors = FrameVectors(self.catalog, self.copy_encoder.id, backend="exact")

    def add(self, path: Path) -> str:
        return add_file(self.catalog, self.encoder, path)

    def match(self, query: Path, **options: Any) -> MatchResult:
        return match(
            query,
            catalog=self.catalog,
            encoder=self.copy_encoder,
            vectors=self.vectors,
            limits=MediaLimits(),
            **options,
        )


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    yield made
    made.catalog.close()


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> films.Film:
    """Five moving shots, 24 s, a sync frame every four seconds or so."""
    path = tmp_path_factory.mktemp("match") / "long.mp4"
    return films.film_with_cuts(path, [130, 90, 140, 110, 130], gop=100, seed=7)


def images(path: Path, start: float, end: float) -> Images:
    return [frame.image for frame in frames_between(path, start, end)]


def resized(pictures: Images, width: int, height: int) -> Images:
    return [np.asarray(Image.fromarray(image).resize((width, height))) for image in pictures]


def test_the_known_cut_is_found_where_it_was_cut(
    library: Library, world: Path, b_clip: Path, bikes: Path
) -> None:
    """`b_clip` is the first five seconds of `world`, by comparison of the pixels."""
    library.add(world)
    library.add(bikes)
    (found,) = library.match(b_clip).matches
    assert found.ref_video.path == world
    assert found.speed_ratio == 1.0
    assert found.query_segment.start_seconds == pytest.approx(0.0, abs=0.1)
    assert found.query_segment.end_seconds == pytest.approx(5.0, abs=0.6)
    assert found.ref_segment.start_seconds == pytest.approx(0.0, abs=0.3)
    assert found.ref_segment.end_seconds == pytest.approx(5.0, abs=0.6)
    assert found.score > 0.9
    assert len(found.evidence) >= 4
    for pair in found.evidence:
        assert pair.ref_seconds == pytest.approx(pair.query_seconds, abs=0.3)
        assert pair.score > 0.9


def test_films_do_not_match_each_other(
    library: Library,
    world: Path,
    bikes: Path,
    carphone: Path,
    bunny: Path,
    long_film: films.Film,
    made_film: films.Film,
) -> None:
    paths = [world, bikes, carphone, bunny, long_film.path]
    for path in paths:
        library.add(path)
    for path in [*paths[1:], made_film.path]:
        others = [item for item in library.match(path).matches if item.ref_video.path != path]
        assert others == []


def test_both_sides_fit_where_the_query_goes_on(
    library: Library, world: Path, b_clip: Path
) -> None:
    """The globe of `world` goes on turning where `b_clip`, its first five seconds, has ended."""
    library.add(b_clip)
    found = library.match(world).matches
    assert found
    for item in found:
        assert item.ref_segment.duration_seconds == pytest.approx(
            item.speed_ratio * item.query_segment.duration_seconds, abs=0.1
        )
    assert found[0].query_segment.end_seconds == pytest.approx(5.0, abs=1.0)


def test_a_whole_film_matches_itself(library: Library, bikes: Path) -> None:
    library.add(bikes)
    (found,) = library.match(bikes).matches
    assert found.ref_segment.start_seconds == pytest.approx(0.0, abs=0.1)
    assert found.ref_segment.end_seconds == pytest.approx(10.0, abs=0.6)


def faster(pictures: Images) -> Images:
    return [pictures[int(place * 1.5)] for place in range(int(len(pictures) / 1.5))]


def slower(pictures: Images) -> Images:
    return [pictures[int(place * 0.75)] for place in range(int(len(pictures) / 0.75))]


def cropped(pictures: Images) -> Images:
    height, width = pictures[0].shape[:2]
    top, left = int(0.08 * height), int(0.03 * width)
    inside = [
        image[top : top + int(0.9 * height), left : left + int(0.9 * width)] for image in pictures
    ]
    return resized(inside, 256, 144)


def dimmed(pictures: Images) -> Images:
    return [(image * 0.7 + 20).astype(np.uint8) for image in pictures]


def boxed(pictures: Images) -> Images:
    return films.letterboxed(resized(pictures, 320, 240), bar=30)


@pytest.mark.parametrize(
    ("change", "speed"),
    [(faster, 1.5), (slower, 0.75), (cropped, 1.0), (dimmed, 1.0)],
)
@pytest.mark.parametrize("footage", ["long_film", "bikes"])
def test_changed_copies_are_found(
    library: Library,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    footage: str,
    change: Callable[[Images], Images],
    speed: float,
) -> None:
    given = request.getfixturevalue(footage)
    path = given.path if isinstance(given, films.Film) else given
    library.add(path)
    start, end = (7.0, 16.0) if footage == "long_film" else (1.0, 8.0)
    copy = films.write_film(tmp_path / "copy.mp4", change(images(path, start, end)))
    found = library.match(copy).matches
    assert len(found) == 1
    assert found[0].speed_ratio == pytest.approx(speed, rel=0.03)
    assert found[0].ref_segment.start_seconds == pytest.approx(start, abs=1.0)
    assert found[0].ref_segment.end_seconds == pytest.approx(end, abs=1.0)
    length = (end - start) / speed
    assert found[0].query_segment.duration_seconds == pytest.approx(length, abs=1.0)


def test_pieces_inside_other_footage(
    library: Library, tmp_path: Path, bikes: Path, long_film: films.Film
) -> None:
    """Other footage, then 4 s of one film, then 5 s of another, then other footage again."""
    library.add(bikes)
    library.add(long_film.path)
    mixed = [
        *resized(films.moving_shot(91, 75), 320, 136),
        *resized(images(bikes, 3.0, 7.0), 320, 136),
        *resized(images(long_film.path, 10.0, 15.0), 320, 136),
        *resized(films.moving_shot(92, 75), 320, 136),
    ]
    copy = films.write_film(tmp_path / "mixed.mp4", mixed)
    found = {item.ref_video.path: item for item in library.match(copy).matches}
    assert set(found) == {bikes, long_film.path}
    for path, query, ref in (
        (bikes, (3.0, 7.0), (3.0, 7.0)),
        (long_film.path, (7.0, 12.0), (10.0, 15.0)),
    ):
        item = found[path]
        got = (item.query_segment.start_seconds, item.query_segment.end_seconds)
        assert got == pytest.approx(query, abs=0.8)
        got = (item.ref_segment.start_seconds, item.ref_segment.end_seconds)
        assert got == pytest.approx(ref, abs=0.8)


def test_black_and_still_footage_does_not_explode(library: Library, tmp_path: Path) -> None:
    black = films.write_film(tmp_path / "black.mp4", films.flat_shot((0, 0, 0), 250), gop=25)
    still_picture = films.moving_shot(5, 1)
    still = films.write_film(tmp_path / "still.mp4", still_picture * 500, gop=25)
    library.add(black)
    library.add(still)
    assert library.match(black).matches == ()
    (found,) = library.match(still).matches
    assert found.ref_video.path == still


def test_a_reference_that_is_gone_is_matched_by_its_stored_frames(
    library: Library, tmp_path: Path, long_film: films.Film
) -> None:
    moved = tmp_path / "gone.mp4"
    shutil.copy(long_film.path, moved)
    library.add(moved)
    moved.unlink()
    copy = films.write_film(tmp_path / "copy.mp4", images(long_film.path, 4.0, 20.0))
    (found,) = library.match(copy).matches
    assert found.speed_ratio == pytest.approx(1.0, rel=0.05)
    for got, true in zip(vars(found.ref_segment).values(), (4.0, 20.0), strict=True):
        assert got == pytest.approx(true, abs=4.0)  # its stored frames are four seconds apart


def test_bounds_are_respected(library: Library, world: Path, b_clip: Path, bikes: Path) -> None:
    library.add(world)
    library.add(bikes)
    assert library.match(b_clip, min_score=1.0).matches == ()
    assert library.match(b_clip, video="bikes").matches == ()
    assert len(library.match(b_clip, video="world").matches) == 1


def test_films_that_cannot_be_compared_whole_are_named(
    library: Library, b_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = library.catalog.video(library.add(b_clip))
    monkeypatch.setattr(Catalog, "videos_without_copies", lambda _self, **_options: [old])
    named = f"not compared whole, ingest again: {b_clip.name}"
    assert named in library.match(b_clip, sounds=lambda _sound, _least: []).notes
    assert named not in library.match(b_clip).notes


def test_the_least_length_is_told_and_a_shorter_query_may_match_with_most_of_it(
    library: Library, b_clip: Path, tmp_path: Path
) -> None:
    library.add(b_clip)
    (found,) = library.match(b_clip, min_seconds=8.0).matches
    assert found.query_segment.duration_seconds > 4.0
    clip = images(b_clip, 0.0, 4.0)
    rest = [np.zeros_like(clip[0])] * 300
    suspect = films.write_film(tmp_path / "suspect.mp4", clip + rest)
    assert len(library.match(suspect).matches) == 1
    result = library.match(suspect, min_seconds=8.0)
    assert result.matches == ()
    assert any("shorter than the least length of 8 s" in note for note in result.notes)


def test_progress_rises_and_a_stop_is_heard(library: Library, world: Path, b_clip: Path) -> None:
    library.add(world)
    reports: list[Progress] = []
    library.match(b_clip, progress=reports.append)
    decoded = [report.done for report in reports if report.stage == "decode"]
    assert decoded
    assert all(first <= second for first, second in pairwise(decoded))
    assert any(report.stage == "match" for report in reports)
    with pytest.raises(OperationCancelled):
        library.match(b_clip, should_stop=lambda: True)


def test_bad_queries(library: Library, tmp_path: Path, b_clip: Path) -> None:
    with pytest.raises(NotFoundError, match="ingest"):
        library.match(b_clip)
    library.add(b_clip)
    with pytest.raises(NotFoundError):
        library.match(tmp_path / "missing.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(NotMediaError):
        library.match(tmp_path / "text.mp4")
    for options in ({"min_score": 2.0}, {"min_score": float("nan")}, {"min_seconds": -1.0}):
        with pytest.raises(InvalidInputError):
            library.match(b_clip, **options)
