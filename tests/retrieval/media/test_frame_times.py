"""Times of frames from the file's own stamps."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import NotFoundError
from retrieval.media.frame_times import frame_times
from tests import films


def test_steady_films_need_none(made_film: films.Film, subtitled_film: Path, bikes: Path) -> None:
    for path in (made_film.path, subtitled_film, bikes):
        assert frame_times(path) is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_films_have_their_own(tmp_path: Path, suffix: str) -> None:
    times = [*(n / 10 for n in range(10)), 1.0, 2.0, 3.0, 4.0]
    images = films.moving_shot(1, len(times))
    path = films.write_film(tmp_path / f"uneven.{suffix}", images, times=times, gop=5)
    found = frame_times(path)
    assert found is not None
    np.testing.assert_allclose(found, times, atol=2e-3)


def test_unevenness_is_found_after_a_steady_start(tmp_path: Path) -> None:
    times = [*(n / 25 for n in range(60)), 5.0, 6.0]
    images = films.flat_shot("red", len(times))
    path = films.write_film(tmp_path / "late.mkv", images, times=times, rate=Fraction(25))
    found = frame_times(path)
    assert found is not None
    assert found[-1] == pytest.approx(6.0, abs=2e-3)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        frame_times(tmp_path / "none.mp4")
