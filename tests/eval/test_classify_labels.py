from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.classify_labels import LabelEvaluation, evaluate_labels
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.label_types import Label, LabelledGroup
from retrieval.types import Progress, Segment
from tests.eval.labelled_films import NoisyEncoder, five_films, say

FAST = "anchored-probe"


@pytest.fixture
def encoder() -> NoisyEncoder:
    return NoisyEncoder()


@pytest.fixture
def catalog(tmp_path: Path, encoder: NoisyEncoder) -> Iterator[Catalog]:
    with five_films(tmp_path / "library", encoder) as made:
        yield made


def measure(catalog: Catalog, encoder: NoisyEncoder, **options: object) -> LabelEvaluation:
    values = {"adapter": FAST, "num_seeds": 2, **options}
    return evaluate_labels("tint", catalog=catalog, encoder=encoder, **values)  # type: ignore[arg-type]


def test_learns_and_says_how_well(catalog: Catalog, encoder: NoisyEncoder) -> None:
    say(catalog, range(5))
    told: list[Progress] = []
    found = measure(catalog, encoder, progress=told.append)
    assert list(found.figures) == [FAST, "zero-shot", "nearest"]
    best = found.figures[FAST]["accuracy"]
    assert best.value > 0.9
    assert best.low <= best.value <= best.high
    assert found.figures["zero-shot"]["accuracy"].value < best.value
    assert found.confusion is not None
    assert sum(map(sum, found.confusion)) == found.num_shots == 30
    assert found.num_folds == 4
    assert {point.num_shots for point in found.curve} == {1, 2, 4, 8}
    assert any("16 shots" in note for note in found.notes)
    assert any("in its fold: 1" in note for note in found.notes)
    assert told[-1].done == told[-1].total - 1
    assert told[-1].eta_seconds is not None
    assert sum(one.num_answers for one in found.bins) == 30


def test_what_shots_sound_like_is_measured_too(tmp_path: Path, encoder: NoisyEncoder) -> None:
    loudness = (0.9, 0.1, 0.9, None, 0.8, 0.2)
    with five_films(tmp_path / "library", encoder, loudness=loudness) as catalog:
        say(catalog, range(4))
        found = measure(catalog, encoder, num_folds=2, num_seeds=1)
    fused = "picture + sound (early)"
    assert list(found.figures) == [fused, FAST, "zero-shot", "nearest"]
    assert found.adapter == fused
    assert found.figures[fused]["accuracy"].value > 0.9
    assert {point.adapter for point in found.curve} == set(found.figures)


def test_several_at_once(catalog: Catalog, encoder: NoisyEncoder) -> None:
    say(catalog, range(5), "any_of")
    found = measure(catalog, encoder)
    assert found.figures[FAST]["map"].value > 0.9
    assert found.confusion is None
    assert "map" in found.to_dict()["figures"][FAST]


def test_mistakes_are_explained(catalog: Catalog, encoder: NoisyEncoder) -> None:
    with pytest.raises(NotFoundError, match="labels import"):
        measure(catalog, encoder)
    say(catalog, [3, 4])
    with pytest.raises(InvalidInputError, match="at least 2 films that differ"):
        measure(catalog, encoder)
    with pytest.raises(InvalidInputError, match="expected one of"):
        measure(catalog, encoder, adapter="magic")
    with pytest.raises(InvalidInputError, match="at least 2"):
        measure(catalog, encoder, num_folds=1)
    say(catalog, [0])
    with pytest.raises(OperationCancelled):
        measure(catalog, encoder, should_stop=lambda: True)


def test_a_class_of_one_film_cannot_be_measured(catalog: Catalog, encoder: NoisyEncoder) -> None:
    say(catalog, [0, 1], second="cold")
    video_id = catalog.resolve_video("film2.mp4").video_id
    group = LabelledGroup("tint", "one_of", ("warm", "cold", "pale"))
    catalog.add_labels([group], [Label("tint", "pale", video_id, Segment(0, 2))])
    with pytest.raises(InvalidInputError, match="pale"):
        measure(catalog, encoder)
