"""Sound of attack films: made music and speech-like voices, real clips, and edits of them.

All sound is mono float32 in [-1, 1] at one rate. Stretching and filters run through FFmpeg's
filters inside PyAV, so no program needs to be installed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.filter
import numpy as np

from eval.attacks_material import seeded
from eval.attacks_scenes import Footage, Scene
from eval.attacks_time import Timeline
from retrieval.errors import MediaError
from retrieval.media.audio import decode_mono
from retrieval.types import FloatArray

__all__ = ["RATE_HZ", "SOUND_EDITS", "SoundEdit", "film_sound", "filtered", "made_sound", "played"]

RATE_HZ = 24_000
SoundChange = Callable[[FloatArray, int, np.random.Generator], FloatArray]


@dataclass(frozen=True)
class SoundEdit:
    """One kind of edit of the sound; the length stays."""

    name: str
    family: str
    change: SoundChange


# --- making


def film_sound(scenes: Sequence[Scene], clips: Sequence[Path], seed: str) -> FloatArray:
    """The sound of a film: its footage's own where it has any, made sound with clips elsewhere."""
    lengths = [round(scene.seconds * RATE_HZ) for scene in scenes]
    sound = _with_clips(made_sound(sum(lengths) / RATE_HZ, seed), clips, seed)
    start = 0
    for scene, length in zip(scenes, lengths, strict=True):
        own = _own_sound(scene, length) if isinstance(scene, Footage) else None
        if own is not None:
            sound[start : start + length] = own[: len(sound) - start]
        start += length
    return sound


def made_sound(seconds: float, seed: str) -> FloatArray:
    """Music with a voice over parts of it, which the seed decides."""
    rng = seeded("sound", seed)
    length = round(seconds * RATE_HZ)
    music, voice = _music(length, rng), _voice(length, rng)
    turn = np.sin(2 * np.pi * (np.arange(length) / RATE_HZ / rng.uniform(12, 25) + rng.uniform()))
    mix = 0.35 * music + 0.5 * voice * (turn > 0.2)
    return np.asarray(np.clip(mix, -1, 1), dtype=np.float32)


