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


def test_a_stream_may_change_its_rate(tmp_path: Path) -> None:
    parts = []
    for rate in (48_000, 32_000):  # broadcast recordings do, at the border of two programmes
        sound = films.tone(1.5, hertz=1000, sample_rate_hz=rate)
        part = films.write_sound(tmp_path / f"{rate}.aac", sound, sample_rate_hz=rate)
        parts.append(part.read_bytes())
    (tmp_path / "both.aac").write_bytes(b"".join(parts))
    sound = np.concatenate(list(decode_mono(tmp_path / "both.aac", sample_rate_hz=16_000)))
    assert len(sound) == pytest.approx(48_000, abs=4_000)
    for second in (sound[4_000:20_000], sound[-20_000:-4_000]):
        assert np.argmax(np.abs(np.fft.rfft(second))) == 1000
