from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.errors import CatalogBusyError, InvalidInputError, NotFoundError
from retrieval.label_edits import (
    LabelEdit,
    clear_shot,
    label_shot,
    make_group,
    remove_label,
    take_back,
)
from retrieval.label_types import Label, LabelledGroup, TimedBox
from retrieval.types import Box, Segment
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

FILM = "v00000000000000000000film"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        add_film(made, FakeEncoder(), "film", ["red"] * 10)
        make_group(made, "tint", kind="one_of", classes=["warm", "cold"])
        make_group(made, "things", kind="any_of", classes=["bike", "dog"])
        yield made


def say(catalog: Catalog, name: str, start: float, end: float, group: str = "tint") -> LabelEdit:
    segment = Segment(start, end)
    return label_shot(catalog, group, name, video="film.mp4", segment=segment, source="browser")


def told(catalog: Catalog, group: str = "tint") -> list[tuple[str, float, float]]:
    found = [
        (label.name, label.segment.start_seconds, label.segment.end_seconds)
        for label in catalog.labels(group=group)
    ]
    return sorted(found, key=lambda one: one[1:])


def test_a_label_is_kept_with_its_source(catalog: Catalog) -> None:
    edit = say(catalog, "warm", 2, 4)
    (label,) = catalog.labels()
    assert edit == LabelEdit((label,), ())
    assert (label.source, label.video_name, label.video_id) == ("browser", "film.mp4", FILM)
    assert catalog.label(label.label_id) == label
    assert say(catalog, "warm", 2, 4) == LabelEdit()  # said already
    assert told(catalog) == [("warm", 2, 4)]


def test_another_class_replaces_what_was_said(catalog: Catalog) -> None:
    say(catalog, "warm", 2, 4)
    edit = say(catalog, "cold", 2, 4)
    assert told(catalog) == [("cold", 2, 4)]
    assert [label.name for label in edit.removed] == ["warm"]


def test_a_longer_label_keeps_its_parts_outside(catalog: Catalog) -> None:
    box = TimedBox(3.0, Box(0, 0, 1, 1))
    long = Label("tint", "warm", FILM, Segment(0, 10), source="a.csv", line=3, split="train")
    boxed = Label("tint", "warm", FILM, Segment(2, 4), boxes=(box,))
    catalog.add_labels([LabelledGroup("tint", "one_of", ("warm", "cold"))], [long, boxed])
    edit = say(catalog, "cold", 2, 4)
    assert told(catalog) == [("warm", 0, 2), ("cold", 2, 4), ("warm", 4, 10)]
    assert {label.where for label in catalog.labels()} == {"a.csv, line 3", "browser"}
    take_back(catalog, edit)
    assert told(catalog) == [("warm", 0, 10), ("warm", 2, 4)]
    assert [label.boxes for label in catalog.labels()] == [(), (box,)]


def test_a_longer_label_of_the_class_stays_whole(catalog: Catalog) -> None:
    say(catalog, "warm", 0, 10)
    assert say(catalog, "warm", 2, 4) == LabelEdit()
    assert told(catalog) == [("warm", 0, 10)]


def test_several_classes_hold_in_a_multi_label_group(catalog: Catalog) -> None:
    say(catalog, "bike", 2, 4, "things")
    say(catalog, "dog", 2, 4, "things")
    assert told(catalog, "things") == [("bike", 2, 4), ("dog", 2, 4)]
    edit = clear_shot(catalog, "things", video_id=FILM, segment=Segment(2, 4), name="bike")
    assert told(catalog, "things") == [("dog", 2, 4)]
    take_back(catalog, edit)
    clear_shot(catalog, "things", video_id=FILM, segment=Segment(2, 4))
    assert told(catalog, "things") == []


def test_undo_leaves_what_others_said_meanwhile(catalog: Catalog) -> None:
    edit = say(catalog, "warm", 2, 4)
    say(catalog, "cold", 4, 6)
    take_back(catalog, edit)
    assert told(catalog) == [("cold", 4, 6)]
    assert take_back(catalog, edit) == LabelEdit()  # gone already


def test_one_label_is_removed_by_its_id(catalog: Catalog) -> None:
    say(catalog, "warm", 2, 4)
    (label,) = say(catalog, "cold", 4, 6).added
    assert remove_label(catalog, label.label_id) == label
    assert told(catalog) == [("warm", 2, 4)]
    with pytest.raises(NotFoundError, match="none with this id"):
        remove_label(catalog, label.label_id)
    with pytest.raises(NotFoundError):
        remove_label(catalog, 1 << 80)


def test_groups_grow_and_keep_their_kind(catalog: Catalog) -> None:
    grown = make_group(catalog, "tint", kind="one_of", classes=["cold", "neutral"])
    assert grown.classes == ("warm", "cold", "neutral")
    with pytest.raises(InvalidInputError, match="library has it as one of"):
        make_group(catalog, "tint", kind="any_of", classes=["x"])
    with pytest.raises(InvalidInputError, match="2 to 200"):
        make_group(catalog, "new", kind="one_of", classes=["alone"])
    with pytest.raises(InvalidInputError, match="without blanks"):
        make_group(catalog, "new", kind="one_of", classes=["a", " "])
    assert [group.name for group in catalog.label_groups()] == ["tint", "things"]


@pytest.mark.parametrize(
    ("name", "group", "start", "end", "message"),
    [
        ("hot", "tint", 0, 2, "has warm, cold"),
        ("warm", "mood", 0, 2, "known groups: tint, things"),
        ("warm", "tint", 2, 2, "not empty"),
        ("warm", "tint", 19, 30, "ends at 20"),
    ],
)
def test_mistakes_are_named(
    catalog: Catalog, name: str, group: str, start: float, end: float, message: str
) -> None:
    with pytest.raises((NotFoundError, InvalidInputError), match=message):
        say(catalog, name, start, end, group)
    assert told(catalog) == []


def test_another_process_that_writes_is_named(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog._lock, "_wait_seconds", 0.1)
    with (
        Catalog.open(catalog.library) as other,
        other.writing(),
        pytest.raises(CatalogBusyError, match="is being written by"),
    ):
        say(catalog, "warm", 0, 2)
    say(catalog, "warm", 0, 2)
