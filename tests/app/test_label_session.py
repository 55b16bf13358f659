"""The walk through shots to label, and the fragments that show it, without a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.ui import label_cards, label_tab
from app.ui.label_session import LabelSession, Sessions, adapter_name
from retrieval.catalog import Catalog
from retrieval.engine import Engine
from retrieval.teach import Lesson
from tests.app.made import HOSTILE
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

FAST = "anchored-probe"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    encoder = FakeEncoder()
    with Engine(tmp_path / "library", encoder=encoder, create=True) as engine:
        add_film(engine.catalog, encoder, "one", ["red", "green", "red", "green", "blue"])
        engine.label_desk.make_group("hue", kind="one_of", classes=["red", "green"])
        engine.label_desk.make_group("parts", kind="any_of", classes=["red", "green"])
        teach = engine.teach
        monkeypatch.setattr(
            engine, "teach", lambda name, group: teach(name, group, adapter=FAST), raising=False
        )
        yield engine


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []

    def show(message: str, **_: object) -> None:
        shown.append(message)

    monkeypatch.setattr(gr, "Warning", show)
    monkeypatch.setattr(gr, "Info", show)
    return shown


def told(engine: Engine) -> list[tuple[str, float, str]]:
    labels = engine.labels.labels()
    return [(label.name, label.segment.start_seconds, label.source) for label in labels]


def number(walk: LabelSession) -> int:
    assert walk.current is not None
    return walk.current.shot.number


def test_one_click_keeps_the_label_and_shows_the_next(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    first = number(walk)
    assert first == 0  # the likeliest red
    walk.say("red")
    assert told(engine) == [("red", 0.0, "browser")]
    assert number(walk) == 1  # the likeliest green: there is none yet
    assert walk.num_new == 1
    assert walk.queue.num_labelled == {"red": 1, "green": 0}


def test_undo_takes_back_and_shows_the_shot_again(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    walk.say("red")
    walk.skip()
    skipped = number(walk)
    walk.undo()
    assert number(walk) != skipped
    walk.undo()
    assert number(walk) == 0
    assert told(engine) == []
    assert not walk.can_undo
    walk.undo()  # nothing more to undo
    assert walk.num_new == 0


def test_skipped_shots_do_not_come_again(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    seen = set()
    while walk.current is not None:
        seen.add(number(walk))
        walk.skip()
    assert seen == set(range(5))
    assert "Every shot was looked at" in label_cards.card(walk)
    walk.say("red")  # a late key
    walk.skip()
    assert told(engine) == []
    label_tab._answer(walk, {"shot": 0, "action": "undo"})
    assert number(walk) in seen


def test_several_classes_are_kept_at_once_and_taken_back_one_by_one(engine: Engine) -> None:
    walk = LabelSession(engine, "parts")
    here = number(walk)
    for name in ("red", "green", "red"):
        walk.say(name)
    assert number(walk) == here
    assert walk.held == ("green",)
    assert [name for name, *_ in told(engine)] == ["green"]
    card = label_cards.card(walk)
    assert 'aria-pressed="true"' in card
    assert ">Next" in card
    walk.undo()
    assert set(walk.held) == {"red", "green"}
    walk.skip()
    assert number(walk) != here
    assert len(told(engine)) == 2


def test_learning_again_changes_the_guess_and_not_the_shot(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    walk.say("red")
    assert not walk.is_due(1)  # no green yet
    walk.say("green")
    assert walk.is_due(2)
    assert not walk.is_due(0)
    here = number(walk)
    lesson = walk.learn()
    assert (lesson.name, lesson.version) == ("hue", 1)
    assert number(walk) == here
    assert walk.adapter == walk.queue.adapter == "hue/1"
    assert not walk.is_due(2)
    shown = label_cards.status(walk)
    assert "Learned hue/1: " in shown
    assert "sure of 0, unsure of 3" in shown
    assert "Guess of hue/1" in label_cards.card(walk)
    assert LabelSession(engine, "hue").adapter == "hue/1"  # another page, another day


def test_an_upcoming_shot_can_be_taken_first(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    wanted = walk.upcoming[2].shot
    walk.show(wanted.shot_id)
    assert number(walk) == wanted.number
    walk.show(12345)
    assert number(walk) == wanted.number


def test_names_of_adapters(engine: Engine) -> None:
    assert adapter_name(engine, "time of day!", None) == "time-of-day"
    assert adapter_name(engine, "///", None) == "labels"
    assert adapter_name(engine, "hue", "mine/3") == "mine"
    walk = LabelSession(engine, "hue")
    walk.say("red")
    walk.say("green")
    walk.learn()
    assert adapter_name(engine, "hue!", None) == "hue-2"  # `hue` learned another group


def test_the_walks_of_pages_are_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.label_session.MAX_SESSIONS", 2)
    sessions, walk = Sessions(), LabelSession(engine, "hue")
    for name in ("a", "b", "c"):
        sessions.put(name, walk)
    assert [sessions.get(name) is walk for name in ("a", "b", "c")] == [False, True, True]
    sessions.put("b", None)
    assert sessions.get("b") is None


def test_hostile_names_stay_text(engine: Engine) -> None:
    add_film(engine.catalog, engine.encoder, HOSTILE.removesuffix(".mp4"), ["dark"])
    engine.label_desk.make_group("hue", kind="one_of", classes=["<script>x</script>"])
    walk = LabelSession(engine, "hue", engine.videos()[-1].video_id)
    shown = label_cards.card(walk) + label_cards.status(walk)
    assert "<img src=x" not in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


# --- what buttons and keys do


def click(walk: LabelSession, **data: Any) -> tuple[Any, Any]:
    assert walk.current is not None
    return label_tab._answer(walk, {"shot": walk.current.shot.shot_id, **data})


def test_a_late_click_is_not_said_of_the_next_shot(engine: Engine) -> None:
    walk = LabelSession(engine, "hue")
    assert walk.current is not None
    late = walk.current.shot.shot_id
    click(walk, action="say", index=0)
    label_tab._answer(walk, {"shot": late, "action": "say", "index": 0})
    assert len(told(engine)) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"action": "say", "index": 7},
        {"action": "say", "index": "0"},
        {"action": "say"},
        {"action": "show"},
        {"action": "remove everything"},
        {},
    ],
)
def test_what_no_button_says_does_nothing(engine: Engine, data: dict[str, Any]) -> None:
    walk = LabelSession(engine, "hue")
    click(walk, **data)
    assert told(engine) == []


def test_a_busy_library_is_said_and_nothing_is_lost(engine: Engine, notices: list[str]) -> None:
    walk = LabelSession(engine, "hue")
    here = number(walk)
    engine.catalog._lock._wait_seconds = 0.1
    with Catalog.open(engine.library) as other, other.writing():
        click(walk, action="say", index=0)
    assert "is being written by" in notices[0]
    assert number(walk) == here
    assert not walk.can_undo
    click(walk, action="say", index=0)
    assert len(told(engine)) == 1


def test_learning_needs_an_example_of_each_class(engine: Engine, notices: list[str]) -> None:
    walk = LabelSession(engine, "hue")
    list(label_tab._learn(walk))
    assert "none yet: red, green" in notices[0]
    click(walk, action="say", index=0)
    click(walk, action="say", index=1)
    first, second = label_tab._learn(walk)
    assert "Learning …" in first[1]
    assert "Learned hue/1" in second[1]


def test_what_fails_while_learning_is_said(
    engine: Engine, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = LabelSession(engine, "hue")
    click(walk, action="say", index=0)
    click(walk, action="say", index=1)

    def broken(*_: object) -> Lesson:
        raise RuntimeError("inside")

    monkeypatch.setattr(engine, "teach", broken)
    *_, last = label_tab._learn(walk)
    assert "Learning …" not in last[1]
    assert notices == ["Something unexpected happened; the server's log has the details."]


def test_groups_are_made_on_the_page(engine: Engine, notices: list[str]) -> None:
    label_tab._make(engine, " light ", "one_of", "day， night,")
    assert engine.labels.groups()[-1].classes == ("day", "night")
    label_tab._make(engine, "light", "any_of", "dusk")
    assert "choose another name" in notices[-1]
    sessions = Sessions()
    card, status = label_tab._open(engine, sessions, "light", "", "page")
    assert "sp-label" in card
    assert "day 0" in status
    assert sessions.get("page") is not None
    assert "Teach it your own classes" in label_tab._open(engine, sessions, None, "", "page")[0]
    label_tab._open(engine, sessions, "gone", "", "page")
    assert "found no label group" in notices[-1]
