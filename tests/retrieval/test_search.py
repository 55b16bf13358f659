import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.search import MAX_RESULTS, SearchQuery, search
from retrieval.types import Hit
from retrieval.vectors import ShotVectors
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film, colour


class Library:
    """A catalog with its encoder and shot vectors."""

    def __init__(self, path: Path) -> None:
        self.catalog = Catalog.open(path, create=True)
        self.encoder = FakeEncoder()
        self.vectors = ShotVectors(self.catalog, self.encoder.id, backend="faiss")

    def add(self, name: str, colours: list[str], **options: object) -> list[int]:
        return add_film(self.catalog, self.encoder, name, colours, **options)  # type: ignore[arg-type]

    def search(self, **options: object) -> list[Hit]:
        query = SearchQuery(**options)  # type: ignore[arg-type]
        return search(query, catalog=self.catalog, encoder=self.encoder, vectors=self.vectors)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "library")
    yield made
    made.catalog.close()


def places(hits: list[Hit]) -> list[tuple[str, int]]:
    return [(hit.video.path.stem, hit.number) for hit in hits]


def test_text_finds_the_picture_with_its_cosine(library: Library) -> None:
    library.add("one", ["red", "green"])
    library.add("two", ["blue"])
    hits = library.search(text="a blue thing", k=1)
    assert places(hits) == [("two", 0)]
    assert hits[0].score == pytest.approx(1.0, abs=1e-3)
    assert hits[0].segment.start_seconds == 0.0
    assert (hits[0].start_frame, hits[0].end_frame) == (0, 50)
    why = hits[0].provenance[0]
    assert (why.modality, why.rank, why.query, why.text) == ("picture", 1, "text", None)


def test_image_and_text_are_fused(library: Library) -> None:
    library.add("one", ["red", "green", "blue"])
    hits = library.search(text="green", image=colour("green"), k=3)
    assert places(hits)[0] == ("one", 1)
    assert hits[0].score == pytest.approx(1.0)  # first in both lists
    assert {why.query for why in hits[0].provenance} == {"text", "image"}
    # The others are equal in both lists: second and third by their shot ids.
    assert places(hits)[1:] == [("one", 0), ("one", 2)]
    assert hits[1].score == pytest.approx(61 / 62)


def test_subtitles_and_pictures_are_fused_by_ranks(library: Library) -> None:
    library.add("one", ["red", "green"])
    library.add("two", ["blue", "blue"], lines=[(2.5, 3.0, "A red rose by the door")])
    hits = library.search(text="red")
    # Shot one/0 is first by picture, two/1 first by subtitle and second to fourth by picture.
    by_place = {(hit.video.path.stem, hit.number): hit for hit in hits}
    rose = by_place["two", 1]
    assert {why.modality for why in rose.provenance} == {"picture", "subtitle"}
    line = next(why for why in rose.provenance if why.modality == "subtitle")
    assert (line.rank, line.text) == (1, "A red rose by the door")
    picture = next(why for why in rose.provenance if why.modality == "picture")
    assert rose.score == pytest.approx((1 + 61 / (60 + picture.rank)) / 2)
    assert by_place["one", 0].score == pytest.approx(0.5)
    assert places(hits)[0] == ("two", 1)


def test_chinese_subtitles(library: Library) -> None:
    library.add("one", ["dark", "dark"], lines=[(0.0, 1.0, "街上有两辆自行车")])
    hits = library.search(text="自行车", k=1)
    assert places(hits) == [("one", 0)]
    assert any(why.text == "街上有两辆自行车" for why in hits[0].provenance)


def test_a_line_between_shots_goes_to_the_one_it_shares_most_time_with(library: Library) -> None:
    library.add("one", ["dark", "dark"], lines=[(1.5, 3.0, "unicorn"), (90.0, 91.0, "dragon")])
    assert places(library.search(text="unicorn", k=1)) == [("one", 1)]
    assert places(library.search(text="dragon", k=1)) == [("one", 1)]


def test_sound_only_files_are_found_by_their_lines(library: Library) -> None:
    library.add("radio", [], lines=[(1.0, 2.0, "good evening"), (3.0, 4.0, "evening news")])
    hits = library.search(text="evening")
    assert len(hits) == 2
    assert {hit.segment.start_seconds for hit in hits} == {1.0, 3.0}
    assert all(hit.shot_id == 0 and hit.start_frame is None for hit in hits)


