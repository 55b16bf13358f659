"""What `labels check` finds, on labels whose faults are known by construction."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog, VideoRecord
from retrieval.errors import InvalidInputError
from retrieval.label_book import ImportOptions, LabelBook
from retrieval.label_check import Footage, check_labels, overlaps
from retrieval.label_types import Label, LabelFinding, LabelledGroup, Split
from retrieval.types import EncoderId, Segment, Shot, Video
from tests.retrieval.label_files.samples import write

ENCODER = EncoderId("fake:axes/v1", "0" * 16, 8)


def film(name: str, axes: Sequence[int]) -> VideoRecord:
    """A film with a shot of 2 s for each axis, whose embedding is that axis."""
    video = Video(
        name, Path(f"/films/{name}.mp4"), 1, 1, 2.0 * len(axes), "mp4", video_codec="h264"
    )
    shots = [
        Shot(0, name, n, Segment(2.0 * n, 2.0 * n + 2), 50 * n, 50 * n + 50, 2.0 * n)
        for n in range(len(axes))
    ]
    vectors = np.eye(8, dtype=np.float32)[list(axes)]
    return VideoRecord(video, shots=shots, shot_vectors=vectors, encoder=ENCODER)


def label(
    name: str, start: float, end: float, *, film: str = "one", split: Split | None = None
) -> Label:
    return Label("g", name, film, Segment(start, end), split=split, video_name=f"{film}.mp4")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        made.add_video(film("one", [0, 1, 2]))
        made.add_video(film("two", [3, 4, 0]))
        made.add_video(film("three", [5, 6, 7]))
        yield made


def check(
    catalog: Catalog, *labels: Label, kind: str = "one_of", classes: str = "a b"
) -> list[LabelFinding]:
    group = LabelledGroup("g", "one_of" if kind == "one_of" else "any_of", tuple(classes.split()))
    catalog.add_labels([group], labels)
    return LabelBook(catalog).check()


def kinds(found: Sequence[LabelFinding]) -> list[str]:
    return [one.kind for one in found]


GOOD = (
    label("a", 0, 2), label("b", 2, 4),
    label("a", 0, 2, film="three"), label("b", 2, 4, film="three"),
)  # fmt: skip


def test_good_labels_have_no_finding(catalog: Catalog) -> None:
    assert check(catalog, *GOOD) == []


class TestClasses:
    def test_one_example_and_none(self, catalog: Catalog) -> None:
        found = check(
            catalog, label("a", 0, 2), label("a", 2, 4), label("b", 4, 6), classes="a b c"
        )
        assert kinds(found) == ["single_example", "no_example"]
        assert found[0].places == ("one.mp4 00:00:04.000",)

    def test_two_spellings(self, catalog: Catalog) -> None:
        labels = [
            label(name, 2 * place, 2 * place + 2, film=film)
            for film in ("one", "three")
            for place, name in enumerate(["night", "Night", "nigth"])
        ]
        found = check(catalog, *labels, classes="night Night nigth")
        assert kinds(found) == ["unknown_class", "unknown_class"]
        assert "'nigth' looks like" in found[1].message

    def test_names_that_differ_by_a_number_are_meant(self, catalog: Catalog) -> None:
        found = check(catalog, *GOOD, classes="a b scene1 scene2 male female")
        assert kinds(found) == ["no_example"] * 4

    def test_one_class(self, catalog: Catalog) -> None:
        found = check(catalog, label("a", 0, 2), label("a", 2, 4), kind="any_of", classes="a")
        assert kinds(found) == ["single_class"]


class TestSegments:
    def test_outside_and_gone(self, catalog: Catalog) -> None:
        found = check(catalog, *GOOD, label("a", 5, 9), label("a", 0, 2, film="gone"))
        assert kinds(found) == ["outside_film", "no_film"]

    def test_no_shot(self, catalog: Catalog) -> None:
        catalog.add_video(VideoRecord(Video("sound", Path("/films/s.m4a"), 1, 1, 9.0, "mp4")))
        assert kinds(check(catalog, *GOOD, label("a", 0, 2, film="sound"))) == ["empty_segment"]

    def test_overlaps(self, catalog: Catalog) -> None:
        found = check(catalog, *GOOD, label("a", 3, 4.5), label("b", 2.5, 3))
        assert [one.message for one in found] == [
            "label 'b' is said twice of the same time",
            "label 'b' contradicts 'a' of the same time",
        ]

    def test_contradiction_is_none_where_several_may_hold(self, catalog: Catalog) -> None:
        assert check(catalog, *GOOD, label("a", 3, 4.5), kind="any_of") == []

    def test_a_long_label_is_compared_with_all_that_follow(self) -> None:
        labels = [
            label("a", 0, 100),
            *(label("a", n, n + 0.5) for n in range(1, 9)),
            label("b", 50, 51),
        ]
        found = [(one.name, two.name) for one, two in overlaps(labels)]
        assert found.count(("a", "b")) == 1


class TestLeaks:
    def test_one_shot_on_both_sides(self, catalog: Catalog) -> None:
        found = check(
            catalog, *GOOD, label("a", 0, 0.9, split="train"), label("a", 1, 2, split="test")
        )
        leaks = [one for one in found if one.kind.startswith("leak")]
        assert kinds(leaks) == ["leak_same_shot"]
        assert leaks[0].message == "1 shots of one.mp4 are in test and train, first shot 0"

    def test_one_film_on_both_sides(self, catalog: Catalog) -> None:
        found = check(
            catalog, label("a", 0, 2, split="train"), label("b", 2, 4, split="test"), *GOOD[2:]
        )
        assert kinds(found) == ["leak_same_video"]

    def test_the_same_footage_in_two_films(self, catalog: Catalog) -> None:
        # shot 2 of `two` is shot 0 of `one`
        twin = label("a", 4, 6, film="two", split="test")
        found = check(catalog, label("a", 0, 2, split="train"), twin, *GOOD[1:2], *GOOD[3:])
        assert kinds(found) == ["leak_near_duplicate"]
        assert found[0].score == pytest.approx(1.0)
        assert found[0].places == ("one.mp4 00:00:00.000", "two.mp4 00:00:04.000")

    def test_without_a_split_it_is_said_what_belongs_together(self, catalog: Catalog) -> None:
        assert kinds(check(catalog, *GOOD, label("a", 4, 6, film="two"))) == ["near_duplicate"]

    def test_both_on_one_side_is_no_leak(self, catalog: Catalog) -> None:
        twins = label("a", 0, 2, split="train"), label("a", 4, 6, film="two", split="train")
        assert check(catalog, *twins, *GOOD[1:2], *GOOD[3:]) == []

    def test_blocks_and_all_at_once_agree(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((30, 4)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        videos = {f"v{n}": Video(f"v{n}", Path(f"v{n}.mp4"), 1, 1, 2.0, "mp4") for n in range(30)}
        shots = {f"v{n}": [Shot(n + 1, f"v{n}", 0, Segment(0, 2), 0, 50, 1)] for n in range(30)}
        footage = Footage(videos, shots, {n + 1: rows[n] for n in range(30)})
        labels = [label("ab"[n % 2], 0, 2, film=f"v{n}") for n in range(30)]
        groups = [LabelledGroup("g", "one_of", ("a", "b"))]
        whole = check_labels(groups, labels, footage, min_cosine=0.7)
        expected = int((np.triu(rows @ rows.T, 1) >= 0.7).sum())
        assert len(whole) == expected > 3
        monkeypatch.setattr("retrieval.label_check._BLOCK", 7)
        assert check_labels(groups, labels, footage, min_cosine=0.7) == whole

    def test_bound(self, catalog: Catalog) -> None:
        with pytest.raises(InvalidInputError, match="min_cosine"):
            LabelBook(catalog).check(min_cosine=float("nan"))


class TestFile:
    def test_a_file_is_checked_without_being_imported(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        book = LabelBook(catalog)
        catalog.add_labels([LabelledGroup("g", "one_of", ("day", "night"))], [])
        rows = (
            "video,start,end,label\none,0,2,day\none,1,2,night\ntwo,3,3,night\n"
            "two,0,9,day\nfour,0,1,day\nthree,0,2,nigth\n"
        )
        path = write(tmp_path, "a.csv", rows)
        found = book.check_file(path, options=ImportOptions(group="g"))
        assert {(one.kind, one.places[0]) for one in found if one.places} >= {
            ("empty_segment", "a.csv, line 4"),
            ("outside_film", "a.csv, line 5"),
            ("no_film", "a.csv, line 6"),
            ("overlap", "a.csv, line 2"),
            ("unknown_class", "a.csv, line 7"),
        }
        assert book.labels() == []