def _music(length: int, rng: np.random.Generator) -> FloatArray:
    """Notes of a scale with a few overtones, a bass and a beat."""
    sound = np.zeros(length + RATE_HZ * 4, dtype=np.float32)
    beat = rng.uniform(0.22, 0.45)
    scale = 110.0 * 2 ** (rng.choice([0, 2, 3, 5, 7, 8, 10], 5, replace=False) / 12)
    key = 2 ** (rng.integers(0, 12) / 12)
    for number in range(int(length / RATE_HZ / beat) + 1):
        start = round(number * beat * RATE_HZ)
        if rng.random() < 0.75:
            pitch = float(rng.choice(scale) * key * 2 ** rng.integers(0, 4))
            _add(sound, start, _note(pitch, beat * rng.uniform(1, 3), rng))
        if number % 4 == 0:
            _add(sound, start, 1.2 * _note(float(scale[0] * key / 2), beat * 4, rng))
        if number % 2 == 0:
            burst = rng.normal(0, 0.25, RATE_HZ // 12) * np.exp(-np.arange(RATE_HZ // 12) / 300)
            _add(sound, start, burst.astype(np.float32))
    return np.asarray(np.tanh(sound[:length]), dtype=np.float32)


def _note(pitch_hz: float, seconds: float, rng: np.random.Generator) -> FloatArray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    envelope = np.exp(-times * rng.uniform(1.5, 6)) * np.minimum(times * 80, 1)
    tones = [
        np.sin(2 * np.pi * pitch_hz * n * times + rng.uniform(0, 6)) / n ** rng.uniform(1, 2)
        for n in range(1, 6)
        if pitch_hz * n < RATE_HZ / 2
    ]
    return np.asarray(0.3 * envelope * sum(tones), dtype=np.float32)


def _voice(length: int, rng: np.random.Generator) -> FloatArray:
    """Syllables: pulses at a gliding pitch with three moving resonances, and hisses between."""
    sound = np.zeros(length + RATE_HZ, dtype=np.float32)
    base, start = rng.uniform(90, 220), 0
    while start < length:
        count = round(rng.uniform(0.09, 0.28) * RATE_HZ)
        times = np.arange(count) / RATE_HZ
        pitch = base * rng.uniform(0.85, 1.25) * (1 + rng.uniform(-0.6, 0.6) * times)
        source = 2 * ((np.cumsum(pitch) / RATE_HZ) % 1.0) - 1
        if rng.random() < 0.2:
            source = rng.normal(0, 0.6, count)
        spectrum = np.fft.rfft(source)
        hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
        gain = sum(
            np.exp(-(((hertz - rng.uniform(*band)) / 120.0) ** 2)) / (place + 1)
            for place, band in enumerate(((300, 900), (900, 2300), (2300, 3400)))
        )
        syllable = np.fft.irfft(spectrum * gain, count) * np.hanning(count)
        _add(sound, start, (syllable / (np.abs(syllable).max() + 1e-6)).astype(np.float32))
        start += count + round(rng.choice([0.02, 0.05, 0.35], p=[0.5, 0.35, 0.15]) * RATE_HZ)
    return sound[:length]


def _add(sound: FloatArray, start: int, part: FloatArray) -> None:
    end = min(len(sound), start + len(part))
    sound[start:end] += part[: end - start]


def _with_clips(sound: FloatArray, clips: Sequence[Path], seed: str) -> FloatArray:
    """Lay real clips over the made sound, with gaps between."""
    rng, start = seeded("clips", seed), 0
    for path in clips:
        if start >= len(sound):
            break
        clip = _read(path, 0.0, 5.0)
        end = min(len(sound), start + len(clip))
        sound[start:end] = 0.4 * sound[start:end] + 0.8 * clip[: end - start]
        start = end + round(rng.uniform(2, 9) * RATE_HZ)
    return np.asarray(np.clip(sound, -1, 1), dtype=np.float32)


def _own_sound(scene: Footage, length: int) -> FloatArray | None:
    """The film's own sound; None where it has none or is silent."""
    sound = _read(scene.path, scene.start_seconds, scene.start_seconds + scene.seconds)
    if len(sound) < length // 2 or np.abs(sound).max() < 0.01:
        return None
    return np.pad(sound, (0, max(0, length - len(sound))))[:length]


def _read(path: Path, start: float, end: float) -> FloatArray:
    try:
        chunks = list(decode_mono(path, sample_rate_hz=RATE_HZ, start=start, end=end))
    except MediaError:
        chunks = []
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)


# --- playing


def played(sound: FloatArray, timeline: Timeline) -> FloatArray:
    """The sound of a reference along a timeline, (T,) float32 of the timeline's length."""
    parts = []
    for piece in timeline.pieces:
        part = sound[round(piece.ref_start * RATE_HZ) : round(piece.ref_end * RATE_HZ)]
        part = part[::-1].copy() if piece.is_reversed else part
        length = round(piece.seconds * RATE_HZ)
        if abs(piece.speed - 1) > 1e-6:
            part = stretched(part, piece.speed, keeps_pitch=timeline.keeps_pitch)
        parts.append(np.pad(part, (0, max(0, length - len(part))))[:length])
    return np.concatenate(parts)


def stretched(sound: FloatArray, speed: float, *, keeps_pitch: bool) -> FloatArray:
    """Play faster (above 1) or slower, at the same pitch or with it."""
    if keeps_pitch:
        return filtered(sound, ("atempo", f"{speed:.5f}"))
    return filtered(sound, ("asetrate", str(round(RATE_HZ * speed))), ("aresample", str(RATE_HZ)))


