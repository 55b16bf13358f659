from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError
from retrieval.label_types import Label, LabelledGroup
from retrieval.lesson_rows import TEXT_CACHE, Senses, film_rows, shot_texts, text_rows
from retrieval.lesson_shots import lesson_shots
from retrieval.types import Segment, Shot, Subtitle
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

LINES = ((0.2, 1.8, "red car"), (1.0, 3.0, "blue sea"), (3.5, 9.0, "night"))


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path, encoder: FakeEncoder) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library", create=True) as made:
        add_film(
            made, encoder, "one", ("red", "blue", "red", "blue"),
            lines=LINES, loudness=(0.9, None, 0.1, 0.2),
        )  # fmt: skip
        yield made


def shot(start: float, end: float) -> Shot:
    return Shot(0, "v", 0, Segment(start, end), 0, 1, start)


def line(start: float, end: float, text: str) -> Subtitle:
    return Subtitle("v", Segment(start, end), text, source="file:film.srt")


def test_words_of_a_shot_lie_in_it_or_fill_it() -> None:
    shots = [shot(0, 2), shot(2, 4), shot(4, 6), shot(6, 8)]
    lines = [
        line(0.5, 1.5, "inside"),
        line(1.5, 3.5, "mostly in the second"),
        line(3.9, 8.0, "longer than a shot"),
        line(5.0, 5.0, "no length"),
        line(0.5, 1.5, "inside"),
    ]
    assert shot_texts(shots, lines) == [
        "inside", "mostly in the second", "longer than a shot", "longer than a shot",
    ]  # fmt: skip
    assert shot_texts(shots[:2], []) == [None, None]


def test_rows_of_a_film_are_aligned_and_masked(catalog: Catalog, encoder: FakeEncoder) -> None:
    video_id = catalog.videos()[0].video_id
    rows = film_rows(catalog, Senses.of(catalog, encoder), video_id, ("picture", "sound", "text"))
    assert rows["picture"].is_present.all()
    assert rows["sound"].is_present.tolist() == [True, False, True, True]
    assert rows["text"].is_present.tolist() == [True, True, True, True]
    axis = rows["text"].embeddings.argmax(axis=1).tolist()
    assert axis[2:] == [7, 7]
    assert rows["sound"].embeddings[0, 0] > rows["sound"].embeddings[2, 0]


def test_texts_are_embedded_once(catalog: Catalog, encoder: FakeEncoder) -> None:
    class Counting(FakeEncoder):
        asked = 0

        def _encode_text_batch(self, texts):  # type: ignore[no-untyped-def]
            Counting.asked += len(texts)
            return super()._encode_text_batch(texts)

    senses = Senses(encoder, Counting(), None)
    video_id = catalog.videos()[0].video_id
    first = film_rows(catalog, senses, video_id, ("text",))["text"]
    again = film_rows(catalog, senses, video_id, ("text",))["text"]
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    assert Counting.asked == 4
    kept = list((catalog.library / TEXT_CACHE).rglob("*.safetensors"))
    assert len(kept) == 1
    kept[0].write_bytes(b"damaged")
    film_rows(catalog, senses, video_id, ("text",))
    assert Counting.asked == 8


def test_other_words_are_not_taken_from_the_cache(tmp_path: Path, encoder: FakeEncoder) -> None:
    path = tmp_path / "film.safetensors"
    red = text_rows(["red", None], encoder, cache=path)
    blue = text_rows(["blue", None], encoder, cache=path)
    assert red.is_present.tolist() == blue.is_present.tolist() == [True, False]
    assert (red.embeddings[0] != blue.embeddings[0]).any()


def test_modalities_that_are_asked_for(catalog: Catalog, encoder: FakeEncoder) -> None:
    video_id = catalog.videos()[0].video_id
    group = LabelledGroup("tint", "one_of", ("warm", "cold"))
    labels = [
        Label("tint", name, video_id, Segment(2.0 * place, 2.0 * place + 2))
        for place, name in enumerate(["warm", "cold", "warm", "cold"])
    ]
    catalog.add_labels([group], labels)
    senses = Senses.of(catalog, encoder)
    assert tuple(lesson_shots(catalog, senses, group, None).rows) == ("picture", "sound", "text")
    assert len(lesson_shots(catalog, senses, group, ["sound"])) == 3
    with pytest.raises(InvalidInputError, match="expected some of picture, sound, text"):
        lesson_shots(catalog, senses, group, ["smell"])
    deaf = Senses(encoder, encoder, None)
    assert tuple(lesson_shots(catalog, deaf, group, None).rows) == ("picture", "text")
    with pytest.raises(InvalidInputError, match="no sound to learn from, they have: picture"):
        lesson_shots(catalog, deaf, group, ["picture", "sound"])
