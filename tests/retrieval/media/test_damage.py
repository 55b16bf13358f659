"""Whatever is done to a file, it ends in shots or in an error of ours, and soon."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import CorruptMediaError, MediaError
from retrieval.media.audio import decode_mono
from retrieval.media.clip import cut_clip
from retrieval.media.probe import probe
from retrieval.media.shots import detect_shots
from retrieval.media.subtitles import find_subtitles
from retrieval.types import Segment
from tests import films


@pytest.fixture(scope="module", params=[".mp4", ".mkv", ".ts", ".avi"])
def film(request: pytest.FixtureRequest, films_dir: Path) -> Path:
    return films.film_with_cuts(
        films_dir / f"victim{request.param}", [40, 35, 50], gop=30, sound=films.tone(5.0)
    ).path


def _damaged(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    result = bytearray(data)
    if seed % 3 == 0:  # an interrupted download
        return bytes(result[: int(rng.integers(1, len(result)))])
    if seed % 3 == 1:  # a bad sector
        place = int(rng.integers(0, len(result) - 4000))
        result[place : place + 3000] = rng.bytes(3000)
    else:  # single wrong bytes, many of them in the headers
        for place in [*rng.integers(0, len(result), 40), *rng.integers(0, 1500, 4)]:
            result[place] = int(rng.integers(0, 256))
    return bytes(result)


@pytest.mark.parametrize("seed", range(6))
def test_random_damage(seed: int, film: Path, tmp_path: Path) -> None:
    path = tmp_path / f"film{film.suffix}"
    path.write_bytes(_damaged(film.read_bytes(), seed))
    with contextlib.suppress(MediaError):
        info = probe(path)
        find_subtitles(path, info)
        if info.has_picture:
            result = detect_shots(path, info)
            assert len(result.keyframes) == len(result.shots) > 0
        if info.has_sound:
            assert all(np.isfinite(chunk).all() for chunk in decode_mono(path))


def test_damaged_sound_does_not_cost_the_clip(films_dir: Path, tmp_path: Path) -> None:
    film = films.film_with_cuts(films_dir / "loud.mp4", [75], sound=films.tone(3.0)).path
    data = bytearray(film.read_bytes())
    # the sound is muxed after the pictures here: spoil its middle
    end = data.index(b"moov") - 4
    data[end - 12_000 : end - 9_000] = bytes([255]) * 3000
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    clip = cut_clip(path, Segment(0.5, 2.5), tmp_path / "clip.mp4")
    assert probe(clip).duration_seconds == pytest.approx(2.0, abs=0.2)
    assert sum(len(chunk) for chunk in decode_mono(path)) > 48_000


def test_clip_beyond_what_is_there(made_film: films.Film, tmp_path: Path) -> None:
    with pytest.raises(CorruptMediaError, match="nothing can be decoded"):
        cut_clip(made_film.path, Segment(100.0, 101.0), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