def test_scenes_rank_by_their_best_shot(library: Library) -> None:
    library.add("one", ["red", "red", "blue", "blue"])
    library.add("two", ["green"])
    hits = library.search(text="blue", unit="scene")
    assert places(hits)[0] == ("one", 1)
    assert (hits[0].segment.start_seconds, hits[0].segment.end_seconds) == (4.0, 8.0)
    assert (hits[0].start_frame, hits[0].end_frame) == (100, 200)
    assert len(hits) == 3  # each scene once
    assert hits[0].unit == "scene"


def test_scenes_fill_k_although_one_scene_has_most_shots(library: Library) -> None:
    library.add("long", ["red"] * 130)
    for number in range(5):
        library.add(f"other{number}", ["bright"])
    assert len(library.search(text="red", unit="scene", k=6)) == 6


def test_the_video_filter_holds_inside_the_search(library: Library) -> None:
    library.add("many", ["red"] * 150, lines=[(0.0, 1.0, "red red")])
    library.add("few", ["green", "blue"])
    hits = library.search(text="red", video="few", k=5)
    assert sorted(places(hits)) == [("few", 0), ("few", 1)]


def test_pages_fit_together(library: Library) -> None:
    library.add("one", ["red", "green", "blue", "dark", "bright"] * 6)
    whole = library.search(text="red", k=30)
    pages = [library.search(text="red", k=7, offset=offset) for offset in range(0, 35, 7)]
    assert [hit for page in pages for hit in page] == whole
    assert library.search(text="red", k=5, offset=MAX_RESULTS) == []


def test_one_list_is_the_same_however_long_it_is_asked_for(library: Library) -> None:
    library.add("one", ["red", "green"] * 40)  # 40 equal scores, more than the short list holds
    whole = library.search(text="red", k=80)
    assert library.search(text="red", k=7) == whole[:7]
    assert [hit.provenance[0].rank for hit in library.search(text="red", k=3, offset=5)] == [
        6,
        7,
        8,
    ]
    assert library.search(text="red", k=3, offset=39, min_score=0.5) == whole[39:40]


def test_min_score_bounds_the_score_shown(library: Library) -> None:
    library.add("one", ["red", "green", "blue"])
    assert places(library.search(text="red", min_score=0.9)) == [("one", 0)]
    assert library.search(text="red", min_score=1.1) == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"text": "  "},
        {"text": "x" * 1001},
        {"text": "\ud800"},
        {"text": "red", "k": 0},
        {"text": "red", "k": 1001},
        {"text": "red", "offset": -1},
        {"text": "red", "min_score": math.nan},
        {"text": "red", "unit": "film"},
        {"image": np.zeros((4, 4), dtype=np.uint8)},
        {"image": np.zeros((4, 4, 3), dtype=np.float32)},
    ],
)
def test_bad_queries_say_so(library: Library, options: dict[str, object]) -> None:
    library.add("one", ["red"])
    with pytest.raises(InvalidInputError):
        library.search(**options)


def test_empty_library_and_unknown_video(library: Library) -> None:
    with pytest.raises(NotFoundError, match="ingest"):
        library.search(text="red")
    library.add("one", ["red"])
    with pytest.raises(NotFoundError):
        library.search(text="red", video="nothing")


def test_another_encoder_is_refused(library: Library) -> None:
    library.add("one", ["red"])
    other = FakeEncoder("fake:other/v1")
    vectors = ShotVectors(library.catalog, other.id, backend="exact")
    with pytest.raises(EncoderMismatchError, match="fake:other"):
        search(SearchQuery(text="red"), catalog=library.catalog, encoder=other, vectors=vectors)


def test_removed_and_added_videos_are_followed(library: Library) -> None:
    library.add("one", ["red", "green"])
    assert places(library.search(text="red", k=1)) == [("one", 0)]
    library.catalog.remove_video(library.catalog.resolve_video("one").video_id)
    library.add("two", ["blue", "red"])
    assert places(library.search(text="red", k=5)) == [("two", 1), ("two", 0)]
