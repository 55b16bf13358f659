import json
from pathlib import Path

import pytest

from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.labels import TEMPLATES, LabelGroup, builtin_groups, load_label_file, parse_labels


def test_labels_get_the_standard_sentences() -> None:
    group = parse_labels(" day, night ,")
    assert (group.name, group.labels) == ("labels", ("day", "night"))
    assert group.prompts["day"] == tuple(template.format("day") for template in TEMPLATES)


def test_chinese_labels_stand_for_themselves() -> None:
    assert parse_labels("白天，夜晚").prompts == {"白天": ("白天",), "夜晚": ("夜晚",)}


@pytest.mark.parametrize("text", ["", " , ", "day,day", "x" * 2000])
def test_bad_labels(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_labels(text)


def write(folder: Path, text: str, name: str = "labels.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_file(tmp_path: Path) -> None:
    data = {"light": {"day": ["a sunny day"], "night": []}, "place": {"sea": ["waves"]}}
    light, place = load_label_file(write(tmp_path, json.dumps(data)))
    assert light == LabelGroup(
        "light", {"day": ("a sunny day",), "night": tuple(t.format("night") for t in TEMPLATES)}
    )
    assert place.prompts == {"sea": ("waves",)}


def test_text_file(tmp_path: Path) -> None:
    text = (
        "# mine\n[light]\nday: a sunny day; bright sky\nnight\n\n[place]\nsea： waves；ships # x\n"
    )
    light, place = load_label_file(write(tmp_path, text))
    assert light.prompts["day"] == ("a sunny day", "bright sky")
    assert light.labels == ("day", "night")
    assert place.prompts == {"sea": ("waves", "ships")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "{",
        "{}",
        "[" * 100_000,
        '{"a": 1}',
        '{"a": {"b": "c"}}',
        '{"a": {"b": [1]}}',
        '{"a": {}}',
        '{"format": "sceneprint-labels", "version": 2, "group": "a", "labels": {"b": ["c"]}}',
        "a: b\na: c\n",
        "{" + '"a":{' * 50_000,
    ],
)
def test_bad_files_say_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError):
        load_label_file(write(tmp_path, text))


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_label_file(tmp_path / "missing.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InvalidInputError, match="UTF-8"):
        load_label_file(tmp_path / "binary")
    with pytest.raises(InvalidInputError):
        load_label_file(tmp_path)
    with pytest.raises(InvalidInputError, match="bytes"):
        load_label_file(write(tmp_path, "a" * 1_000_001))


def test_shipped_groups() -> None:
    groups = {group.name: group for group in builtin_groups()}
    assert set(groups) == {"scene_place", "scene_time", "scene_action", "mood"}
    assert groups["scene_place"].labels == ("indoor", "outdoor")
    assert groups["scene_time"].labels == ("day", "night")
    assert groups["scene_action"].labels == ("action", "dialogue")
    assert len(groups["mood"].labels) >= 4
