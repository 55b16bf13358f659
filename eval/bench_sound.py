"""Finds excerpts of sound after edits, and counts false matches; Chromaprint beside it.

Each query is an excerpt of a reference, edited, between eight seconds of sound that no reference
has. Made music and speech come from a seed: thresholds were chosen on even seeds, odd ones test.
"""

import tempfile
import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from eval.made_sound import RATE_HZ, music, noise, speech
from eval.table import Cell, Column, Table, machine
from retrieval.chromaprint import MIN_SIMILARITY, chromaprint, compare_chromaprints
from retrieval.errors import InvalidInputError
from retrieval.media.audio import decode_mono
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import SoundMatch, find_sound_matches
from retrieval.sound_print import fingerprint
from retrieval.types import FloatArray

__all__ = ["EDITS", "run"]

COLUMNS = (
    Column("edit", "Edit"),
    Column("queries", "Queries"),
    Column("found", "Found", ".2f"),
    Column("speed", "Speed ±3 %", ".2f"),
    Column("ends", "Ends ±1 s", ".2f"),
    Column("wrong", "Wrong"),
    Column("chromaprint", "Chromaprint found", ".2f"),
    Column("chromaprint_wrong", "Chromaprint wrong"),
)
_AROUND_SECONDS = 8
Edit = Callable[[FloatArray, int], FloatArray]


def _filtered(chain: str) -> Edit:
    return lambda samples, seed: _through(samples, chain)


def _noisy(decibels: float) -> Edit:
    return lambda samples, seed: _mixed(samples, noise(len(samples) / RATE_HZ, seed), decibels)


def _spoken_over(decibels: float) -> Edit:
    return lambda samples, seed: _mixed(samples, speech(len(samples) / RATE_HZ, seed), decibels)


def _pitched(semitones: int) -> Edit:
    ratio = 2 ** (semitones / 12)
    rate = round(RATE_HZ * ratio)
    return _filtered(f"asetrate={rate},aresample={RATE_HZ},atempo={1 / ratio}")


def _sped(speed: float) -> Edit:
    return _filtered(f"asetrate={round(RATE_HZ * speed)},aresample={RATE_HZ}")


EDITS: dict[str, tuple[Edit, float, float]] = {
    "none": (lambda samples, seed: samples, 1.0, 12.0),
    **{f"speed {s}": (_sped(s), s, 12.0) for s in (0.5, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0)},
    **{f"tempo {s}": (_filtered(f"atempo={s}"), s, 12.0) for s in (0.8, 1.25)},
    **{f"pitch {p:+d}": (_pitched(p), 1.0, 12.0) for p in (-4, -2, 2, 4)},
    **{f"noise {d} dB": (_noisy(d), 1.0, 12.0) for d in (20, 10, 5)},
    "low-pass 1.5 kHz": (_filtered("lowpass=f=1500"), 1.0, 12.0),
    "MP3 48k": (lambda samples, seed: _coded(samples, "mp3", "mp3"), 1.0, 12.0),
    "AAC 48k": (lambda samples, seed: _coded(samples, "aac", "mp4"), 1.0, 12.0),
    "volume -20 dB": (lambda samples, seed: samples * np.float32(0.1), 1.0, 12.0),
    "reverb": (lambda samples, seed: _echoed(samples, seed), 1.0, 12.0),
    "clipping": (lambda samples, seed: _clipped(samples), 1.0, 12.0),
    "voice-over, 6 dB below": (_spoken_over(6), 1.0, 12.0),
    "voice-over, as loud": (_spoken_over(0), 1.0, 12.0),
    **{f"{n} s excerpt": (lambda samples, seed: samples, 1.0, float(n)) for n in (3, 5, 10)},
}
"""Name: what is done, seconds of reference a second of query, seconds of the excerpt."""


