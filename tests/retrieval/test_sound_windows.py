from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoders.base import SoundEncoder
from retrieval.errors import NotMediaError
from retrieval.sound_windows import SoundWindows, WindowEmbedder, embed_file
from retrieval.types import FloatArray, Segment
from tests import films
from tests.fakes import FakeSoundEncoder

RATE = 16_000


class _Pitch(SoundEncoder):
    """Axis 0 for crossings of zero that are few, axis 1 for many."""

    name, hash, dim, batch_size = "fake:pitch", "0" * 64, 2, 3
    sample_rate_hz, window_seconds = RATE, 1.0

    def _encode_sound_batch(self, sounds: Sequence[FloatArray]) -> FloatArray:
        assert {len(sound) for sound in sounds} == {RATE}  # whole windows, always
        rates = [np.mean(np.diff(np.sign(sound)) != 0) for sound in sounds]
        return np.array([[1.0, 0.0] if rate < 0.1 else [0.0, 1.0] for rate in rates], np.float32)


def tone(hertz: float, seconds: float) -> FloatArray:
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times + 0.1)).astype(np.float32)


def heard(sound: FloatArray, chunk: int = 1_000) -> SoundWindows:
    embedder = WindowEmbedder(_Pitch())
    for start in range(0, len(sound), chunk):
        embedder.add(sound[start : start + chunk])
    return embedder.finish()


def test_each_segment_has_its_own_sound_and_silence_has_none() -> None:
    sound = np.concatenate([tone(200, 4), np.zeros(4 * RATE, np.float32), tone(4_000, 4)])
    windows = heard(sound)
    rows = windows.by_segment([Segment(0, 4), Segment(4, 8), Segment(8, 12)])
    assert rows[0, 0] > 0.99
    assert rows[1].tolist() == [0.0, 0.0]
    assert rows[2, 1] > 0.99
    assert windows.by_segment([]).shape == (0, 2)


def test_chunks_change_nothing() -> None:
    sound = np.concatenate([tone(200, 2.3), tone(4_000, 3.1), np.zeros(900, np.float32)])
    whole, parts = heard(sound, len(sound)), heard(sound, 777)
    np.testing.assert_array_equal(whole.starts, parts.starts)
    np.testing.assert_array_equal(whole.vectors, parts.vectors)
    np.testing.assert_array_equal(whole.is_heard, parts.is_heard)


def test_the_end_is_heard_and_windows_are_half_a_window_apart() -> None:
    windows = heard(np.concatenate([tone(200, 2.0), tone(4_000, 0.4)]))
    assert windows.starts.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.4])
    assert windows.ends[-1] == pytest.approx(2.4)
    short = heard(tone(4_000, 0.3))
    assert (short.starts.tolist(), short.ends.tolist()) == ([0.0], [pytest.approx(0.3)])
    assert short.by_segment([Segment(0, 0.3)])[0].tolist() == [0.0, 1.0]


def test_a_faint_knock_in_a_long_shot_is_not_its_sound() -> None:
    sound = np.zeros(5 * RATE, np.float32)
    sound[RATE : RATE + 800] = 0.3
    windows = heard(sound)
    assert not windows.by_segment([Segment(0, 5)]).any()
    assert windows.by_segment([Segment(1.0, 1.1)]).any()  # there it is half of all


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.full(RATE * 3, np.nan, np.float32)])
def test_nothing_to_hear(sound: FloatArray) -> None:
    windows = heard(sound)
    assert windows.whole() is None
    assert windows.by_segment([Segment(0, 2)]).tolist() == [[0.0, 0.0]]


def test_a_file_as_a_query(tmp_path: Path) -> None:
    encoder = FakeSoundEncoder()
    path = films.write_sound(tmp_path / "tone.m4a", films.tone(2.0))
    assert embed_file(path, encoder).shape == (1, 3)
    silent = films.write_sound(tmp_path / "silence.m4a", np.zeros(96_000, np.float32))
    with pytest.raises(NotMediaError, match="holds only silence"):
        embed_file(silent, encoder)
