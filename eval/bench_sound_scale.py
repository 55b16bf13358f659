"""How long matching the sound of an hour takes against many hours, and what it still finds.

References are made hours whose quads are as common as those of recordings: pieces of prints of two
to six seconds, moved in pitch and tempo, each peak by up to 0.04 s and 0.75 semitone. Queries are
pieces of other recordings, with excerpts of references planted in them after edits.
"""

import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from eval.bench_sound import EDITS
from eval.made_sound import RATE_HZ, music, speech
from eval.table import Column, Table, machine
from retrieval.errors import InvalidInputError
from retrieval.media.audio import decode_mono
from retrieval.sound_candidates import SPEEDS, sound_candidates
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import SoundMatch, find_sound_matches
from retrieval.sound_print import NUM_BINS, TICK_SECONDS, SoundPrint, fingerprint
from retrieval.sound_quads import peaks_at_speed, quads
from retrieval.types import FloatArray

__all__ = ["run"]

COLUMNS = (
    Column("hours", "Hours"),
    Column("quads", "Quads s", ".1f"),
    Column("votes", "Votes s", ".1f"),
    Column("check", "Check s", ".1f"),
    Column("total", "Total s", ".1f"),
    Column("memory", "Peak MB", ".0f"),
    Column("index", "Index MB", ".0f"),
    Column("found", "Found"),
    Column("planted", "Planted"),
    Column("others", "Others"),
)
_PLANTED = (
    "none", "speed 0.5", "speed 0.8", "speed 1.25", "speed 2.0", "tempo 1.25", "pitch +4",
    "noise 10 dB", "AAC 48k", "voice-over, 6 dB below",
)  # fmt: skip
_PLANTED_SECONDS = 12.0
_HOUR = 3_600.0
_NEIGHBOURS = 20
_MIN_PEAKS = 40


@dataclass(frozen=True)
class Plant:
    """An edited excerpt in the query."""

    name: str
    ref: str
    query_seconds: float
    ref_seconds: float


@dataclass(frozen=True)
class Timed:
    """One match of the query, timed by stages, in a process of its own."""

    quads_seconds: float
    candidates_seconds: float
    total_seconds: float
    peak_bytes: int
    matches: tuple[SoundMatch, ...]


def run(*, hours: Sequence[int] = (10,), seed: int = 1, files: Sequence[Path] = ()) -> Table:
    """Match one hour against libraries of each size.

    Args:
        hours: sizes, of which the time to make an index grows too.
        seed: of all that is made.
        files: recordings to take pieces of; made music and speech without any.

    Raises:
        InvalidInputError: a size below 1.
        MediaError: a file has no sound that can be read.
    """
    if not hours or min(hours) < 1:
        raise InvalidInputError(f"got {hours = }, expected sizes from 1")
    base, other_base = recordings(files, seed)
    sounds = {f"{make.__name__}": make(60, 1_000 * seed + 7) for make in (music, speech)}
    query, plants = made_query(other_base, sounds, seed)
    rows = []
    for size in hours:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "sounds"
            num_bytes = made_index(base, sounds, size, seed, folder)
            timed = apart(folder, query)
        found = sum(any(is_of(m, plant) for m in timed.matches) for plant in plants)
        others = sum(not any(is_of(m, plant) for plant in plants) for m in timed.matches)
        votes = timed.candidates_seconds - timed.quads_seconds
        check = timed.total_seconds - timed.candidates_seconds
        rows.append(
            (size, timed.quads_seconds, votes, check, timed.total_seconds,
             timed.peak_bytes / 1e6, num_bytes / 1e6, found, len(plants), others)
        )  # fmt: skip
    notes = (
        f"pieces of {len(base)} and {len(other_base)} recordings; seed {seed}; {machine()}.",
        "Found: planted excerpts with a match in their place; others: any other match.",
    )
    return Table("Sound at scale", COLUMNS, tuple(rows), notes)


