"""Every reader on a small file of its format, and on what hostile or careless people write."""

import json
from pathlib import Path

import pytest

from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_files import FORMATS, FileLabel, Moment, base, read_labels, xml_nodes
from retrieval.types import Box
from tests.retrieval.label_files import samples
from tests.retrieval.label_files.samples import write

LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)


def by_name(labels: tuple[FileLabel, ...]) -> dict[str, FileLabel]:
    return {label.name: label for label in labels}


def fails(path: Path, match: str, **options: str) -> None:
    with pytest.raises(InvalidInputError, match=match):
        read_labels(path, **options)


class TestCvat:
    def test_tracks_end_where_they_are_outside_and_images_are_frames(self, tmp_path: Path) -> None:
        read = read_labels(write(tmp_path, "annotations.xml", samples.CVAT))
        assert (read.format, list(read.classes)) == ("cvat", ["bike", "dog"])
        found = by_name(read.labels)
        bike, dog = found["bike"], found["dog"]
        assert (bike.film, bike.start, bike.end) == (
            "night.mp4",
            Moment(frame=50),
            Moment(frame=75),
        )
        assert bike.boxes[0] == (Moment(frame=50), LEFT)
        assert (bike.track, bike.where.line) == ("0", 9)
        assert (dog.film, dog.start, dog.end) == ("night.mp4", Moment(frame=100), None)
        assert dog.boxes == ((None, RIGHT),)

    def test_a_track_that_comes_back_is_two_labels(self, tmp_path: Path) -> None:
        box = 'occluded="0" xtl="0" ytl="0" xbr="100" ybr="100"/>'
        more = f'<box frame="80" outside="0" keyframe="1" {box}'
        text = samples.CVAT.replace("  </track>", f"{more}</track>")
        read = read_labels(write(tmp_path, "a.xml", text))
        bikes = [label for label in read.labels if label.name == "bike"]
        assert [(one.start, one.end) for one in bikes] == [
            (Moment(frame=50), Moment(frame=75)),
            (Moment(frame=80), Moment(frame=81)),
        ]

    def test_keyframes_alone_hold_what_lies_between(self, tmp_path: Path) -> None:
        # a box at 50 and one at 74, nothing between: it is there all the while
        text = samples.CVAT.replace('frame="60"', 'frame="74"').replace(
            'keyframe="0"', 'keyframe="1"'
        )
        bike = by_name(read_labels(write(tmp_path, "a.xml", text)).labels)["bike"]
        assert (bike.start, bike.end, len(bike.boxes)) == (Moment(frame=50), Moment(frame=75), 2)

    def test_tags_and_whole_pictures_have_no_box(self, tmp_path: Path) -> None:
        text = samples.CVAT.replace('xtl="100" ytl="0"', 'xtl="0" ytl="0"').replace(
            "</image>", '<tag label="night"/></image>'
        )
        found = by_name(read_labels(write(tmp_path, "a.xml", text)).labels)
        assert found["dog"].boxes == found["night"].boxes == ()

    def test_polygons_become_boxes_and_attributes_are_told(self, tmp_path: Path) -> None:
        shape = (
            '<polygon label="cat" points="20,10;60,10;40,50"><attribute name="colour">red'
            "</attribute></polygon>"
        )
        read = read_labels(
            write(tmp_path, "a.xml", samples.CVAT.replace("</image>", shape + "</image>"))
        )
        assert by_name(read.labels)["cat"].boxes == ((None, Box(0.1, 0.1, 0.3, 0.5)),)
        assert "colour" in read.notes[0]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('frame="50"', 'frame="x"', r"line 9: got frame 'x'"),
            ('frame="60"', 'frame="50"', r"line 10.*frame 50 twice"),
            ('label="dog"', 'label=""', r"line 14: got class"),
            ('xtl="100" ytl="0"', 'xtl="nan" ytl="0"', r"line 14: got xtl"),
            ('xtl="100" ytl="0"', 'xtl="900" ytl="0"', r"line 14.*outside"),
            ("<version>1.1", "<version>2.0", r"line 3: got version"),
            ("</track>", "", r"not well-formed"),
        ],
    )
    def test_mistakes_name_their_line(
        self, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        fails(write(tmp_path, "a.xml", samples.CVAT.replace(old, new, 1)), message)


class TestHostileXml:
    def test_entities_and_document_types_are_refused(self, tmp_path: Path) -> None:
        bomb = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><annotations>&c;</annotations>'
        fails(write(tmp_path, "a.xml", bomb), "document type", format="cvat")
        outside = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>'
        fails(write(tmp_path, "b.xml", outside), "document type", format="cvat")

    def test_depth_and_counts_are_bounded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deep = "<annotations>" + "<a>" * 100 + "</a>" * 100 + "</annotations>"
        fails(write(tmp_path, "a.xml", deep), "nested deeper")
        monkeypatch.setattr(xml_nodes, "MAX_NODES", 50)
        many = "<annotations>" + "<a/>" * 60 + "</annotations>"
        fails(write(tmp_path, "b.xml", many), "more than 50 elements")
        monkeypatch.setattr(xml_nodes, "MAX_FILE_BYTES", 100)
        fails(write(tmp_path, "c.xml", samples.CVAT), "more than 100 bytes")

    def test_no_xml_at_all(self, tmp_path: Path) -> None:
        for number, text in enumerate(["", "\0\1", "<a", "{}"]):
            fails(write(tmp_path, f"{number}.xml", text), f"{number}.xml", format="cvat")


class TestVoc:
    def test_a_file_and_a_folder(self, tmp_path: Path) -> None:
        path = write(tmp_path, "night/frame_000100.xml", samples.VOC)
        assert read_labels(path).labels == read_labels(tmp_path, format="voc").labels
        dog = by_name(read_labels(path).labels)["dog"]
        assert (dog.image, dog.boxes, dog.where.line) == (
            "night/frame_000100.png", ((None, RIGHT),), 4,
        )  # fmt: skip

    def test_path_names_the_film_before_the_folder(self, tmp_path: Path) -> None:
        text = samples.VOC.replace("<size>", "<path>C:\\films\\day\\frame_1.png</path><size>")
        assert read_labels(write(tmp_path, "a.xml", text)).labels[0].image == "day/frame_000100.png"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("<bndbox>", "<box>", "not well-formed"),
            ("<width>200</width>", "<width>0</width>", "line 4: got a picture of 0 x 100"),
            ("<xmin>100</xmin>", "", "line 4: got xmin None"),
            ("<name>dog</name>", "<name> </name>", "line 4: got class"),
            ("annotation>", "other>", "expected <annotation>"),
        ],
    )
    def test_mistakes_name_their_line(
        self, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        fails(write(tmp_path, "a.xml", samples.VOC.replace(old, new)), message, format="voc")


class TestYolo:
    def test_labelimg_folder(self, tmp_path: Path) -> None:
        read = read_labels(samples.write_yolo(tmp_path / "set"))
        assert (read.format, list(read.classes)) == ("yolo", ["bike", "dog"])
        dog = by_name(read.labels)["dog"]
        assert (dog.image, dog.boxes, dog.where.line) == ("set/night_000100", ((None, RIGHT),), 1)

    def test_ultralytics_folder(self, tmp_path: Path) -> None:
        yaml = "path: .\ntrain: images/train\nnames:\n  0: bike\n  1: no\n"
        write(tmp_path, "data.yaml", yaml)
        write(tmp_path, "labels/valid/night_7.txt", "1 0.25 0.5 0.5 1 0.9\n")
        write(tmp_path, "labels/train/night_8.txt", "0 0 0 0.5 0 0.5 1 0 1\n")
        write(tmp_path, "notes.txt", "these are no labels")
        read = read_labels(tmp_path)
        assert {(one.name, one.split, one.boxes[0][1]) for one in read.labels} == {
            ("no", "val", LEFT), ("bike", "train", LEFT),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("5 0.5 0.5 1 1", "line 1: got class number 5"),
            ("x 0.5 0.5 1 1", "line 1: got class number 'x'"),
            ("0 0.5 0.5 1", "line 1: got 3 values"),
            ("0 50 50 10 10", "line 1: got values outside"),
            ("0 0.5 0.5 inf 1", "line 1: got value 'inf'"),
            ("1e400 0.5 0.5 1 1", "line 1: got class number"),
        ],
    )
    def test_mistakes_name_their_line(self, tmp_path: Path, line: str, message: str) -> None:
        samples.write_yolo(tmp_path)
        fails(write(tmp_path, "night_1.txt", line), message)

    @pytest.mark.parametrize(
        "text", ["names: [a, a]", "names: 3", "[" * 5000, "names: [{}]", "&a [*a]", "names: []"]
    )
    def test_bad_yaml(self, tmp_path: Path, text: str) -> None:
        write(tmp_path, "data.yaml", text)
        write(tmp_path, "a_1.txt", "0 0.5 0.5 1 1")
        fails(tmp_path, "data.yaml", format="yolo")

    def test_no_names(self, tmp_path: Path) -> None:
        fails(write(tmp_path / "a/b/c", "film_1.txt", "0 0.5 0.5 1 1"), "no class names")


