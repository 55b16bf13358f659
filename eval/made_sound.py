"""Sound made from a seed, for tests and benchmarks that need any number of unlike recordings.

`music` plays random notes with overtones and beats; `speech` shapes a buzz and a hiss by moving
formants in syllables. Neither repeats itself, and two seeds have nothing in common.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.types import FloatArray

__all__ = ["hum", "music", "noise", "speech", "ticking"]

RATE_HZ = 16_000


def music(seconds: float, seed: int, *, rate_hz: int = RATE_HZ) -> FloatArray:
    """(T,) notes of two voices and drums."""
    rng = np.random.default_rng([seed, 1])
    out = np.zeros(round(seconds * rate_hz) + 2 * rate_hz, np.float32)
    for octave in (110.0, 220.0):
        at = 0.0
        while at < seconds:
            length = float(rng.choice([0.13, 0.26, 0.39, 0.52])) * float(rng.uniform(0.9, 1.1))
            pitch = octave * 2 ** (int(rng.integers(0, 25)) / 12)
            _mix(out, at, _note(pitch, length, rng, rate_hz), rate_hz)
            at += length
    for at in np.cumsum(rng.uniform(0.15, 0.6, int(seconds * 4))):
        if at < seconds:
            burst = rng.normal(size=round(0.05 * rate_hz)) * np.linspace(
                1, 0, round(0.05 * rate_hz)
            )
            _mix(out, float(at), (0.3 * burst).astype(np.float32), rate_hz)
    return _levelled(out[: round(seconds * rate_hz)])


def speech(seconds: float, seed: int, *, rate_hz: int = RATE_HZ) -> FloatArray:
    """(T,) syllables: voiced with a moving pitch, or hissed, with pauses between phrases."""
    rng = np.random.default_rng([seed, 2])
    out = np.zeros(round(seconds * rate_hz) + 2 * rate_hz, np.float32)
    at, pitch = 0.0, float(rng.uniform(90, 220))
    while at < seconds:
        length = float(rng.uniform(0.09, 0.28))
        _mix(
            out, at, _syllable(pitch * float(rng.uniform(0.8, 1.3)), length, rng, rate_hz), rate_hz
        )
        at += length + (float(rng.uniform(0.15, 0.5)) if rng.random() < 0.15 else 0.01)
    return _levelled(out[: round(seconds * rate_hz)])


def noise(seconds: float, seed: int, *, rate_hz: int = RATE_HZ) -> FloatArray:
    """(T,) steady white noise."""
    rng = np.random.default_rng([seed, 3])
    return _levelled(rng.normal(size=round(seconds * rate_hz)).astype(np.float32))


def hum(seconds: float, hz: float = 100.0, *, rate_hz: int = RATE_HZ) -> FloatArray:
    """(T,) a steady tone with overtones."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = np.sum([np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 9)], axis=0)
    return _levelled(np.asarray(wave, dtype=np.float32))


def ticking(seconds: float, seed: int, *, rate_hz: int = RATE_HZ) -> FloatArray:
    """(T,) a clock: the same tick and tock all the time, in faint noise."""
    rng = np.random.default_rng([seed, 4])
    out = (0.002 * rng.normal(size=round(seconds * rate_hz) + rate_hz)).astype(np.float32)
    period = float(rng.uniform(0.4, 0.6))
    ticks = [_note(float(rng.uniform(800, 3_000)), 0.03, rng, rate_hz) for _ in range(2)]
    for number in range(int(seconds / period)):
        _mix(out, number * period, ticks[number % 2], rate_hz)
    return _levelled(out[: round(seconds * rate_hz)])


def _note(pitch: float, length: float, rng: np.random.Generator, rate_hz: int) -> FloatArray:
    t = np.arange(round((length + 0.1) * rate_hz)) / rate_hz
    weights = []
    for overtone in range(1, 9):
        if pitch * overtone < 0.45 * rate_hz:
            phase, power = rng.uniform(0, 6.3), rng.uniform(0.2, 1) / overtone
            weights.append(power * np.exp(1j * phase))
    wave = _overtones(2 * np.pi * pitch * t, np.array(weights))
    envelope = np.minimum(t / 0.01, 1) * np.exp(-t / max(0.02, length * 0.6))
    return np.asarray(wave * envelope, dtype=np.float32)


def _syllable(pitch: float, length: float, rng: np.random.Generator, rate_hz: int) -> FloatArray:
    t = np.arange(round(length * rate_hz)) / rate_hz
    if rng.random() < 0.25:
        wave = rng.normal(size=len(t)) * 0.3
    else:
        bend = 1 + rng.uniform(-0.2, 0.2) * t / length
        phase = 2 * np.pi * np.cumsum(pitch * bend) / rate_hz
        formants = rng.uniform([250, 800, 2_200], [900, 2_300, 3_200])
        overtones = np.arange(1, int(3_800 / pitch))
        gains = np.exp(-(((overtones[:, None] * pitch - formants) / 180) ** 2)) * [1, 0.6, 0.3]
        wave = _overtones(phase, gains.sum(axis=1) + 0.01)
    return np.asarray(wave * np.sin(np.pi * t / length) ** 0.5, dtype=np.float32)


def _overtones(phase: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """The sum of weight[k] * exp(i (k + 1) phase), its imaginary part, by powers of one wave."""
    wave = np.exp(1j * phase)
    total = np.zeros(len(phase), complex)
    for weight in weights[::-1]:  # Horner's rule
        total = (total + weight) * wave
    return np.asarray(total.imag)


def _mix(out: FloatArray, at: float, part: FloatArray, rate_hz: int) -> None:
    start = round(at * rate_hz)
    part = part[: max(0, len(out) - start)]
    out[start : start + len(part)] += part


def _levelled(samples: FloatArray) -> FloatArray:
    peak = float(np.abs(samples).max(initial=0.0))
    return samples if peak == 0 else np.asarray(samples * (0.7 / peak), dtype=np.float32)
