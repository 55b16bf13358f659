from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import NotMediaError, OperationCancelled
from retrieval.listening import listening
from retrieval.media.audio import decode_mono
from retrieval.media.probe import probe
from retrieval.sound_print import SoundPrint, fingerprint
from retrieval.types import FloatArray
from tests import films


def chirps(seconds: float) -> FloatArray:
    """Tones that change every quarter of a second, at 48 kHz."""
    rng = np.random.default_rng(0)
    times = np.arange(12_000) / 48_000
    tones = [
        0.4 * np.sin(2 * np.pi * rng.uniform(200, 3000) * times) for _ in range(round(4 * seconds))
    ]
    return np.concatenate(tones).astype(np.float32)


def test_the_print_is_that_of_the_decoded_sound(tmp_path: Path) -> None:
    path = films.write_sound(tmp_path / "chirps.m4a", chirps(6.0))
    with listening(path, probe(path)) as heard:
        sound = heard()
    assert sound.warnings == ()
    assert sound.sound_print is not None
    made = SoundPrint.from_bytes(sound.sound_print)
    direct = fingerprint(decode_mono(path, sample_rate_hz=16_000), 16_000)
    assert len(made) > 20
    assert made.duration_seconds == pytest.approx(6.0, abs=0.1)
    np.testing.assert_array_equal(made.ticks, direct.ticks)
    np.testing.assert_array_equal(made.bins, direct.bins)


def test_silence_and_films_without_sound_give_none(tmp_path: Path, colour_film: films.Film) -> None:
    path = films.write_sound(tmp_path / "silence.m4a", np.zeros(96_000, np.float32))
    for file in (path, colour_film.path):
        with listening(file, probe(file)) as heard:
            assert heard().sound_print is None


def test_stopping_ends_it(tmp_path: Path) -> None:
    path = films.write_sound(tmp_path / "chirps.m4a", chirps(6.0))
    with (
        pytest.raises(OperationCancelled),
        listening(path, probe(path), should_stop=lambda: True) as heard,
    ):
        heard()


def test_leaving_early_ends_it(tmp_path: Path) -> None:
    path = films.write_sound(tmp_path / "chirps.m4a", chirps(6.0))
    with pytest.raises(ZeroDivisionError), listening(path, probe(path)):
        raise ZeroDivisionError  # as when the pictures cannot be read; no thread is left


def test_what_came_before_damage_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = films.write_sound(tmp_path / "chirps.m4a", chirps(6.0))

    def breaks_off(*_: object, **__: object) -> object:
        yield chirps(3.0)[::3].copy()
        raise NotMediaError("the rest is noise")

    monkeypatch.setattr("retrieval.listening.decode_mono", breaks_off)
    with listening(path, probe(path)) as heard:
        sound = heard()
    assert sound.sound_print is not None
    assert SoundPrint.from_bytes(sound.sound_print).duration_seconds == pytest.approx(3.0)
    assert "the rest is noise" in sound.warnings[0]