class TestCoco:
    def test_pictures(self, tmp_path: Path) -> None:
        read = read_labels(samples.write_coco(tmp_path))
        dog = by_name(read.labels)["dog"]
        assert (dog.image, dog.boxes) == ("night/frame_000100.png", ((None, RIGHT),))
        assert (dog.split, list(read.classes)) == ("test", ["bike", "dog"])

    def test_tracks_are_joined_over_the_pictures_of_the_film(self, tmp_path: Path) -> None:
        frames = [0, 5, 10, 15, 20]
        data = {
            "videos": [{"id": 1, "name": "night.mp4"}],
            "categories": [{"id": 1, "name": "bike"}],
            "images": [
                {"id": n, "video_id": 1, "frame_id": n, "file_name": f"{n}.png",
                 "width": 200, "height": 100}
                for n in frames
            ],
            "annotations": [
                {"id": n, "image_id": n, "category_id": 1, "track_id": 7, "bbox": [0, 0, 100, 100]}
                for n in frames if n != 10
            ],
        }  # fmt: skip
        read = read_labels(write(tmp_path, "a.json", json.dumps(data)))
        assert [(one.start, one.end, len(one.boxes)) for one in read.labels] == [
            (Moment(frame=0), Moment(frame=10), 2),
            (Moment(frame=15), Moment(frame=25), 2),
        ]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"category_id": 2', '"category_id": 9', r"line 2\d: got category_id 9"),
            ('"image_id": 1', '"image_id": "one"', r"line 2\d: got image_id 'one'"),
            ('"bbox": [', '"bbox": [0,', r"line 2\d: got bbox"),
            ('"width": 200', '"width": NaN', "line 3.*NaN is no number"),
            ('"file_name"', '"name"', "line 3: got file_name None"),
        ],
    )
    def test_mistakes_name_their_line(
        self, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        text = json.dumps(samples.COCO, indent=1)
        assert old in text
        fails(write(tmp_path, "a.json", text.replace(old, new, 1)), message)

    @pytest.mark.parametrize("text", ["{", '{"images": [1]}', "{} x", "[" * 100_000, '{"images"'])
    def test_no_coco_at_all(self, tmp_path: Path, text: str) -> None:
        fails(write(tmp_path, "a.json", text), "a.json", format="coco")


class TestTable:
    def test_rows(self, tmp_path: Path) -> None:
        bike, dog = read_labels(write(tmp_path, "a.csv", samples.CSV)).labels
        assert (bike.start, bike.end) == (Moment(seconds=2.0), Moment(seconds=3.0))
        assert (dog.start, dog.end) == (Moment(seconds=4.0), Moment(timecode=(4, 1)))
        assert (dog.film, dog.group, dog.where.line) == ("night.mp4", "things", 3)

    def test_semicolons_a_mark_and_all_columns(self, tmp_path: Path) -> None:
        text = (
            "\ufeffvideo;label;start_frame;end_frame;kind;split;text;left;top;right;bottom\r\n"
            'a.mp4;day;50;75;any_of;valid;"one; two";0;0;0.5;1\r\n\r\na.mp4;night;;;;;;;;;\r\n'
        )
        day, night = read_labels(write(tmp_path, "a.csv", text)).labels
        assert (day.start, day.end, day.kind) == (Moment(frame=50), Moment(frame=75), "any_of")
        assert (day.split, day.text, day.boxes) == ("val", "one; two", ((None, LEFT),))
        assert (night.start, night.end, night.where.line) == (None, None, 4)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "line 1: got columns"),
            ("video,start,end\n", "line 1: got columns"),
            ("video,label,when\n", "line 1: got columns"),
            ("video,label\na.mp4\n", "line 2: got 1 cells"),
            ("video,label\na.mp4,\n", "line 2: got class"),
            ("video,start,end,label\na,1,2,x\na,x,2,x\n", "line 3: got start 'x'"),
            ("video,start,end,label\na,,2,x\n", "line 2: got an end without a start"),
            ("video,start,label\na,-1,x\n", "line 2: got start '-1'"),
            ("video,start,label\na,00:00:01;05,x\n", "drop-frame"),
            ("video,label,split\na,x,all\n", "line 2: got split"),
            ("video,label,kind\na,x,both\n", "line 2: got kind"),
            ('video,label\na,"x\n', "is not valid CSV"),
        ],
    )
    def test_mistakes_name_their_line(self, tmp_path: Path, text: str, message: str) -> None:
        fails(write(tmp_path, "a.csv", text), message)

    def test_other_encodings_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes("video,label\na,x\na,dämmerung\n".encode("latin-1"))
        fails(path, "line 3: is not UTF-8")

    def test_counts_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(base, "MAX_LABELS", 1)
        fails(write(tmp_path, "a.csv", samples.CSV), "line 3: more than 1 labels")