def run(*, seed: int = 1, rounds: int = 3, files: Sequence[Path] = ()) -> Table:
    """Measure every edit.

    Args:
        seed: odd for figures to report.
        rounds: queries an edit for each of music and speech.
        files: films or sounds that are references too, each queried `rounds` times.

    Raises:
        InvalidInputError: `rounds` is below 1.
        MediaError: a file has no sound that can be read.
    """
    if rounds < 1:
        raise InvalidInputError(f"got {rounds = }, expected at least 1")
    sounds = {f"{make.__name__} {n}": make(40, 1_000 * seed + n)
              for make in (music, speech) for n in range(rounds)}  # fmt: skip
    for path in files:
        sounds[path.name] = np.concatenate(list(decode_mono(path, sample_rate_hz=RATE_HZ)))
    index = SoundIndex.build({n: fingerprint(s, RATE_HZ) for n, s in sounds.items()})
    rows: list[tuple[Cell, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        refs = {n: _chromaprint(s, Path(folder)) for n, s in sounds.items()}
        for name in EDITS:
            results = [
                _query(name, ref, sounds, index, refs, seed=100 * seed + n, folder=Path(folder))
                for ref in sounds
                for n in range(rounds if ref in {path.name for path in files} else 1)
            ]
            found, speed, ends, wrong, peer, peer_wrong = np.array(results, float).T
            has_peer = not np.isnan(peer).any()
            rows.append(
                (name, len(found), found.mean(), speed.mean(), ends.mean(), int(wrong.sum()),
                 float(peer.mean()) if has_peer else None,
                 int(peer_wrong.sum()) if has_peer else None)
            )  # fmt: skip
    notes = (
        f"{len(sounds)} references; seed {seed}; {machine()}.",
        "Found: at least one match of the right place; wrong: matches of another reference.",
        f"Chromaprint: the most alike stretch of 3 s, at least {MIN_SIMILARITY} of bits.",
    )
    return Table("Sound", COLUMNS, tuple(rows), notes)


def _query(
    name: str,
    ref: str,
    sounds: dict[str, FloatArray],
    index: SoundIndex,
    chromaprints: dict[str, NDArray[np.uint32] | None],
    *,
    seed: int,
    folder: Path,
) -> tuple[float, ...]:
    """Found, speed right, ends right, wrong matches, Chromaprint found, Chromaprint wrong."""
    edit, speed, seconds = EDITS[name]
    samples = sounds[ref]
    seconds = min(seconds, 0.8 * len(samples) / RATE_HZ)
    rng = np.random.default_rng([seed, len(samples), list(EDITS).index(name)])
    start = float(rng.uniform(0, len(samples) / RATE_HZ - seconds))
    cut = samples[round(start * RATE_HZ) : round((start + seconds) * RATE_HZ)]
    before, after = (music(_AROUND_SECONDS, int(rng.integers(1 << 40))) for _ in range(2))
    query = np.concatenate([before, edit(cut, seed), after]).astype(np.float32)
    made = find_sound_matches(fingerprint(query, RATE_HZ), index)
    right = [m for m in made if m.video_id == ref and _is_there(m, start, seconds)]
    best = right[0] if right else None
    return (
        best is not None,
        best is not None and abs(best.speed_ratio / speed - 1) <= 0.03,
        best is not None and _has_ends(best, start, seconds, speed),
        sum(m.video_id != ref for m in made),
        *_peer(query, ref, chromaprints, start, folder),
    )


def _is_there(match: SoundMatch, start: float, seconds: float) -> bool:
    segment = match.ref_segment
    return segment.end_seconds > start and segment.start_seconds < start + seconds


def _has_ends(match: SoundMatch, start: float, seconds: float, speed: float) -> bool:
    query, ref = match.query_segment, match.ref_segment
    wanted = (_AROUND_SECONDS, _AROUND_SECONDS + seconds / speed, start, start + seconds)
    got = (query.start_seconds, query.end_seconds, ref.start_seconds, ref.end_seconds)
    return all(abs(a - b) <= 1 for a, b in zip(got, wanted, strict=True))


def _peer(
    query: FloatArray,
    ref: str,
    chromaprints: dict[str, NDArray[np.uint32] | None],
    start: float,
    folder: Path,
) -> tuple[float, float]:
    mine = _chromaprint(query, folder)
    if mine is None or None in [p if p is None else 0 for p in chromaprints.values()]:
        return float("nan"), float("nan")
    compared = [
        (found.similarity, name, found.ref_seconds - found.query_seconds)
        for name, other in chromaprints.items()
        if other is not None and (found := compare_chromaprints(mine, other)) is not None
    ]
    above = [c for c in compared if c[0] >= MIN_SIMILARITY]
    right = [c for c in above if c[1] == ref and abs(c[2] - (start - _AROUND_SECONDS)) < 2]
    return float(bool(right)), float(sum(c[1] != ref for c in above))


def _chromaprint(samples: FloatArray, folder: Path) -> NDArray[np.uint32] | None:
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return chromaprint(path)


def _mixed(samples: FloatArray, other: FloatArray, decibels: float) -> FloatArray:
    """The other sound added so that it lies `decibels` below."""
    other = other[: len(samples)]
    power, other_power = float(np.mean(samples**2)), float(np.mean(other**2))
    gain = np.sqrt(power / max(other_power, 1e-12) / 10 ** (decibels / 10))
    return np.asarray(samples[: len(other)] + gain * other, dtype=np.float32)


def _echoed(samples: FloatArray, seed: int) -> FloatArray:
    """A room of 0.6 s whose echoes are as loud as the direct sound."""
    t = np.arange(RATE_HZ // 2) / RATE_HZ
    room = np.random.default_rng(seed).normal(size=len(t)) * np.exp(-t * 6.9 / 0.6)
    room[0] = np.sqrt(float((room[1:] ** 2).sum()))
    size = len(samples) + len(room)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)[: len(samples)]
    return np.asarray(0.7 * wet / max(1e-9, float(np.abs(wet).max())), dtype=np.float32)


def _clipped(samples: FloatArray) -> FloatArray:
    """The loudest tenth of all samples cut off."""
    limit = max(1e-6, float(np.quantile(np.abs(samples), 0.9)))
    return np.asarray(np.clip(samples, -limit, limit) * (0.7 / limit), dtype=np.float32)


def _frame(samples: FloatArray) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "flt", "mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
    return frame


def _through(samples: FloatArray, chain: str) -> FloatArray:
    """Samples through a chain of FFmpeg's filters."""
    graph = av.filter.Graph()
    last = graph.add_abuffer(
        format="flt", sample_rate=RATE_HZ, layout="mono", time_base=Fraction(1, RATE_HZ)
    )
    for step in f"{chain},aresample={RATE_HZ},aformat=sample_fmts=flt".split(","):
        name, _, options = step.partition("=")
        made = graph.add(name, options)
        last.link_to(made)
        last = made
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    graph.push(_frame(samples))
    graph.push(None)
    parts: list[FloatArray] = []
    while True:
        try:
            pulled = graph.pull().to_ndarray()
            parts.append(np.asarray(pulled, dtype=np.float32).reshape(-1))
        except (av.error.EOFError, av.error.BlockingIOError):
            return np.concatenate(parts)


def _coded(samples: FloatArray, codec: str, container: str) -> FloatArray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sound.{container}"
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream(codec, rate=RATE_HZ, layout="mono", bit_rate=48_000)
            assert isinstance(stream, av.AudioStream)
            for start in range(0, len(samples), 1_024):
                frame = _frame(samples[start : start + 1_024])
                frame.pts = start
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return np.concatenate(list(decode_mono(path, sample_rate_hz=RATE_HZ)))
