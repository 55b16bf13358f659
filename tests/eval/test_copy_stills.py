import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.copy_stills import EDITS, Still, draw_stills, evaluate_stills, films_in, stills_table
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import Match, Segment
from tests import films
from tests.app import made
from tests.fakes import FakeEncoder

HERE, THERE = Path("here.mp4"), Path("there.mp4")


def _match(film: Path, start: float, score: float) -> Match:
    video = replace(made.video(seconds=60.0), path=film)
    return replace(
        made.match(), ref_video=video, ref_segment=Segment(start, start + 1.0), score=score
    )


def test_counts() -> None:
    stills = [Still(HERE, 10.0, "none"), Still(HERE, 10.0, "none"), Still(THERE, 5.0, "mirrored")]
    found = [
        [_match(HERE, 9.5, 0.9), _match(THERE, 3.0, 0.6)],  # right, and one false beside it
        [_match(HERE, 20.0, 0.7)],  # right film, wrong moment
        [_match(HERE, 1.0, 0.4)],  # false, but below the threshold
    ]
    table = stills_table(stills, found, present={HERE}, threshold=0.5)
    assert table.rows[0] == ("none", 2, 2, 1, 1, 0.6)
    assert table.rows[list(EDITS).index("mirrored")] == ("mirrored", 0, 0, 0, 0, 0.4)


def test_stills_are_drawn_evenly_and_again_alike(made_film: films.Film) -> None:
    stills = draw_stills([made_film.path], count=16, seed=3)
    assert stills == draw_stills([made_film.path], count=16, seed=3)
    assert set(Counter(still.edit for still in stills).values()) == {2}
    assert all(1.0 <= still.seconds <= 6.0 for still in stills)


def test_every_edit_gives_a_picture() -> None:
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    for name, edit in EDITS.items():
        changed = edit(image, np.random.default_rng(1))
        assert changed.dtype == np.uint8
        assert changed.ndim == 3
        assert (name == "none") == np.array_equal(changed, image)


def test_stills_of_a_film_that_is_there_are_found(tmp_path: Path, bikes: Path, world: Path) -> None:
    inside, outside = tmp_path / "a.mp4", tmp_path / "b.mp4"
    shutil.copy(bikes, inside)
    shutil.copy(world, outside)
    encoder = FakeEncoder(layout_weight=3.0)
    with Engine(tmp_path / "library", encoder=encoder, create=True) as engine:
        table = evaluate_stills([outside, inside], engine, folder=tmp_path, count=8)
        assert [video.name for video in engine.videos()] == ["a.mp4"]
    assert table.rows[0][:4] == ("none", 1, 1, 1)
    assert sum(int(str(row[1])) for row in table.rows) == 8


def test_what_is_given_is_checked(tmp_path: Path, made_film: films.Film) -> None:
    with pytest.raises(NotFoundError, match="not a folder"):
        films_in(tmp_path / "gone")
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    assert [path.name for path in films_in(tmp_path)] == ["a.mp4"]
    with (
        Engine(tmp_path / "library", encoder=FakeEncoder(), create=True) as engine,
        pytest.raises(InvalidInputError, match="at least 2"),
    ):
        evaluate_stills([made_film.path], engine, folder=tmp_path)
