from dataclasses import replace

import numpy as np
import pytest

from adapters.log_mel import LogMel, mel_power, mfcc, power_to_unit
from retrieval.types import FloatArray

SETTINGS = LogMel()


def tone(hertz: float, seconds: float = 0.5) -> FloatArray:
    times = np.arange(round(seconds * 16_000)) / 16_000
    return (0.4 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def test_shape_and_the_band_of_a_tone() -> None:
    power = mel_power(np.stack([tone(440.0), tone(4_000.0)]), SETTINGS)
    assert power.shape == (2, 1 + (8_000 - 1_024) // 320, 64)
    low, high = power.mean(axis=1).argmax(axis=1)
    # Slaney's scale: 440 Hz is mel 6.6, 4 kHz is mel 35.2; the bands go from mel 0.75 to 45.2
    assert low == pytest.approx((6.6 - 0.75) / (45.25 - 0.75) * 65 - 1, abs=1)
    assert high == pytest.approx((35.16 - 0.75) / (45.25 - 0.75) * 65 - 1, abs=1)


def test_levels_do_not_depend_on_loudness() -> None:
    rng = np.random.default_rng(0)
    sound = (tone(700.0) + 0.01 * rng.standard_normal(8_000)).astype(np.float32)[None]
    seen = power_to_unit(mel_power(sound, SETTINGS))
    assert seen.max() == 1.0
    assert seen.min() >= -1.0
    np.testing.assert_allclose(seen, power_to_unit(mel_power(0.1 * sound, SETTINGS)), atol=1e-4)


def test_the_first_coefficient_is_the_mean_level() -> None:
    power = np.full((1, 3, 64), 0.01, np.float32)  # -20 dB everywhere
    rows = mfcc(power)[0]
    np.testing.assert_allclose(rows[:, 0], -20.0 * 8.0, rtol=1e-5)  # times sqrt(64)
    np.testing.assert_allclose(rows[:, 1:], 0.0, atol=1e-4)


def test_equals_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(1)
    sound = (np.concatenate([tone(300.0), tone(3_000.0)]) + 0.02 * rng.standard_normal(16_000))[
        None
    ].astype(np.float32)
    power = mel_power(sound, SETTINGS)
    expected = librosa.feature.melspectrogram(
        y=sound[0], sr=16_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50, center=False
    )
    np.testing.assert_allclose(power[0].T, expected, rtol=1e-4)
    decibels = librosa.power_to_db(expected, ref=np.max)
    np.testing.assert_allclose(40 * (power_to_unit(power)[0].T - 1), decibels, atol=1e-3)
    cepstrum = librosa.feature.mfcc(S=librosa.power_to_db(expected), n_mfcc=20)
    np.testing.assert_allclose(mfcc(power)[0].T, cepstrum, atol=1e-2)


@pytest.mark.parametrize("changes", [{"hop_samples": 0}, {"high_hz": 9_000.0}, {"num_bands": 0}])
def test_settings_check_themselves(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(8_000,), (1, 1_000)])
def test_too_short_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        mel_power(np.zeros(shape, np.float32), SETTINGS)
