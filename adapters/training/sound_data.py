"""Sounds to train on: labelled clips in folders, and sounds that are made up.

Clips lie as in ESC-10 and ESC-50 prepared by class: `CLASS/FOLD-SOURCE-TAKE.ogg`, one folder a
class; what stands before the first hyphen of a file's name is its fold, so that clips cut from one
recording stay on one side of every measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clips", "Decode", "made_sounds", "read_clips"]

FloatArray = NDArray[np.float32]
Decode = Callable[[Path], FloatArray]
"""A sound file -> (T,) float32 mono in [-1, 1] at the rate of the training."""
SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"})


@dataclass(frozen=True)
class Clips:
    """Labelled clips.

    Attributes:
        sounds: N of (T,) float32.
        labels: (N,) places in `classes`.
        folds: N names of folds.
        classes: Names of the folders, sorted.
    """

    sounds: tuple[FloatArray, ...]
    labels: NDArray[np.int64]
    folds: tuple[str, ...]
    classes: tuple[str, ...]

    def rows(self, *, fold: str, is_in: bool) -> NDArray[np.int64]:
        """Places of the clips in a fold, or of those in the others."""
        return np.flatnonzero((np.array(self.folds) == fold) == is_in)


def read_clips(folder: Path, decode: Decode) -> Clips:
    """Read all clips below the class folders of `folder`.

    Raises:
        NotADirectoryError: `folder` is none.
        ValueError: There are fewer than two classes or two folds.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    classes = sorted({path.parent.name for path in files})
    folds = tuple(path.name.partition("-")[0] for path in files)
    if len(classes) < 2 or len(set(folds)) < 2:
        raise ValueError(
            f"got {len(classes)} class folders with sounds in {len(set(folds))} folds, expected "
            "two or more of each: CLASS/FOLD-SOURCE-TAKE.ogg"
        )
    return Clips(
        sounds=tuple(decode(path) for path in files),
        labels=np.array([classes.index(path.parent.name) for path in files], dtype=np.int64),
        folds=folds,
        classes=tuple(classes),
    )


def made_sounds(
    count: int, *, seconds: float, sample_rate_hz: int, rng: np.random.Generator
) -> list[FloatArray]:
    """Make sounds that no two of are alike: tones, sweeps, chords, noises, clicks, melodies.

    They keep the network from knowing the clips' classes alone, and cost nothing.
    """
    times = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    makers = (_harmonics, _sweep, _noise, _clicks, _melody, _hum_and_noise)
    made = [makers[number % len(makers)](times, rng) for number in range(count)]
    return [np.asarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32) for sound in made]


Times = NDArray[np.float64]


def _pitch(rng: np.random.Generator, low: float = 80.0, high: float = 3000.0) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _tone(times: Times, hertz: float, rng: np.random.Generator, num: int = 6) -> Times:
    """A note with overtones that fall off at a random rate."""
    fall = rng.uniform(0.3, 2.5)
    parts = np.arange(1, num + 1)
    parts = parts[parts * hertz < 7_500]
    phases = rng.uniform(0, 2 * np.pi, len(parts))
    waves = np.sin(2 * np.pi * hertz * times[:, None] * parts + phases)
    return np.asarray(waves @ (1.0 / parts**fall))


def _swell(times: Times, rng: np.random.Generator) -> Times:
    """A slow or fast tremolo."""
    depth, rate = rng.uniform(0, 1), _pitch(rng, 0.5, 20.0)
    return np.asarray(1.0 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * rate * times)))


def _harmonics(times: Times, rng: np.random.Generator) -> Times:
    root = _pitch(rng, 80.0, 800.0)
    ratios = rng.choice([1.0, 1.2, 1.25, 1.5, 1.78, 2.0], size=rng.integers(1, 4), replace=False)
    return _swell(times, rng) * sum(_tone(times, root * ratio, rng) for ratio in ratios)


def _sweep(times: Times, rng: np.random.Generator) -> Times:
    """A siren: pitch that glides or wobbles."""
    centre, width, rate = _pitch(rng, 200.0, 2000.0), rng.uniform(0.1, 0.7), _pitch(rng, 0.3, 6.0)
    hertz = centre * np.exp(width * np.sin(2 * np.pi * rate * times))
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) * (times[1] - times[0])))


def _noise(times: Times, rng: np.random.Generator) -> Times:
    """Noise of some colour in some band, swelling."""
    spectrum = np.fft.rfft(rng.standard_normal(len(times)))
    hertz = np.fft.rfftfreq(len(times), times[1] - times[0])
    colour = np.maximum(hertz, 20.0) ** -rng.uniform(0.0, 1.5)
    octaves = np.log2(np.maximum(hertz, 20.0) / _pitch(rng, 100.0, 6000.0))
    band = np.exp(-0.5 * (octaves / rng.uniform(0.3, 3.0)) ** 2)
    return np.asarray(_swell(times, rng) * np.fft.irfft(spectrum * colour * band, len(times)))


def _clicks(times: Times, rng: np.random.Generator) -> Times:
    """Knocks at a steady or a loose rate, each ringing."""
    gap, looseness = 1.0 / _pitch(rng, 0.8, 15.0), rng.uniform(0.0, 0.5)
    step, sound = times[1] - times[0], np.zeros(len(times))
    length = min(len(times), 4_000)
    ring = np.exp(-np.arange(length) * step * _pitch(rng, 15.0, 300.0))
    ring = ring * np.sin(2 * np.pi * _pitch(rng, 200.0, 6000.0) * np.arange(length) * step)
    at = rng.uniform(0, gap)
    while at < times[-1]:
        start = round(at / step)
        part = sound[start : start + length]
        part += rng.uniform(0.5, 1.0) * ring[: len(part)]
        at += gap * (1.0 + looseness * rng.uniform(-1, 1))
    return sound + 1e-4 * rng.standard_normal(len(times))


def _melody(times: Times, rng: np.random.Generator) -> Times:
    """Notes of one scale, plucked or held, over a bass."""
    root, note = _pitch(rng, 110.0, 440.0), rng.uniform(0.12, 0.5)
    decay = rng.uniform(0.0, 8.0)
    scale = 2.0 ** (np.array([0, 2, 4, 7, 9, 12]) / 12)
    sound = 0.5 * _tone(times, root / 2, rng)
    for start in np.arange(0.0, times[-1], note):
        inside = (times >= start) & (times < start + note)
        local = times[inside] - start
        sound[inside] += np.exp(-decay * local) * _tone(local, root * rng.choice(scale), rng)
    return sound


def _hum_and_noise(times: Times, rng: np.random.Generator) -> Times:
    """An engine: a low note with many overtones in noise."""
    hum = _tone(times, _pitch(rng, 30.0, 200.0), rng, num=30)
    noise = _noise(times, rng)
    share = rng.uniform(0.1, 0.9)
    return np.asarray(share * hum / np.abs(hum).max() + (1 - share) * noise / np.abs(noise).max())
