from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.encoders.base import SoundEncoder
from retrieval.engine import Engine
from retrieval.errors import NotFoundError, NotMediaError
from retrieval.search import SearchQuery
from retrieval.types import FloatArray
from tests import films
from tests.fakes import FakeEncoder, FakeSoundEncoder
from tests.retrieval.catalog_records import make_record


class _Deaf(SoundEncoder):
    """A sound encoder that reads no text."""

    def __init__(self) -> None:
        inner = FakeSoundEncoder()
        self.name, self.hash, self.dim = "fake:deaf/v1", "1" * 64, 3
        self.sample_rate_hz, self.window_seconds = inner.sample_rate_hz, 1.0
        self._inner = inner

    def _encode_sound_batch(self, sounds: Any) -> FloatArray:
        return self._inner.encode_sounds(sounds, self.sample_rate_hz)


def make_library(path: Path, sound_encoder: SoundEncoder) -> Engine:
    """Two shots, the first loud, the second quiet, the third silent."""
    encoder = FakeEncoder()
    engine = Engine(path, encoder=encoder, sound_encoder=sound_encoder, create=True)
    record = make_record("a", num_shots=3, lines=("first line",), encoder=encoder.id)
    sounds = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
    video = replace(record.video, audio_codec="aac")
    engine.catalog.add_video(
        replace(record, video=video, shot_sounds=sounds, sound_encoder=sound_encoder.id)
    )
    return engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with make_library(tmp_path / "library", FakeSoundEncoder()) as made:
        yield made


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    return films.write_sound(tmp_path / "quiet.wav", 0.05 * films.tone(2.0))


def test_shots_that_sound_alike_come_first_and_silent_ones_not(engine: Engine, quiet: Path) -> None:
    hits = engine.search(sound=quiet)
    assert [hit.number for hit in hits] == [1, 0]
    (why,) = hits[0].provenance
    assert (why.modality, why.query, why.rank) == ("sound", "sound", 1)
    assert hits[0].score == pytest.approx(why.score) == pytest.approx(1.0, abs=0.02)
    assert [hit.number for hit in engine.search(sound=quiet, min_score=0.9)] == [1]


def test_fused_with_other_queries_each_hit_says_its_lists(engine: Engine, quiet: Path) -> None:
    hits = engine.search(text="first", sound=quiet)
    lists = {(why.modality, why.query) for hit in hits for why in hit.provenance}
    assert lists == {
        ("picture", "text"),
        ("subtitle", "text"),
        ("sound", "text"),  # this encoder reads words too
        ("sound", "sound"),
    }
    by_number = {hit.number: {why.modality for why in hit.provenance} for hit in hits}
    assert "sound" not in by_number[2]


def test_words_search_the_sound_where_the_encoder_reads_them(engine: Engine) -> None:
    ranks = {
        hit.number: why.rank
        for hit in engine.search(text="quiet")
        for why in hit.provenance
        if why.modality == "sound"
    }
    assert ranks == {1: 1, 0: 2}


def test_words_leave_the_sound_alone_where_it_does_not(tmp_path: Path, quiet: Path) -> None:
    with make_library(tmp_path / "deaf", _Deaf()) as engine:
        hits = engine.search(text="quiet")
        assert {why.modality for hit in hits for why in hit.provenance} == {"picture"}
        assert engine.search(sound=quiet)[0].number == 1


def test_scenes_by_sound(engine: Engine, quiet: Path) -> None:
    (hit,) = engine.search(sound=quiet, unit="scene")
    assert (hit.unit, hit.number, hit.provenance[0].modality) == ("scene", 0, "sound")


def test_an_index_follows_the_library(engine: Engine, quiet: Path) -> None:
    engine.search(sound=quiet)
    engine.remove("va")
    with pytest.raises(NotFoundError, match="holds no videos yet"):
        engine.search(sound=quiet)


def test_films_that_were_not_heard_are_named(tmp_path: Path, quiet: Path) -> None:
    with Catalog.open(tmp_path / "old", create=True) as catalog:
        record = make_record("old", encoder=FakeEncoder().id)
        catalog.add_video(replace(record, video=replace(record.video, audio_codec="aac")))
    with (
        Engine(tmp_path / "old", encoder=FakeEncoder(), sound_encoder=_Deaf()) as engine,
        pytest.raises(NotFoundError, match="sceneprint ingest` on their files once more"),
    ):
        engine.search(sound=quiet)


def test_a_query_without_sound_is_refused(engine: Engine, colour_film: films.Film) -> None:
    with pytest.raises(NotMediaError, match="no sound"):
        engine.search(sound=colour_film.path)
    with pytest.raises(NotFoundError):
        engine.search(sound=Path("nowhere.wav"))


def test_a_sound_is_a_query() -> None:
    assert SearchQuery(sound=Path("x.wav")).k == 10
