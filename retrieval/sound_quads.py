"""Keys of four peaks that neither speed, tempo nor pitch changes.

Four peaks A, B, C, D in the order of time give five numbers: how far B, C and D lie above A in
log-frequency, which a change of pitch leaves alone, and where B and C lie between A and D in time,
which a change of speed leaves alone (Sonnleitner & Widmer 2016, with frequency on a log scale so
that pitch and tempo may change apart). What does change tells the edit: the ratio of the spans
A to D is the speed, the difference of the frequencies of A is the pitch.

One key in sixteen is kept, by its own value, so both sides keep the same ones.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from retrieval.sound_print import REACH_FRAMES, SoundPrint
from retrieval.types import FloatArray

__all__ = ["NUM_SLOTS", "REF_REACH", "SPAN_TICKS", "Quads", "peaks_at_speed", "quads"]

REF_REACH = 2
"""References are compared by their peaks of this reach and above (0.128 s to either side)."""
NUM_SLOTS = 1 << 19
SPAN_TICKS = 2
"""Unit of spans."""
_SAMPLE_SHIFT = 4
_STEP = 3  # width of a cell of log-frequency, in quarters of a semitone
_LEVELS = 41  # cells of log-frequency, 1.28 octaves to either side
_RATIOS = 11  # cells of time between A and D
_MAX_RISE = _STEP * (_LEVELS // 2)
_MIN_STEP_TICKS = 12.0
_MIN_SPAN_TICKS = 64.0
_MAX_SPAN_TICKS = 500.0
_MAX_LAG = 48
_CHUNK = 8_192
_BIN_JITTER = 1
_RATIO_JITTER = 0.15  # in cells
_KEY_BITS = 23
_MIX = 0x2C1B3C6D | 1


@dataclass(frozen=True)
class Quads:
    """Q quads of one print."""

    slots: NDArray[np.uint32]
    """(Q,) below `NUM_SLOTS`."""
    anchors: NDArray[np.uint32]
    """(Q,) which peak A is."""
    spans: NDArray[np.uint8]
    """(Q,) from A to D in `SPAN_TICKS`, of the reference's time at the speed that was assumed."""


def peaks_at_speed(sound: SoundPrint, speed: float) -> SoundPrint:
    """The peaks that stand as far apart in the sound's own time as a reference's do.

    Args:
        sound: a print.
        speed: seconds of reference in one second of this sound.
    """
    wanted = 0.9 * REACH_FRAMES[REF_REACH] / speed
    reach = sum(frames < wanted for frames in REACH_FRAMES)
    return sound.select(sound.reaches >= min(reach, len(REACH_FRAMES) - 1))


def quads(peaks: SoundPrint, *, fan: int, speed: float = 1.0, probe: bool = False) -> Quads:
    """Join each peak with three of its next `fan` ones.

    Args:
        peaks: what `peaks_at_speed` gave.
        fan: more finds more after noise, and costs more.
        speed: seconds of reference in one second of this sound.
        probe: whether numbers near the edge of a cell also give the neighbouring cell's key, so
            that one side's small errors are made good.
    """
    ticks = peaks.ticks.astype(np.float32) * np.float32(speed)
    bins = peaks.bins.astype(np.int16)
    parts = [
        _quads_of(ticks, bins, start, min(start + _CHUNK, len(ticks)), fan, probe)
        for start in range(0, len(ticks), _CHUNK)
    ]
    if not parts:
        return Quads(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    slots, anchors, spans = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Quads(slots, anchors, spans)


def _quads_of(
    ticks: FloatArray,
    bins: NDArray[np.int16],
    start: int,
    end: int,
    fan: int,
    probe: bool,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint8]]:
    nexts = _next_peaks(ticks, bins, start, end, fan)
    trios = np.array(list(combinations(range(fan), 3)))
    members = nexts[:, trios]  # (N, trios, 3)
    anchors = np.arange(start, end)[:, None]
    last = members[..., 2]
    span = np.where(last >= 0, ticks[last] - ticks[anchors], np.float32(0))
    row, column = np.nonzero(span >= _MIN_SPAN_TICKS)
    members, span, anchor = members[row, column], span[row, column], row + start
    rises = bins[members] - bins[anchor][:, None]
    ratios = (ticks[members[:, :2]] - ticks[anchor][:, None]) / (span[:, None] / _RATIOS)
    keys, which = _keys(rises, ratios, probe)
    mixed = (keys * _MIX) & ((1 << _KEY_BITS) - 1)
    kept = mixed >> (_KEY_BITS - _SAMPLE_SHIFT) == 0
    which = which[kept]
    spans = np.round(span[which] / SPAN_TICKS).astype(np.uint8)
    return mixed[kept].astype(np.uint32), anchor[which].astype(np.uint32), spans


def _next_peaks(
    ticks: FloatArray, bins: NDArray[np.int16], start: int, end: int, fan: int
) -> NDArray[np.int64]:
    """(N, fan) the next peaks within the zone of each; -1 where there are fewer."""
    nexts = np.full((end - start, fan), -1)
    filled = np.zeros(end - start, np.int64)
    for lag in range(1, _MAX_LAG + 1):
        count = min(end, len(ticks) - lag) - start
        if count <= 0:
            break
        here, there = slice(start, start + count), slice(start + lag, start + lag + count)
        steps = ticks[there] - ticks[here]
        fits = (steps >= _MIN_STEP_TICKS) & (steps <= _MAX_SPAN_TICKS)
        fits &= np.abs(bins[there] - bins[here]) <= _MAX_RISE
        fits &= filled[:count] < fan
        rows = np.flatnonzero(fits)
        nexts[rows, filled[rows]] = rows + start + lag
        filled[rows] += 1
    return nexts


def _keys(
    rises: NDArray[np.int16], ratios: NDArray[np.floating], probe: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys (K,) and the quad (K,) that each is of."""
    keys = np.zeros(len(rises), np.int64)
    which = np.arange(len(rises))
    for place in range(3):
        shifted = rises[:, place].astype(np.int64) + _MAX_RISE + _STEP // 2
        keys, which = _next_digit(keys, which, shifted / _STEP, _LEVELS, _BIN_JITTER / _STEP, probe)
    for place in range(2):
        value = ratios[:, place].astype(np.float64)
        keys, which = _next_digit(keys, which, value, _RATIOS, _RATIO_JITTER, probe)
    return keys, which


def _next_digit(
    keys: NDArray[np.int64],
    which: NDArray[np.int64],
    values: NDArray[np.float64],
    levels: int,
    jitter: float,
    probe: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Append a digit to each key; with `probe` also the digit across a near edge of the cell."""
    mine = values[which]
    digits = np.clip(np.floor(mine), 0, levels - 1).astype(np.int64)
    if not probe:
        return keys * levels + digits, which
    low = np.clip(np.floor(mine - jitter), 0, levels - 1).astype(np.int64)
    high = np.clip(np.floor(mine + jitter + 1e-6), 0, levels - 1).astype(np.int64)
    more = [(low < digits, low), (high > digits, high)]
    out = np.concatenate([keys * levels + digits, *((keys * levels + d)[m] for m, d in more)])
    return out, np.concatenate([which, *(which[m] for m, _ in more)])
