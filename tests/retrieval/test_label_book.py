"""Labels from files into a library and back: all or nothing, and nothing lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_book import ImportOptions, LabelBook
from retrieval.label_types import Label
from retrieval.types import Box, Segment
from tests import films
from tests.retrieval.label_files import samples
from tests.retrieval.label_files.samples import film, write

LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)
NIGHT = "vnight"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        made.add_video(film("night.mp4"))
        made.add_video(film("day.mp4"))
        yield made


@pytest.fixture
def book(catalog: Catalog) -> LabelBook:
    return LabelBook(catalog)


def said(labels: list[Label]) -> list[tuple[str, float, float]]:
    return [(one.name, one.segment.start_seconds, one.segment.end_seconds) for one in labels]


def keys(labels: list[Label]) -> set[tuple[object, ...]]:
    return {label.key for label in labels}


def refused(book: LabelBook, path: Path, match: str, **options: object) -> None:
    before = book.labels(), book.groups()
    with pytest.raises(InvalidInputError, match=match):
        book.import_from(path, options=ImportOptions(**options))  # type: ignore[arg-type]
    assert (book.labels(), book.groups()) == before


class TestFormats:
    def test_cvat(self, book: LabelBook, tmp_path: Path) -> None:
        done = book.import_from(write(tmp_path, "a.xml", samples.CVAT))
        assert (done.num_added, done.num_videos, done.groups[0].kind) == (2, 1, "any_of")
        dog, bike = sorted(book.labels(), key=lambda one: -one.segment.start_seconds)
        assert said([bike, dog]) == [("bike", 2.0, 3.0), ("dog", 4.0, pytest.approx(4.04))]
        assert [(item.seconds, item.box) for item in bike.boxes] == [(2.0, LEFT), (2.4, LEFT)]
        assert dog.boxes[0].box == RIGHT
        assert (bike.source, bike.line, bike.video_name) == ("a.xml", 9, "night.mp4")

    def test_voc_yolo_and_coco_say_the_same(self, book: LabelBook, tmp_path: Path) -> None:
        book.import_from(write(tmp_path, "voc/frame_000100.xml", samples.VOC))
        first = keys(book.labels())
        assert len(first) == 2
        for path in (samples.write_yolo(tmp_path / "yolo"), samples.write_coco(tmp_path)):
            done = book.import_from(path)
            assert (done.num_added, done.num_known) == (0, 2)
        assert keys(book.labels()) == first

    def test_table(self, book: LabelBook, tmp_path: Path) -> None:
        done = book.import_from(write(tmp_path, "a.csv", samples.CSV))
        assert [(one.name, one.kind, one.classes) for one in done.groups] == [
            ("things", "one_of", ("bike", "dog"))
        ]
        assert said(book.labels()) == [("bike", 2, 3), ("dog", 4, pytest.approx(4.04))]

    def test_records_stand_for_the_shot_around_their_frame(
        self, book: LabelBook, tmp_path: Path
    ) -> None:
        book.import_from(
            write(tmp_path, "night.jsonl", samples.JSONL), options=ImportOptions(split="val")
        )
        assert said(book.labels(group="scene_type")) == [("indoor", 5, 7.5), ("night", 5, 7.5)]
        assert {one.text for one in book.labels()} == {"a room"}

    def test_annotations_come_back_as_they_were(self, book: LabelBook, tmp_path: Path) -> None:
        import json

        records = [
            {"frame_id": 31, "scene_type": "indoor", "audio_emotion": "calm",
             "text_description": ""},
            {"frame_id": 94, "scene_type": "outdoor", "audio_emotion": "tense",
             "text_description": "hello"},
        ]  # fmt: skip
        text = "".join(f"{json.dumps(record)}\n" for record in records)
        book.import_from(write(tmp_path, "night.jsonl", text))
        written = [json.loads(line) for line in book.export(format="jsonl").splitlines()]
        assert [{key: line[key] for key in records[0]} for line in written] == records

    def test_folders_of_clips(self, catalog: Catalog, book: LabelBook, tmp_path: Path) -> None:
        for name in ("light/dark/one.mp4", "light/bright/one.mp4"):
            path = write(tmp_path, name, "")
            catalog.add_video(film("one.mp4", folder=str(path.parent), number=len(name)))
        book.import_from(tmp_path / "light", options=ImportOptions(group="light"))
        assert {(one.name, one.segment) for one in book.labels()} == {
            ("dark", Segment(0, 10)), ("bright", Segment(0, 10)),
        }  # fmt: skip


class TestFilms:
    def test_found_by_path_name_and_stem(
        self, catalog: Catalog, book: LabelBook, tmp_path: Path
    ) -> None:
        rows = "video,start,end,label\n/films/night.mp4,0,1,a\nnight.mp4,1,2,b\nnight,2,3,c\n"
        rows += f"films/night.mp4,3,4,d\n{NIGHT},4,5,e\nC:\\old\\night.mp4,5,6,f\n"
        book.import_from(write(tmp_path, "a.csv", rows))
        assert {one.video_id for one in book.labels()} == {NIGHT}
        assert len(book.labels()) == 6

    def test_missing_and_ambiguous_are_listed(
        self, catalog: Catalog, book: LabelBook, tmp_path: Path
    ) -> None:
        catalog.add_video(film("night.mp4", folder="/other", number=2))
        rows = "video,start,end,label\nnight.mp4,0,1,a\ngone.mp4,0,1,b\ngone.mp4,1,2,b\n"
        path = write(tmp_path, "a.csv", rows)
        refused(book, path, r"line 2: film 'night.mp4' fits 2 videos: /films/night.mp4 \(vnight\)")
        refused(book, path, r"line 3: film 'gone.mp4' is not in the library \(2 labels\)")

    def test_named_by_hand(self, book: LabelBook, tmp_path: Path) -> None:
        path = write(tmp_path, "000100.xml", samples.VOC.replace("<folder>night</folder>", ""))
        refused(book, path, "frame_000100.png.*not in the library")
        book.import_from(path, options=ImportOptions(video="night.mp4", first_frame=1))
        assert {one.segment.start_seconds for one in book.labels()} == {99 / 25}

    def test_frames_follow_the_films_own_times(
        self, catalog: Catalog, book: LabelBook, tmp_path: Path
    ) -> None:
        # ten frames in the first second, then one a second
        times = [*(n / 10 for n in range(10)), 1.0, 2.0, 3.0, 4.0]
        path = films.write_film(
            tmp_path / "uneven.mkv", films.moving_shot(1, len(times)), times=times, gop=5
        )
        record = film("uneven.mkv", folder=str(path.parent), seconds=5.0)
        catalog.add_video(record)
        rows = "video,start_frame,end_frame,label\nuneven,2,5,a\nuneven,11,13,b\n"
        book.import_from(write(tmp_path, "a.csv", rows))
        assert [(n, round(s, 2), round(e, 2)) for n, s, e in said(book.labels())] == [
            ("a", 0.2, 0.5), ("b", 2.0, 4.0),
        ]  # fmt: skip


class TestRefusals:
    HEAD = "video,start,end,label\n"

    @pytest.mark.parametrize(
        ("rows", "match"),
        [
            ("day,0,1,a\nnight,9,12,b\n", r"line 3: the label is at 9.000 to 12.000 s, the film"),
            ("day,0,1,a\nnight,10,,b\n", "line 3: the label is at 10.000"),
            ("day,0,1,a\nnight,3,3,b\n", "line 3: the label ends at 3.000 s, where it starts"),
            ("day,0,1,a\nnight,0,4,a\n", "line 2: group 'labels' has one class, 'a'"),
            ("day,0,2,a\nday,1,3,b\n", "line 2, a.csv, line 3: 'a' and 'b' both hold at 1.000 s"),
            ("", "there are no labels"),
        ],
    )
    def test_nothing_is_imported(
        self, book: LabelBook, tmp_path: Path, rows: str, match: str
    ) -> None:
        refused(book, write(tmp_path, "a.csv", self.HEAD + rows), match)

    def test_classes_without_footage(self, book: LabelBook, tmp_path: Path) -> None:
        folder = samples.write_yolo(tmp_path / "set")
        write(folder, "classes.txt", "bike\ndog\ncat\n")
        refused(book, folder, "classes.txt, line 3: class 'cat' has no footage")
        done = book.import_from(folder, options=ImportOptions(is_lenient=True))
        assert (done.groups[0].classes, done.notes[0]) == (
            ("dog", "bike"), "left out, without footage: cat",
        )  # fmt: skip

    def test_contradiction_with_what_is_there(self, book: LabelBook, tmp_path: Path) -> None:
        book.import_from(write(tmp_path, "a.csv", f"{self.HEAD}day,0,2,a\nday,2,4,b\n"))
        path = write(tmp_path, "b.csv", f"{self.HEAD}day,1,2,b\n")
        refused(book, path, r"a.csv, line 2, b.csv, line 2: 'a' and 'b' both hold")
        refused(book, path, "group 'labels' is one_of in the library", kind="any_of")

    def test_touching_frames_do_not_contradict(self, book: LabelBook, tmp_path: Path) -> None:
        rows = "video,start_frame,end_frame,label\nday,0,10,a\nday,10,20,b\n"
        book.import_from(write(tmp_path, "a.csv", rows))
        same = "video,start_frame,end_frame,label\nday,15,16,a\n"
        refused(book, write(tmp_path, "b.csv", same), "both hold")

    def test_a_label_may_reach_a_little_beyond_the_end(
        self, book: LabelBook, tmp_path: Path
    ) -> None:
        rows = f"{self.HEAD}day,0,2,a\nday,9,10.3,b\n"
        book.import_from(write(tmp_path, "a.csv", rows))
        assert said(book.labels())[1] == ("b", 9, 10)

    def test_many_mistakes_in_one_message(self, book: LabelBook, tmp_path: Path) -> None:
        rows = "".join(f"day,{n},{n},a\n" for n in range(15))
        refused(book, write(tmp_path, "a.csv", self.HEAD + rows), "line 11.*\n  and 5 more")


class TestKeeping:
    def test_labels_outlive_their_film(
        self, catalog: Catalog, book: LabelBook, tmp_path: Path
    ) -> None:
        book.import_from(write(tmp_path, "a.csv", samples.CSV))
        before = book.labels()
        catalog.add_video(film("night.mp4"))  # read again
        assert book.labels() == before
        catalog.remove_video(NIGHT)
        assert book.labels() == before
        assert catalog.problems() == []

    def test_a_failed_write_leaves_nothing(
        self, catalog: Catalog, book: LabelBook, tmp_path: Path
    ) -> None:
        book.import_from(write(tmp_path, "a.csv", samples.CSV))
        before = book.labels()
        broken = [before[0], Label("things", "none such", NIGHT, Segment(0, 1))]
        with pytest.raises(KeyError):
            catalog.add_labels(book.groups(), broken)
        assert book.labels() == before

    def test_remove(self, book: LabelBook, tmp_path: Path) -> None:
        book.import_from(write(tmp_path, "a.csv", samples.CSV))
        assert book.remove("things", name="dog") == 1
        assert book.groups()[0].classes == ("bike",)
        assert book.remove("things") == 1
        assert (book.groups(), book.labels()) == ([], [])
        with pytest.raises(NotFoundError, match="known groups: none"):
            book.remove("things")

    def test_list_of_a_group_and_a_film(self, book: LabelBook, tmp_path: Path) -> None:
        book.import_from(write(tmp_path, "a.csv", samples.CSV))
        assert len(book.labels(group="things", video="night")) == 2
        assert book.labels(video="day.mp4") == []
        with pytest.raises(NotFoundError, match="got group 'x', known groups: things"):
            book.labels(group="x")


class TestRoundTrip:
    @pytest.fixture
    def filled(self, book: LabelBook, tmp_path: Path) -> LabelBook:
        rows = (
            "video,start,end,label,group,kind,split,text\n"
            'night.mp4,0,2.5,"dusk, late",light,one_of,train,"a ""dark""\nroom"\n'
            "night.mp4,2.5,5,night,light,one_of,test,\n"
            "day.mp4,1,2,dog,things,any_of,,\nday.mp4,1,2,bike,things,any_of,,\n"
        )
        book.import_from(write(tmp_path, "a.csv", rows))
        return book

    @staticmethod
    def again(book: LabelBook, catalog: Catalog, path: Path, text: str) -> None:
        before = book.labels(), book.groups()
        for group in book.groups():
            book.remove(group.name)
        path.write_text(text, encoding="utf-8", newline="")
        book.import_from(path)

        def told(label: Label) -> tuple[object, ...]:
            return (*label.key, label.text, label.split, label.track)

        assert sorted(map(repr, map(told, book.labels()))) == sorted(
            map(repr, map(told, before[0]))
        )
        assert {(g.name, g.kind, frozenset(g.classes)) for g in book.groups()} == {
            (g.name, g.kind, frozenset(g.classes)) for g in before[1]
        }

    def test_csv_and_jsonl(self, filled: LabelBook, catalog: Catalog, tmp_path: Path) -> None:
        for name in ("csv", "jsonl"):
            self.again(filled, catalog, tmp_path / f"b.{name}", filled.export(format=name))

    def test_boxes_and_tracks(self, book: LabelBook, catalog: Catalog, tmp_path: Path) -> None:
        book.import_from(write(tmp_path, "a.xml", samples.CVAT))
        with pytest.raises(InvalidInputError, match="1 labels are tracks of boxes"):
            book.export(format="csv")
        for name in ("jsonl", "cvat"):
            suffix = {"cvat": "xml"}.get(name, name)
            text = book.export(format=name)
            if name == "jsonl":
                self.again(book, catalog, tmp_path / f"b.{suffix}", text)
        # CVAT has frames, not times: a track for each label, the same frames and boxes
        path = write(tmp_path, "c.xml", text)
        for group in book.groups():
            book.remove(group.name)
        book.import_from(path)
        assert sorted(said(book.labels())) == [("bike", 2, 3), ("dog", 4, pytest.approx(4.04))]
        assert {one.name: one.boxes[0].box for one in book.labels()} == {"bike": LEFT, "dog": RIGHT}

    def test_cvat_holds_time_alone_too(self, book: LabelBook, tmp_path: Path) -> None:
        rows = 'video,start,end,label,text\nday,0,2,"<a & b>","say ""x"" <y>"\nday,2,4,c,\n'
        book.import_from(write(tmp_path, "a.csv", rows))
        text = book.export(format="cvat")
        book.remove("labels")
        book.import_from(write(tmp_path, "b.xml", text))
        assert said(book.labels()) == [("<a & b>", 0, 2), ("c", 2, 4)]
        assert [(one.boxes, one.text) for one in book.labels()] == [((), 'say "x" <y>'), ((), None)]

    def test_refusals(self, filled: LabelBook) -> None:
        with pytest.raises(InvalidInputError, match="2 films, 2 groups and 3 splits"):
            filled.export(format="cvat")
        with pytest.raises(InvalidInputError, match="expected csv, jsonl, cvat"):
            filled.export(format="yolo")
        filled.remove("things")
        with pytest.raises(InvalidInputError, match="there are no labels"):
            filled.export(video="day.mp4")