class TestJsonLines:
    def test_lines_and_a_list_are_alike(self, tmp_path: Path) -> None:
        lines = read_labels(write(tmp_path, "night.jsonl", samples.JSONL)).labels
        listed = read_labels(write(tmp_path, "night.json", f"[{samples.JSONL}]")).labels
        assert [(one.name, one.group, one.film, one.text) for one in lines] == [
            (one.name, one.group, one.film, one.text) for one in listed
        ]
        assert [one.name for one in lines] == ["indoor", "night"]
        assert (lines[0].film, lines[0].text, lines[0].is_shot) == ("night", "a room", True)
        assert lines[0].start == Moment(frame=125)

    @pytest.mark.parametrize(
        "record",
        [
            "3",
            "{}",
            '{"frame_id": -1, "scene_type": "x"}',
            '{"frame_id": 1.5, "scene_type": "x"}',
            '{"frame_id": 1, "scene_type": ["x"]}',
            '{"frame_id": 1, "scene_type": "x,,y"}',
            '{"frame_id": 1}',
            '{"frame_id": 1, "labels": {"a": "x"}}',
            '{"frame_id": 1, "labels": {"a": ["x"]}, "boxes": [[1]]}',
            '{"frame_id": 1, "scene_type": "x", "split": "all"}',
            '{"start_seconds": NaN, "end_seconds": 1, "scene_type": "x"}',
            "{",
        ],
    )
    def test_mistakes_name_their_line(self, tmp_path: Path, record: str) -> None:
        fails(write(tmp_path, "night.jsonl", f"{samples.JSONL}{record}\n"), "line 2")


