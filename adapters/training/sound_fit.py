"""Fits the sound network: two altered windows of a sound are to lie close, strangers apart.

The loss is the supervised contrastive one (Khosla et al. 2020), once with the clips' classes as
labels and once with the sounds themselves, so that two barks are alike, and one bark with itself
more so. Made sounds are each a class of their own. Alterations work on mel powers, where noise,
mixing, tone colour and speed are cheap; pitch is changed before, on the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adapters.log_mel import LogMel, mel_power, power_to_unit
from adapters.training.sound_network import SoundNetwork

__all__ = ["SoundBank", "SoundFitConfig", "embed_sound", "fit_sound", "make_bank", "windows_of"]

FloatArray = NDArray[np.float32]
SILENCE = 1e-3
"""Root mean square below which a window counts as silent: -60 dB of full scale."""


@dataclass(frozen=True, kw_only=True)
class SoundFitConfig:
    """Schedule and alterations; the defaults made the shipped weights.

    Attributes:
        steps: of the optimiser.
        batch: sounds a step; two windows of each.
        made_share: of the batch that is made sounds.
        learning_rate: highest of the one-cycle schedule.
        weight_decay: on all weights.
        temperature: of the contrastive loss.
        sound_weight: of the loss in which only the same sound is alike; the rest goes by class.
        pitches: factors on the playing speed, one cached copy of each clip.
        stretch: time runs up to this factor faster or slower, at the same pitch.
        tilt_db: largest change of tone colour.
        mix_share: of windows that get another sound under them, 0 to 20 dB softer.
        noise_share: of windows that get noise, 5 to 40 dB softer.
        mask_bands, mask_frames: largest SpecAugment masks (Park et al. 2019), two of each.
    """

    steps: int = 200
    batch: int = 48
    made_share: float = 0.3
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    temperature: float = 0.1
    sound_weight: float = 0.4
    pitches: tuple[float, ...] = (0.84, 0.92, 1.0, 1.0, 1.09, 1.19)
    stretch: float = 1.25
    tilt_db: float = 9.0
    mix_share: float = 0.4
    noise_share: float = 0.5
    mask_bands: int = 10
    mask_frames: int = 16


@dataclass(frozen=True)
class SoundBank:
    """Mel powers of sounds, in copies of several pitches.

    Attributes:
        powers: for each sound its copies, each (F, B).
        labels: (N,) classes; every made sound has one of its own.
        is_made: (N,) bool.
    """

    powers: tuple[tuple[FloatArray, ...], ...]
    labels: NDArray[np.int64]
    is_made: NDArray[np.bool_]


def make_bank(
    clips: Sequence[FloatArray],
    labels: NDArray[np.int64],
    made: Sequence[FloatArray],
    *,
    settings: LogMel,
    window: int,
    pitches: Sequence[float],
) -> SoundBank:
    """Cache the mel powers of what is heard in clips (with pitches) and in made sounds."""
    least = round(window * 1.3)  # so that a faster one still fills a window
    copies = [
        tuple(
            _power(_fill(_played(_audible(clip, settings), pitch), least), settings)
            for pitch in pitches
        )
        for clip in clips
    ]
    copies += [(_power(_fill(sound, least), settings),) for sound in made]
    first = int(labels.max(initial=-1)) + 1
    return SoundBank(
        powers=tuple(copies),
        labels=np.concatenate([labels, first + np.arange(len(made))]),
        is_made=np.arange(len(copies)) >= len(clips),
    )


def fit_sound(
    network: SoundNetwork,
    bank: SoundBank,
    config: SoundFitConfig,
    *,
    window_frames: int,
    seed: int,
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train in place; `report` is told step and loss now and then."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.15
    )
    network.train()
    for step in range(1, config.steps + 1):
        chosen = _choose(bank, config, rng)
        views = [_altered(bank, at, config, window_frames, rng) for at in chosen for _ in range(2)]
        rows = network(torch.from_numpy(np.stack(views)))
        rows = torch.nn.functional.normalize(rows, dim=1)
        by_class = torch.from_numpy(np.repeat(bank.labels[chosen], 2))
        by_sound = torch.from_numpy(np.repeat(chosen, 2))
        loss = (1 - config.sound_weight) * _contrastive(rows, by_class, config.temperature)
        loss = loss + config.sound_weight * _contrastive(rows, by_sound, config.temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if report is not None and (step % 50 == 0 or step == config.steps):
            report(step, loss.item())
    network.eval()


def embed_sound(
    network: SoundNetwork, sound: FloatArray, settings: LogMel, size: int
) -> FloatArray:
    """Embed one sound of any length as the encoder does: the mean over its windows that sound."""
    windows = windows_of(sound, size)
    heard = windows[np.sqrt(np.mean(windows**2, axis=1)) >= SILENCE]
    with torch.inference_mode():
        seen = torch.from_numpy(
            power_to_unit(mel_power(heard if len(heard) else windows, settings))
        )
        rows = torch.nn.functional.normalize(network(seen), dim=1).mean(dim=0)
    return np.asarray(torch.nn.functional.normalize(rows, dim=0).numpy(), dtype=np.float32)


def windows_of(sound: FloatArray, size: int) -> FloatArray:
    """Windows (W, size) half a window apart, the last at the end; a short sound is repeated."""
    if len(sound) <= size:
        return np.resize(sound, (1, size))
    starts = list(range(0, len(sound) - size, size // 2))
    return np.stack([sound[start : start + size] for start in [*starts, len(sound) - size]])


def _contrastive(rows: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Supervised contrastive loss of unit rows (M, D) with labels (M,)."""
    cosines = rows @ rows.T / temperature
    itself = torch.eye(len(rows), dtype=torch.bool)
    logs = cosines - torch.logsumexp(cosines.masked_fill(itself, -torch.inf), dim=1, keepdim=True)
    is_alike = ((labels[:, None] == labels[None, :]) & ~itself).float()
    return -((logs * is_alike).sum(dim=1) / is_alike.sum(dim=1)).mean()