def filtered(sound: FloatArray, *filters: tuple[str, str]) -> FloatArray:
    """Run mono samples through FFmpeg filters, each a name and its arguments."""
    graph = av.filter.Graph()
    nodes = [
        graph.add_abuffer(
            format="flt", sample_rate=RATE_HZ, layout="mono", time_base=Fraction(1, RATE_HZ)
        ),
        *(graph.add(name, arguments) for name, arguments in filters),
        graph.add("aformat", f"sample_fmts=flt:sample_rates={RATE_HZ}:channel_layouts=mono"),
        graph.add("abuffersink"),
    ]
    for first, second in pairwise(nodes):
        first.link_to(second)
    graph.configure()
    out: list[FloatArray] = []
    for start in range(0, len(sound), 4096):
        chunk = np.ascontiguousarray(sound[None, start : start + 4096], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(chunk, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        graph.push(frame)
        _drain(graph, out)
    graph.push(None)
    _drain(graph, out)
    return np.concatenate(out) if out else np.zeros(0, dtype=np.float32)


def _drain(graph: av.filter.Graph, out: list[FloatArray]) -> None:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, av.AudioFrame):
            out.append(np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1))


# --- edits


def _pitch(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    semitones = (1.0, 2.0, 4.0)[strength - 1] * float(rng.choice([-1, 1]))
    ratio = 2 ** (semitones / 12)
    return _same_length(
        stretched(stretched(sound, ratio, keeps_pitch=False), 1 / ratio, keeps_pitch=True), sound
    )


def _noise(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    """White noise 15, 6 or 0 dB below the sound."""
    level = float(np.sqrt(np.mean(sound**2)) + 1e-6) * 10 ** (-(15, 6, 0)[strength - 1] / 20)
    return np.asarray(np.clip(sound + rng.normal(0, level, len(sound)), -1, 1), dtype=np.float32)


def _muffled(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    cutoff = str((3500, 1800, 900)[strength - 1])
    return _same_length(filtered(sound, ("lowpass", cutoff), ("lowpass", cutoff)), sound)


def _thin(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    """A telephone: few bits, a narrow band, then crushed."""
    low, high = str((300, 500, 800)[strength - 1]), str((3400, 2600, 2000)[strength - 1])
    narrow = _same_length(filtered(sound, ("highpass", low), ("lowpass", high)), sound)
    steps = (64, 16, 6)[strength - 1]
    return np.asarray(np.round(narrow * steps) / steps, dtype=np.float32)


def _loudness(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    gain = (0.4, 4.0, 0.08)[strength - 1]
    return np.asarray(np.clip(sound * gain, -1, 1), dtype=np.float32)


def _voice_over(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    voice = _voice(len(sound), rng) * (0.15, 0.4, 0.8)[strength - 1]
    return np.asarray(np.clip(0.6 * sound + voice, -1, 1), dtype=np.float32)


def _echo(sound: FloatArray, strength: int, rng: np.random.Generator) -> FloatArray:
    delays, decays = "60|170|310", ("0.2|0.1|0.1", "0.4|0.3|0.2", "0.6|0.5|0.4")[strength - 1]
    return _same_length(filtered(sound, ("aecho", f"0.8:0.8:{delays}:{decays}")), sound)


def _same_length(sound: FloatArray, like: FloatArray) -> FloatArray:
    return np.pad(sound, (0, max(0, len(like) - len(sound))))[: len(like)]


SOUND_EDITS: tuple[SoundEdit, ...] = (
    SoundEdit("sound_plain", "sound alone", lambda sound, strength, rng: sound),
    SoundEdit("pitch", "sound pitch", _pitch),
    SoundEdit("sound_noise", "sound quality", _noise),
    SoundEdit("muffled", "sound quality", _muffled),
    SoundEdit("telephone", "sound quality", _thin),
    SoundEdit("loudness", "sound quality", _loudness),
    SoundEdit("voice_over", "sound mix", _voice_over),
    SoundEdit("echo", "sound mix", _echo),
)