class TestClips:
    def test_folders_are_classes(self, tmp_path: Path) -> None:
        for name in (
            "day/one.mp4",
            "day/more/two.MKV",
            "night/three.mov",
            "night/x.txt",
            ".git/a.mp4",
        ):
            write(tmp_path, name, "")
        read = read_labels(tmp_path)
        assert (read.format, list(read.classes)) == ("clips", ["day", "night"])
        assert [(one.name, one.start, str(one.where)) for one in read.labels] == [
            ("day", None, "day/more/two.MKV"),
            ("day", None, "day/one.mp4"),
            ("night", None, "night/three.mov"),
        ]
        assert read.labels[1].film == str(tmp_path / "day/one.mp4")

    def test_below_train_and_test(self, tmp_path: Path) -> None:
        for name in ("train/day/one.mp4", "test/day/two.mp4"):
            write(tmp_path, name, "")
        found = {(one.name, one.split) for one in read_labels(tmp_path).labels}
        assert found == {("day", "train"), ("day", "test")}

    def test_nothing_there(self, tmp_path: Path) -> None:
        (tmp_path / "day").mkdir()
        fails(tmp_path, "holds no clips")


def made(folder: Path) -> dict[str, Path]:
    """A good file or folder of every format."""
    return {
        "cvat": write(folder, "1.xml", samples.CVAT),
        "voc": write(folder, "2.xml", samples.VOC),
        "coco": samples.write_coco(folder),
        "csv": write(folder, "3.csv", samples.CSV),
        "jsonl": write(folder, "4.jsonl", samples.JSONL),
        "yolo": samples.write_yolo(folder / "yolo"),
        "clips": write(folder, "clips/day/1.mp4", "").parent.parent,
    }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_the_contract(tmp_path: Path, name: str) -> None:
    path = made(tmp_path)[name]
    read = read_labels(path)
    assert read.format == name  # told by looking
    assert read == read_labels(path, format=name)
    for label in read.labels:
        assert label.name == label.name.strip() != ""
        assert label.film or label.image
        assert label.where.file
        assert label.where.line is not None or name == "clips"
    for label_name in read.classes:
        assert label_name in {label.name for label in read.labels}


def test_unknown_paths_and_formats(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_labels(tmp_path / "none.csv")
    fails(tmp_path, "expected auto", format="excel")
    fails(tmp_path, "looks like no label format")
    fails(write(tmp_path, "a.doc", "x"), "looks like no label format")