def _choose(bank: SoundBank, config: SoundFitConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sounds of one step, none twice."""
    made, clips = np.flatnonzero(bank.is_made), np.flatnonzero(~bank.is_made)
    num_made = min(len(made), round(config.batch * config.made_share))
    num_clips = min(len(clips), config.batch - num_made)
    return np.concatenate(
        [rng.choice(clips, num_clips, replace=False), rng.choice(made, num_made, replace=False)]
    )


def _altered(
    bank: SoundBank, at: int, config: SoundFitConfig, frames: int, rng: np.random.Generator
) -> FloatArray:
    """A window (frames, B) of one sound, changed as films change sound."""
    power = _window(bank, at, config, frames, rng)
    if rng.random() < config.mix_share:
        other = _window(bank, int(rng.integers(len(bank.powers))), config, frames, rng)
        power = power + other * _softer(power, other, rng.uniform(0.0, 20.0))
    if rng.random() < config.noise_share:
        slope = np.exp(rng.uniform(-1.5, 1.5) * np.linspace(-1, 1, power.shape[1]))
        noise = rng.exponential(size=power.shape) * slope
        power = np.asarray(
            power + noise * _softer(power, noise, rng.uniform(5.0, 40.0)), dtype=np.float32
        )
    knots = rng.uniform(-config.tilt_db, config.tilt_db, 4)
    tilt = np.interp(np.arange(power.shape[1]), np.linspace(0, power.shape[1] - 1, 4), knots)
    seen = power_to_unit(np.asarray(power * 10.0 ** (tilt / 10.0), dtype=np.float32))
    for _ in range(2):
        width, height = rng.integers(config.mask_frames + 1), rng.integers(config.mask_bands + 1)
        start, low = rng.integers(frames - width + 1), rng.integers(seen.shape[1] - height + 1)
        seen[start : start + width] = seen.mean()
        seen[:, low : low + height] = seen.mean()
    return seen


def _window(
    bank: SoundBank, at: int, config: SoundFitConfig, frames: int, rng: np.random.Generator
) -> FloatArray:
    """A random part of a random copy, played a little faster or slower."""
    copies = bank.powers[at]
    power = copies[rng.integers(len(copies))]
    speed = float(np.exp(rng.uniform(-1, 1) * np.log(config.stretch)))
    length = min(len(power), max(2, round(frames * speed)))
    start = int(rng.integers(len(power) - length + 1))
    places = np.linspace(start, start + length - 1, frames)
    low = np.floor(places).astype(np.int64)
    share = (places - low)[:, None]
    high = np.minimum(low + 1, len(power) - 1)
    return np.asarray((1 - share) * power[low] + share * power[high], dtype=np.float32)


def _softer(power: FloatArray, other: NDArray[np.floating], decibels: float) -> float:
    """Factor that makes `other` softer than `power` by so much."""
    ratio = float(power.mean()) / max(float(other.mean()), 1e-12)
    return float(ratio * 10.0 ** (-decibels / 10.0))


def _audible(clip: FloatArray, settings: LogMel) -> FloatArray:
    """What of a clip is not silence; all of it where it is silent throughout."""
    hop = settings.sample_rate_hz // 10
    pieces = [clip[at : at + hop] for at in range(0, len(clip), hop)]
    heard = [piece for piece in pieces if np.sqrt(np.mean(piece**2)) >= SILENCE]
    return np.concatenate(heard or [clip])


def _played(sound: FloatArray, speed: float) -> FloatArray:
    """Play faster, and so higher."""
    if speed == 1.0:
        return sound
    places = np.arange(0, len(sound) - 1, speed)
    return np.asarray(np.interp(places, np.arange(len(sound)), sound), dtype=np.float32)


def _fill(sound: FloatArray, least: int) -> FloatArray:
    """Repeat a sound that is shorter than `least` samples."""
    return sound if len(sound) >= least else np.resize(sound, least)


def _power(sound: FloatArray, settings: LogMel) -> FloatArray:
    return np.asarray(mel_power(sound[None], settings)[0])
