"""Agreement of the sound along a match, on made music."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.made_sound import RATE_HZ, music
from retrieval.match_sound import match_sound
from retrieval.types import Match, MatchEdit, Segment
from tests import films
from tests.app import made


def _match(query: Path, ref: Path, *, ref_start: float = 5.0, **changes: Any) -> Match:
    match = made.match(
        query_path=query,
        ref_video=replace(made.video(seconds=30.0), path=ref),
        query_segment=Segment(5.0, 15.0),
        ref_segment=Segment(ref_start, ref_start + 10.0),
        speed_ratio=1.0,
    )
    return replace(match, **changes)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of made music."""
    path = tmp_path_factory.mktemp("songs") / "song.m4a"
    return films.write_sound(path, music(30.0, 1), sample_rate_hz=RATE_HZ)


def test_the_same_sound_agrees_everywhere(song: Path) -> None:
    shares = match_sound(_match(song, song, ref_start=5.3))  # bounds are never exact
    assert shares is not None
    assert shares.shape == (10,)
    assert shares.min() > 0.8


def test_sound_that_was_put_in_its_place_shows(song: Path, tmp_path: Path) -> None:
    mixed = np.concatenate([music(30.0, 1)[: 10 * RATE_HZ], music(20.0, 2)])
    other = films.write_sound(tmp_path / "mixed.m4a", mixed, sample_rate_hz=RATE_HZ)
    shares = match_sound(_match(other, song))
    assert shares is not None
    assert shares[:4].min() > 0.7
    assert shares[-4:].max() < 0.4


def test_another_moment_does_not_agree(song: Path) -> None:
    shares = match_sound(_match(song, song, ref_start=18.0))
    assert shares is None or shares.mean() < 0.3


@pytest.mark.parametrize(
    "change", [{"query_path": Path("gone.mp4")}, {"edit": MatchEdit(is_reversed=True)}]
)
def test_nothing_to_compare_is_none(song: Path, bikes: Path, change: dict[str, Any]) -> None:
    assert match_sound(_match(song, song, **change)) is None
    assert match_sound(_match(bikes, song)) is None  # a film without sound
