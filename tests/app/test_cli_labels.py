"""`sceneprint labels` over a library of made films: from a file to the library and back."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from app.cli.labels import CosineOption, check_labels
from retrieval.label_check import NEAR_DUPLICATE_COSINE
from tests import films

CSV = "video,start,end,label,group\ncolours,0,2,red,tint\ncolours,2,4,green,tint\n"


class Shell:
    def __init__(self, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.library = library
        self.capsys = capsys

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        got = run(["labels", *map(str, arguments), "--library", str(self.library)])
        self.out, self.err = self.capsys.readouterr()
        assert got == code, f"{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        return self.out

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def shell(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    own = tmp_path / "library"
    shutil.copytree(library, own)
    return Shell(own, capsys)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "tints.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def test_import_list_export_and_import_again(shell: Shell, labels: Path, tmp_path: Path) -> None:
    assert shell("import", labels) == "2 labels on 1 films imported into tint (one of)\n"
    assert "colours.mp4" in shell("list", "--group", "tint")
    assert [word in shell("list") for word in ("tint", "red", "green")] == [True] * 3
    shown = shell.json("list")
    assert [(one["name"], one["segment"]) for one in shown["labels"]] == [
        ("red", {"start_seconds": 0.0, "end_seconds": 2.0}),
        ("green", {"start_seconds": 2.0, "end_seconds": 4.0}),
    ]
    out = tmp_path / "out.jsonl"
    assert shell("export", "--format", "jsonl", "--out", out) == ""
    assert shell("import", out).startswith("0 labels on 0 films imported")
    assert shell.json("remove", "tint")["num_removed"] == 2
    assert shell.json("import", out)["num_added"] == 2
    assert shell("export").startswith("video,start,end,label,group,kind")


def test_mistakes_say_where_and_leave_nothing(shell: Shell, labels: Path) -> None:
    labels.write_text(f"{CSV}colours,1,3,blue,tint\ncolours,9,10,red,tint\n", encoding="utf-8")
    shell("import", labels, code=2)
    assert "no label was imported" in shell.err
    assert "tints.csv, line 5: the label is at 9.000" in shell.err
    assert "'red' and 'blue' both hold" in shell.err
    assert "there are no labels" in shell("list")
    shell("import", labels.parent / "none.csv", code=2)
    assert "does not exist" in shell.err


def test_check(shell: Shell, labels: Path) -> None:
    shell("import", labels)
    found = shell.json("check")
    assert [one["kind"] for one in found] == ["single_example", "single_example"]
    assert found[0]["places"] == ["colours.mp4 00:00:00.000 (tints.csv, line 2)"]
    labels.write_text(f"{CSV}colours,1,3,reed,tint\n", encoding="utf-8")
    text = shell("check", labels)
    assert "overlap  tint: 'red' and 'reed' both hold at 1.000 s of colours.mp4" in text
    assert "    tints.csv, line 4" in text


def test_annotations_of_classify_can_be_imported(
    shell: Shell, colour_film: films.Film, tmp_path: Path
) -> None:
    from retrieval.engine import Engine
    from retrieval.labels import parse_labels
    from tests.fakes import FakeEncoder

    with Engine(shell.library, encoder=FakeEncoder(layout_weight=1.0)) as engine:
        groups = [parse_labels("red,green,blue", name="scene_colour")]
        items = engine.classify(colour_film.path, groups=groups)
        records = engine.annotations(items, source=colour_film.path)
    path = tmp_path / "colours.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    assert shell.json("import", path)["num_added"] == 3
    lines = [json.loads(line) for line in shell("export", "--format", "jsonl").splitlines()]
    assert [{key: line[key] for key in records[0]} for line in lines] == records


def test_the_shown_default_is_that_of_the_core() -> None:
    import inspect

    assert CosineOption is not None
    assert inspect.signature(check_labels).parameters["min_cosine"].default == NEAR_DUPLICATE_COSINE


@pytest.mark.parametrize("arguments", [["import"], ["list", "--group", "x"], ["check", "none"]])
def test_misuse_is_one_line(shell: Shell, arguments: Sequence[str]) -> None:
    shell(*arguments, code=2)
    assert shell.err


def test_label_by_hand_and_ask_what_comes_next(shell: Shell, fake_encoder: None) -> None:
    assert shell("group", "tint", "--classes", "red, green,blue") == (
        "tint (one of): red, green, blue\n"
    )
    assert "colours.mp4" in shell("queue", "tint", "--video", "colours.mp4")
    assert "no example yet of red, green, blue" in " ".join(shell.err.split())
    shown = shell.json("queue", "tint", "--limit", "3")
    best = [item["scores"][0]["label"] for item in shown["shots"]]
    assert best == ["red", "green", "blue"]
    assert shell("add", "tint", "red", "--video", "colours.mp4", "--shot", "1").startswith(
        "1 labels"
    )
    again = shell("add", "tint", "green", "--video", "colours.mp4", "--start", "2", "--end", "4")
    assert again == "1 labels added, 1 removed\n"
    assert [one["source"] for one in shell.json("list")["labels"]] == ["command line"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "tint", "red", "--video", "colours.mp4"], "expected --shot"),
        (["add", "tint", "red", "--video", "colours.mp4", "--shot", "99"], "counted from 0"),
        (
            ["add", "tint", "red", "--video", "colours.mp4", "--shot", "1", "--end", "2"],
            "expected one of them",
        ),
        (["add", "tint", "pink", "--video", "colours.mp4", "--shot", "1"], "has red, green"),
        (["queue", "mood"], "there is: tint"),
        (["group", "tint", "--classes", "blue", "--multi"], "choose another name"),
    ],
)
def test_mistakes_by_hand_are_explained(
    shell: Shell, labels: Path, fake_encoder: None, arguments: list[str], message: str
) -> None:
    shell("import", labels)
    shell(*arguments, code=2)
    assert message in " ".join(shell.err.split())
