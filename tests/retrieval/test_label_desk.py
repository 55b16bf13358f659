from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog_sets import SetRow
from retrieval.engine import Engine
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.label_types import Label
from retrieval.teach import shot_targets
from retrieval.types import Segment
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

FAST = "anchored-probe"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    encoder = FakeEncoder()
    with Engine(tmp_path / "library", encoder=encoder, create=True) as engine:
        add_film(engine.catalog, encoder, "one", ["red", "green", "red", "green", "blue"])
        add_film(engine.catalog, encoder, "two", ["red", "red", "dark", "bright"])
        engine.label_desk.make_group("hue", kind="one_of", classes=["red", "green"])
        yield engine


def label(engine: Engine, film: str, number: int, name: str, group: str = "hue") -> None:
    shot = engine.shots(f"{film}.mp4")[number]
    engine.label_desk.label(
        group, name, video=shot.video_id, segment=shot.segment, source="browser"
    )


def places(engine: Engine, **options: object) -> list[tuple[str, int]]:
    queue = engine.label_desk.queue("hue", **options)  # type: ignore[arg-type]
    return [(item.video.name, item.shot.number) for item in queue.shots]


def test_words_find_an_example_of_each_class(engine: Engine) -> None:
    queue = engine.label_desk.queue("hue")
    assert queue.missing == ("red", "green")
    assert queue.adapter is None
    assert queue.num_sure is None
    assert queue.num_open == 9
    assert [item.scores[0].label for item in queue.shots[:2]] == ["red", "green"]
    assert queue.shots[0].is_sure is None
    assert len({item.shot.shot_id for item in queue.shots}) == 9


def test_labelled_shots_leave_the_queue(engine: Engine) -> None:
    label(engine, "one", 0, "red")
    queue = engine.label_desk.queue("hue")
    assert queue.missing == ("green",)
    assert queue.num_labelled == {"red": 1, "green": 0}
    assert ("one.mp4", 0) not in places(engine)
    assert queue.num_open == 8


def test_an_adapter_says_what_is_in_doubt(engine: Engine) -> None:
    for film, number, name in (("one", 0, "red"), ("one", 1, "green"), ("one", 2, "red")):
        label(engine, film, number, name)
    engine.teach("mine", "hue", adapter=FAST)
    assert engine.label_desk.newest_adapter("hue") == "mine/1"
    queue = engine.label_desk.queue("hue", adapter="mine")
    assert queue.adapter == "mine/1"
    assert queue.num_sure == 0  # three shots cannot vouch for one error in ten
    order = places(engine, adapter="mine")
    assert order.index(("one.mp4", 4)) < order.index(("two.mp4", 0))  # blue is neither; red is red
    assert queue.shots[0].doubt >= queue.shots[-1].doubt


