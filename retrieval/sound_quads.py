"""Keys of four peaks that neither speed, tempo nor pitch changes.

Four peaks A, B, C, D in the order of time give five numbers: how far B, C and D lie above A in
log-frequency, which a change of pitch leaves alone, and where B and C lie between A and D in time,
which a change of speed leaves alone (Sonnleitner & Widmer 2016, with frequency on a log scale so
that pitch and tempo may change apart). What does change tells the edit: the ratio of the spans
A to D is the speed, the difference of the frequencies of A is the pitch.

One key in sixteen is kept, by its own value, so both sides keep the same ones.
"""

from dataclasses import dataclass
from functools import lru_cache
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
_MIX = (0x2C1B3C6D | 1) % (1 << _KEY_BITS)
_WORTHS = (_LEVELS**2 * _RATIOS**2, _LEVELS * _RATIOS**2, _RATIOS**2, _RATIOS, 1)
_Digit = tuple[NDArray[np.uint32], NDArray[np.uint32]]


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
    here = np.arange(start, end)[:, None]
    steps = np.where(nexts >= 0, ticks[nexts] - ticks[here], np.float32(0)).ravel()
    rises = np.where(nexts >= 0, bins[nexts] - bins[here], np.int16(0)).ravel() + _MAX_RISE
    trios = np.array(list(combinations(range(fan), 3)))
    rows, columns = np.nonzero(steps.reshape(-1, fan)[:, trios[:, 2]] >= _MIN_SPAN_TICKS)
    first, second, last = (rows * fan + member for member in trios[columns].T)
    span = steps[last]
    cell = span / _RATIOS
    digits = [_time_digit(steps[at] / cell, place) for place, at in enumerate((first, second), 3)]
    digits += [_rise_digit(rises[at], place) for place, at in enumerate((first, second, last))]
    keys, which = _keys(digits, probe)
    spans = np.round(span[which] / SPAN_TICKS).astype(np.uint8)
    return keys, (rows[which] + start).astype(np.uint32), spans


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
        if steps.min() > _MAX_SPAN_TICKS:
            break
        fits = (steps >= _MIN_STEP_TICKS) & (steps <= _MAX_SPAN_TICKS)
        fits &= np.abs(bins[there] - bins[here]) <= _MAX_RISE
        fits &= filled[:count] < fan
        rows = np.flatnonzero(fits)
        nexts[rows, filled[rows]] = rows + start + lag
        filled[rows] += 1
    return nexts


def _keys(digits: list[_Digit], probe: bool) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Slots (K,) of the kept keys, and the quad (K,) that each is of.

    A key times `_MIX` is the sum of what each digit adds, so a neighbouring key is one addition.
    """
    keys = np.asarray(sum(adds for adds, _ in digits), dtype=np.uint32)
    which = np.arange(len(keys))
    for _, step in digits if probe else []:
        steps = step[which]
        there = np.flatnonzero(steps)
        keys = np.concatenate([keys, keys[there] + steps[there]])
        which = np.concatenate([which, which[there]])
    kept = np.flatnonzero(keys < np.uint32(1 << (32 - _SAMPLE_SHIFT)))
    return keys[kept] >> np.uint32(32 - _KEY_BITS), which[kept]


def _rise_digit(rises: NDArray[np.int16], place: int) -> _Digit:
    """Of steps in log-frequency (Q,) above the lowest."""
    adds, step = _rise_table(place)
    return adds[rises], step[rises]


@lru_cache(maxsize=3)
def _rise_table(place: int) -> _Digit:
    values = (np.arange(2 * _MAX_RISE + 1) + _STEP // 2) / _STEP
    return _digit(values, _LEVELS, _BIN_JITTER / _STEP, place)


def _time_digit(ratios: FloatArray, place: int) -> _Digit:
    return _digit(ratios.astype(np.float64), _RATIOS, _RATIO_JITTER, place)


def _digit(values: NDArray[np.float64], levels: int, jitter: float, place: int) -> _Digit:
    """What a digit adds to a key, and what the one across a near edge of the cell adds to that.

    The second is 0 where no edge is near; keys lie in the upper `_KEY_BITS` of 32 bits.
    """
    digits, low, high = (
        np.clip(np.floor(at), 0, levels - 1).astype(np.int64)
        for at in (values, values - jitter, values + jitter + 1e-6)
    )
    worth = (_WORTHS[place] * _MIX) << (32 - _KEY_BITS)
    neighbours = np.where(low < digits, -1, np.where(high > digits, 1, 0))
    return (digits * worth).astype(np.uint32), (neighbours * worth).astype(np.uint32)
