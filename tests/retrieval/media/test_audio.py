"""Mono sound, against tones whose pitch and length are known."""

from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import InvalidInputError, NotMediaError, OperationCancelled
from retrieval.media.audio import decode_mono
from tests import films


@pytest.fixture(scope="module")
def tone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "tone.m4a"
    return films.write_sound(path, films.tone(2.0, hertz=1000))


def test_pitch_and_length(tone_file: Path) -> None:
    sound = np.concatenate(list(decode_mono(tone_file, sample_rate_hz=16_000)))
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(32_000, abs=200)
    loudest = np.argmax(np.abs(np.fft.rfft(sound[:16_000])))
    assert loudest == 1000  # one bin is one hertz
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.02)


def test_a_part_is_cut_from_the_whole(tone_file: Path) -> None:
    whole = np.concatenate(list(decode_mono(tone_file)))
    part = np.concatenate(list(decode_mono(tone_file, start=0.5, end=0.75)))
    np.testing.assert_array_equal(part, whole[24_000:36_000])


def test_silent_film_is_told(made_film: films.Film, tmp_path: Path) -> None:
    silent = films.write_film(tmp_path / "silent.mp4", films.moving_shot(1, 5))
    with pytest.raises(NotMediaError, match="no sound"):
        next(decode_mono(silent))


def test_values_out_of_range(tone_file: Path) -> None:
    with pytest.raises(InvalidInputError, match="sample_rate_hz"):
        next(decode_mono(tone_file, sample_rate_hz=10))
    with pytest.raises(InvalidInputError, match="start"):
        next(decode_mono(tone_file, start=2, end=1))


def test_stops_when_asked(tone_file: Path) -> None:
    with pytest.raises(OperationCancelled):
        next(decode_mono(tone_file, should_stop=lambda: True))