def test_the_queue_follows_a_change_of_encoder(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in ((0, "red"), (1, "green"), (2, "red")):
        label(engine, "one", number, name)
    engine.teach("mine", "hue", adapter=FAST)
    before = engine.label_desk.queue("hue")
    turned = FakeEncoder("fake:turned/v1")
    monkeypatch.setattr("retrieval.encoders.load_encoder", lambda name, **_: turned)
    for video in engine.videos():
        ids, vectors = engine.catalog.shot_vectors(engine.encoder.id, video.video_id)
        row = SetRow(video.video_id, int(ids[0]), vectors[:, ::-1], [0], "films")
        engine.catalog.add_to_set(turned.id, row)
    engine.catalog.use_set(turned.id)  # no shot came or went
    after = engine.label_desk.queue("hue")
    assert after.num_open == before.num_open
    assert {item.scores[0].score for item in after.shots} == {0.5}  # words fit nothing now
    assert {item.scores[0].score for item in before.shots} != {0.5}
    assert engine.label_desk.newest_adapter("hue") is None
    with pytest.raises(EncoderMismatchError, match="sceneprint teach mine --group hue"):
        engine.label_desk.queue("hue", adapter="mine/1")


def test_what_was_learned_meanwhile_counts_at_once(engine: Engine) -> None:
    label(engine, "one", 0, "red")
    label(engine, "one", 1, "green")
    engine.teach("mine", "hue", adapter=FAST)
    assert engine.label_desk.queue("hue", adapter="mine").adapter == "mine/1"
    engine.teach("mine", "hue", adapter=FAST)
    assert engine.label_desk.queue("hue", adapter="mine").adapter == "mine/2"
    assert engine.label_desk.queue("hue", adapter="mine/1").adapter == "mine/1"
    add_film(engine.catalog, engine.encoder, "three", ["green"])
    assert ("three.mp4", 0) in places(engine, adapter="mine")
    engine.remove("three.mp4")
    assert ("three.mp4", 0) not in places(engine, adapter="mine")


def test_one_film_and_a_number(engine: Engine) -> None:
    assert {name for name, _ in places(engine, video="two.mp4")} == {"two.mp4"}
    assert len(places(engine, count=3)) == 3
    queue = engine.label_desk.queue("hue", video="two.mp4", count=1)
    assert queue.num_open == 4


def test_several_classes_at_once(engine: Engine) -> None:
    desk = engine.label_desk
    desk.make_group("lights", kind="any_of", classes=["bright", "dark"])
    queue = desk.queue("lights")
    assert [(x.video.name, x.shot.number) for x in queue.shots[:2]] == [
        ("two.mp4", 3),
        ("two.mp4", 2),
    ]
    label(engine, "two", 3, "bright", "lights")
    label(engine, "two", 2, "dark", "lights")
    engine.teach("lit", "lights", adapter=FAST)
    assert desk.queue("lights", adapter="lit").num_open == 7


def test_a_class_that_came_later_is_sought_by_its_word(engine: Engine) -> None:
    label(engine, "one", 0, "red")
    label(engine, "one", 1, "green")
    engine.teach("mine", "hue", adapter=FAST)
    engine.label_desk.make_group("hue", kind="one_of", classes=["blue"])
    queue = engine.label_desk.queue("hue", adapter="mine")
    assert queue.missing == ("blue",)
    assert (queue.shots[0].video.name, queue.shots[0].shot.number) == ("one.mp4", 4)


def test_a_label_is_on_a_shot_by_the_rule_of_teach(engine: Engine) -> None:
    group = engine.labels.groups()[0]
    film = engine.video("one.mp4")
    segments = [Segment(0.5, 3.4), Segment(5.1, 5.2), Segment(8.9, 9.4)]
    labels = [Label("hue", "red", film.video_id, segment) for segment in segments]
    engine.catalog.add_labels([group], labels)
    expected = {place for place, _ in shot_targets(engine.shots(film.video_id), labels, group)}
    open_ones = {number for name, number in places(engine) if name == "one.mp4"}
    assert open_ones == set(range(5)) - expected
    assert engine.label_desk.queue("hue").num_labelled["red"] == len(expected)


def test_labels_for_the_test_are_neither_asked_nor_learned(engine: Engine) -> None:
    shot = engine.shots("one.mp4")[0]
    held = Label("hue", "red", shot.video_id, shot.segment, split="test")
    engine.catalog.add_labels(engine.labels.groups(), [held])
    assert engine.label_desk.queue("hue").missing == ("red", "green")
    assert ("one.mp4", 0) not in places(engine)


def test_mistakes_are_named(engine: Engine) -> None:
    desk = engine.label_desk
    with pytest.raises(NotFoundError, match="there is: hue"):
        desk.queue("mood")
    with pytest.raises(NotFoundError):
        desk.queue("hue", video="none.mp4")
    with pytest.raises(NotFoundError, match="sceneprint teach"):
        desk.queue("hue", adapter="none")
    with pytest.raises(InvalidInputError, match="1 to 1000"):
        desk.queue("hue", count=0)
    desk.make_group("lights", kind="one_of", classes=["bright", "dark"])
    label(engine, "two", 3, "bright", "lights")
    label(engine, "two", 2, "dark", "lights")
    engine.teach("lit", "lights", adapter=FAST)
    with pytest.raises(InvalidInputError, match="it learned another"):
        desk.queue("hue", adapter="lit/1")


def test_an_empty_library_has_an_empty_queue(tmp_path: Path) -> None:
    with Engine(tmp_path / "none", encoder=FakeEncoder(), create=True) as engine:
        engine.label_desk.make_group("hue", kind="one_of", classes=["red", "green"])
        queue = engine.label_desk.queue("hue")
        assert queue.shots == ()
        assert queue.num_open == 0


@pytest.mark.parametrize("lines", [(), ((0.0, 2.0, "red"), (2.0, 4.0, "green"))])
def test_many_films_are_judged_as_each_film_is(
    engine: Engine, lines: tuple[tuple[float, float, str], ...]
) -> None:
    add_film(engine.catalog, engine.encoder, "said", ["red", "green"] * 3, lines=lines)
    for number, name in enumerate(("red", "green", "red", "green")):
        label(engine, "said", number, name)
    lesson = engine.teach("mine", "hue", adapter=FAST)
    assert lesson.modalities == (("picture", "text") if lines else ("picture",))
    add_film(engine.catalog, engine.encoder, "three", ["dark", "green"])
    each = {
        (film.name, shot.shot_number): shot
        for film in engine.videos()
        for shot in engine.apply_adapter("mine", film.video_id)
    }
    queue = engine.label_desk.queue("hue", adapter="mine")
    assert len(queue.shots) == 13
    for item in queue.shots:
        shot = each[item.video.name, item.shot.number]
        found = {one.label: one.score for one in shot.scores}
        assert {one.label: one.score for one in item.scores} == pytest.approx(found, abs=1e-5)
        assert item.is_sure == (shot.labels is not None)
