from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.annotations import annotations
from retrieval.catalog import Catalog
from retrieval.classify import LabelGroup, classify, parse_labels
from retrieval.encoders import load_encoder
from retrieval.errors import InvalidInputError, MediaError, NotFoundError, OperationCancelled
from retrieval.media.frames import frame_at
from retrieval.types import Classification, LabelScore, Segment
from tests import films
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film, colour

COLOURS = LabelGroup("colour", {"red": ("red",), "green": ("green",), "blue": ("blue",)})
LIGHT = LabelGroup("light", {"bright": ("bright", "white"), "dark": ("dark", "black night")})
ENCODER = FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as opened:
        yield opened


def run(catalog: Catalog, path: Path | str | None = None, **options: Any) -> list[Classification]:
    options = {"groups": [COLOURS], "encoder": ENCODER, **options}
    return classify(path, catalog=catalog, **options)


def best(items: list[Classification]) -> list[str]:
    return [item.best.label for item in items]


def test_a_still(catalog: Catalog) -> None:
    (found,) = run(catalog, image=colour("green"))
    assert found.group == "colour"
    assert found.shot_number is None
    assert found.best.label == "green"
    assert sum(item.score for item in found.scores) == pytest.approx(1.0)
    share = 1.0 / (1.0 + 2.0 * np.exp(-10.0))  # cosines 1, 0, 0 at the fake's temperature of 10
    assert found.best.score == pytest.approx(share, abs=1e-5)


def test_a_text(catalog: Catalog) -> None:
    assert best(run(catalog, text="a blue door")) == ["blue"]


def test_still_and_text_together_are_the_mean_of_both(catalog: Catalog) -> None:
    alone = [run(catalog, image=colour("green")), run(catalog, text="a blue door")]
    (both,) = run(catalog, image=colour("green"), text="a blue door")
    for item in both.scores:
        parts = [next(s.score for s in one[0].scores if s.label == item.label) for one in alone]
        assert item.score == pytest.approx(sum(parts) / 2, abs=1e-6)


def test_each_group_sums_to_one(catalog: Catalog) -> None:
    found = run(catalog, image=colour("bright"), groups=[COLOURS, LIGHT])
    assert [item.group for item in found] == ["colour", "light"]
    for item in found:
        assert sum(score.score for score in item.scores) == pytest.approx(1.0)
    assert found[1].best.label == "bright"


def test_a_library_video_costs_no_encoding_of_pictures(catalog: Catalog) -> None:
    add_film(catalog, ENCODER, "one", ["red", "blue"])
    before = ENCODER.num_images
    found = run(catalog, "one")
    assert best(found) == ["red", "blue"]
    assert [item.shot_number for item in found] == [0, 1]
    assert found[1].segment == Segment(2.0, 4.0)
    assert ENCODER.num_images == before


def test_a_whole_video_is_the_mean_of_its_shots(catalog: Catalog) -> None:
    add_film(catalog, ENCODER, "one", ["red", "blue", "blue"])
    (found,) = run(catalog, "one", per="video")
    assert found.segment == Segment(0.0, 6.0)
    assert found.best.label == "blue"
    # Mean logits 10 * (1/3, 0, 2/3): the shares of blue and red differ by exp(10/3).
    shares = {item.label: item.score for item in found.scores}
    assert shares["blue"] / shares["red"] == pytest.approx(np.exp(10 / 3), rel=0.02)


def test_a_file_that_is_not_in_the_library(catalog: Catalog, colour_film: films.Film) -> None:
    found = run(catalog, colour_film.path)
    assert best(found) == ["red", "green", "blue"]
    assert catalog.videos() == []
    (whole,) = run(catalog, colour_film.path, per="video")
    assert whole.segment.end_seconds == pytest.approx(6.0, abs=0.1)


def test_a_stop_is_heard(catalog: Catalog, colour_film: films.Film) -> None:
    with pytest.raises(OperationCancelled):
        run(catalog, colour_film.path, should_stop=lambda: True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image": colour("red"), "path": "one"},
        {"text": " "},
        {"text": "x" * 20_000},
        {"text": "x", "groups": []},
        {"text": "x", "groups": [COLOURS] * 51},
        {"text": "x", "per": "scene"},
        {"image": np.zeros((0, 0, 3), dtype=np.uint8)},
    ],
)
def test_bad_calls(catalog: Catalog, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        run(catalog, **options)


def test_what_is_not_there_or_has_no_picture(
    catalog: Catalog, tmp_path: Path, audio_only: Path
) -> None:
    with pytest.raises(NotFoundError, match="neither a file"):
        run(catalog, tmp_path / "missing.mp4")
    with pytest.raises(MediaError):
        run(catalog, audio_only)


def test_annotations(catalog: Catalog) -> None:
    lines = [(0.5, 1.0, "Hello\nthere"), (1.8, 2.1, "you")]
    add_film(catalog, ENCODER, "one", ["red", "blue"], lines=lines)
    mood = LabelGroup("mood", {"calm": ("blue",), "tense": ("red",)})
    records = annotations(
        run(catalog, "one", groups=[COLOURS, LIGHT, mood]), source="one", catalog=catalog
    )
    assert [record["frame_id"] for record in records] == [25, 75]
    assert [record["scene_type"].split(", ")[0] for record in records] == ["red", "blue"]
    assert records[0]["text_description"] == "Hello there you"
    assert records[1]["text_description"].endswith("calm mood")
    assert {record["audio_emotion"] for record in records} == {None}
    assert list(records[0]) == ["frame_id", "scene_type", "audio_emotion", "text_description"]


def test_annotation_of_a_still(catalog: Catalog) -> None:
    item = Classification("light", Segment(0.0, 0.0), (LabelScore("day", 1.0),))
    (record,) = annotations([item], source=None, catalog=catalog)
    assert (record["frame_id"], record["scene_type"]) == (0, "day")


def test_the_shipped_encoder_and_groups_on_real_footage(
    catalog: Catalog, carphone: Path, world: Path
) -> None:
    """Right where it is clear, and not sure of everything."""
    encoder = load_encoder("builtin")
    images = [frame_at(path, 2.0).image for path in (carphone, world)]
    answers = [
        {item.group: item.best for item in classify(image=image, catalog=catalog, encoder=encoder)}
        for image in images
    ]
    assert answers[0]["scene_place"].label == "indoor"
    assert answers[0]["scene_action"].label == "dialogue"
    assert answers[1]["scene_time"].label == "day"
    assert min(item.score for answer in answers for item in answer.values()) < 0.9
    labels = ("a man in a car", "the earth from space")
    group = parse_labels(",".join(labels))
    for image, label in zip(images, labels, strict=True):
        (found,) = classify(image=image, groups=[group], catalog=catalog, encoder=encoder)
        assert found.best.label == label