def recordings(files: Sequence[Path], seed: int) -> tuple[list[SoundPrint], list[SoundPrint]]:
    """Prints to take pieces of, for references and for queries: a third of it is made.

    Files of one name's beginning may be parts of one recording, so neighbours stay together.
    """
    made = [
        fingerprint((music, speech)[n % 2](10, 2_000 * seed + n), RATE_HZ)
        for n in range(max(2 * _NEIGHBOURS, len(files) // 2))
    ]
    made += [fingerprint(decode_mono(f, sample_rate_hz=RATE_HZ), RATE_HZ) for f in files]
    sides: tuple[list[SoundPrint], list[SoundPrint]] = ([], [])
    for number, one in enumerate(made):
        if len(one) > _MIN_PEAKS:
            sides[number // _NEIGHBOURS % 2].append(one)
    return sides


def made_hour(base: Sequence[SoundPrint], rng: np.random.Generator) -> SoundPrint:
    """An hour of moved pieces."""
    ticks, bins, reaches, at = [], [], [], 0.0
    while at < _HOUR:
        piece = base[int(rng.integers(len(base)))]
        length, tempo = float(rng.uniform(2, 6)), float(np.exp(rng.uniform(-0.2, 0.2)))
        start = rng.uniform(0, max(0.1, piece.duration_seconds - length))
        piece = piece.select((piece.times >= start) & (piece.times < start + length))
        late = rng.uniform(-0.04, 0.04, len(piece))
        moved = piece.bins + rng.integers(-3, 4, len(piece)) + int(rng.integers(-40, 41))
        fits = (moved >= 0) & (moved < NUM_BINS)
        seconds = np.maximum((piece.times - start + late) / tempo + at, 0.0)
        ticks.append(np.round(seconds[fits] / TICK_SECONDS).astype(np.uint32))
        bins.append(moved[fits].astype(np.uint8))
        reaches.append(piece.reaches[fits])
        at += length / tempo
    return _ordered(np.concatenate(ticks), np.concatenate(bins), np.concatenate(reaches))


def made_query(
    base: Sequence[SoundPrint], sounds: dict[str, FloatArray], seed: int
) -> tuple[SoundPrint, list[Plant]]:
    """An hour with an excerpt of each sound after each edit, in place of what was there."""
    rng = np.random.default_rng([seed, 1])
    hour, plants = made_hour(base, rng), []
    parts = [hour]
    for number, (name, ref) in enumerate((n, ref) for n in _PLANTED for ref in sounds):
        at, start = 100.0 + 160.0 * number, float(rng.uniform(0, 60 - _PLANTED_SECONDS))
        cut = sounds[ref][round(start * RATE_HZ) : round((start + _PLANTED_SECONDS) * RATE_HZ)]
        made = fingerprint(EDITS[name][0](cut, seed + number), RATE_HZ)
        end = at + made.duration_seconds
        parts[0] = parts[0].select((parts[0].times < at) | (parts[0].times >= end))
        shifted = made.ticks + np.uint32(round(at / TICK_SECONDS))
        parts.append(SoundPrint(shifted, made.bins, made.reaches, _HOUR))
        plants.append(Plant(name, ref, at + made.duration_seconds / 2, start))
    columns = (np.concatenate([getattr(p, n) for p in parts]) for n in ("ticks", "bins", "reaches"))
    return _ordered(*columns), plants


def made_index(
    base: Sequence[SoundPrint], sounds: dict[str, FloatArray], hours: int, seed: int, folder: Path
) -> int:
    """Save an index of made hours and of the sounds; its size in bytes."""
    prints = {name: fingerprint(samples, RATE_HZ) for name, samples in sounds.items()}
    for number in range(hours):
        prints[f"hour {number}"] = made_hour(base, np.random.default_rng([seed, 2, number]))
    index = SoundIndex.build(prints)
    index.save(folder)
    return index.num_bytes


def apart(folder: Path, query: SoundPrint) -> Timed:
    """Match in a fresh process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(timed_match, folder, query.to_bytes()).result()


def timed_match(folder: Path, query: bytes) -> Timed:
    """Match with a saved index, then run the first stages again alone to time them."""
    sound, index = SoundPrint.from_bytes(query), SoundIndex.load(folder)
    started = time.perf_counter()
    matches = tuple(find_sound_matches(sound, index))
    total = time.perf_counter() - started
    peak = 1_024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    for _ in sound_candidates(sound, index):
        pass
    candidates = time.perf_counter() - started
    started = time.perf_counter()
    for speed in SPEEDS:
        quads(peaks_at_speed(sound, speed), fan=6, speed=speed, probe=True)
    return Timed(time.perf_counter() - started, candidates, total, peak, matches)


def is_of(match: SoundMatch, plant: Plant) -> bool:
    """Whether a match covers the middle of a planted excerpt, in its place."""
    query, ref = match.query_segment, match.ref_segment
    return (
        match.video_id == plant.ref
        and query.start_seconds <= plant.query_seconds <= query.end_seconds
        and ref.start_seconds < plant.ref_seconds + _PLANTED_SECONDS
        and ref.end_seconds > plant.ref_seconds
    )


def _ordered(ticks: np.ndarray, bins: np.ndarray, reaches: np.ndarray) -> SoundPrint:
    order = np.lexsort((bins, ticks))
    return SoundPrint(ticks[order], bins[order], reaches[order], _HOUR)
