"""What a small sound network sees: the log-mel spectrogram of a window, in numpy alone.

The same numbers as `librosa.feature.melspectrogram(center=False)` and `power_to_db(ref=max)`, so
that serving needs no librosa: frames under a periodic Hann window, triangles on Slaney's mel scale
(linear below 1 kHz, logarithmic above) of equal area, decibels below the loudest cell.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogMel", "mel_power", "mfcc", "power_to_unit"]

FloatArray = NDArray[np.float32]
RANGE_DB = 80.0
_AMIN = 1e-10
_LINEAR_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """How sound becomes a spectrogram; travels with the weights that were trained on it."""

    sample_rate_hz: int = 16_000
    frame_samples: int = 1024
    hop_samples: int = 320
    num_bands: int = 64
    low_hz: float = 50.0
    high_hz: float = 8_000.0

    def __post_init__(self) -> None:
        if not 0 < self.hop_samples <= self.frame_samples or self.num_bands < 1:
            raise ValueError(f"got {self}, expected 0 < hop <= frame and at least one band")
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise ValueError(f"got {self}, expected 0 <= low < high <= half the sample rate")


def mel_power(sounds: FloatArray, settings: LogMel) -> FloatArray:
    """Power in mel bands.

    Args:
        sounds: (N, T) float32 mono in [-1, 1], T at least one frame.
        settings: How.

    Returns:
        (N, F, B) float32 with F = 1 + (T - frame) // hop.

    Raises:
        ValueError: The sounds are shorter than a frame or have another shape.
    """
    if sounds.ndim != 2 or sounds.shape[1] < settings.frame_samples:
        raise ValueError(f"got {sounds.shape = }, expected (N, T >= {settings.frame_samples})")
    views = np.lib.stride_tricks.sliding_window_view(sounds, settings.frame_samples, axis=1)
    window, filters = _tables(settings)
    spectrum = np.fft.rfft(views[:, :: settings.hop_samples] * window, axis=2)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(power @ filters, dtype=np.float32)


def power_to_unit(power: FloatArray) -> FloatArray:
    """Decibels below the loudest cell of each (F, B) window: [-80, 0] dB as [-1, 1] float32.

    How loud the window is does not change them.
    """
    levels = 10.0 * np.log10(np.maximum(power, _AMIN))
    below = levels - levels.max(axis=(-2, -1), keepdims=True)
    return np.asarray(1.0 + np.maximum(below, -RANGE_DB) * (2.0 / RANGE_DB), dtype=np.float32)


def mfcc(power: FloatArray, num_coefficients: int = 20) -> FloatArray:
    """Mel-frequency cepstral coefficients (N, F, C) of mel powers (N, F, B), as librosa's.

    The orthonormal cosine transform of decibels, cut 80 below the loudest of all cells.
    """
    levels = 10.0 * np.log10(np.maximum(power, _AMIN))
    levels = np.maximum(levels, levels.max(axis=(-2, -1), keepdims=True) - RANGE_DB)
    bands = power.shape[-1]
    places = np.pi * (np.arange(bands) + 0.5) / bands
    cosines = np.cos(places[:, None] * np.arange(num_coefficients)) * np.sqrt(2.0 / bands)
    cosines[:, 0] /= np.sqrt(2.0)
    return np.asarray(levels @ cosines, dtype=np.float32)


@lru_cache(maxsize=8)
def _tables(settings: LogMel) -> tuple[FloatArray, FloatArray]:
    """Window (T,) and triangles (T // 2 + 1, B)."""
    size = settings.frame_samples
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    mels = np.linspace(
        _hz_to_mel(settings.low_hz), _hz_to_mel(settings.high_hz), settings.num_bands + 2
    )
    edges = np.array([_mel_to_hz(mel) for mel in mels])
    lines = np.arange(size // 2 + 1) * settings.sample_rate_hz / size
    rising = (lines[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - lines[:, None]) / np.diff(edges)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))
    return window.astype(np.float32), triangles.astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: float) -> float:
    if mel < _BREAK_MEL:
        return mel * _LINEAR_HZ_PER_MEL
    return float(_BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
