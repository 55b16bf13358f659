"""Where a query's sound may come from: quads that it shares with references vote for lines.

Each shared quad says where in which reference it lies, at which speed and with which pitch. Chance
ones scatter; those of a copy agree. The query is read in windows of eight seconds, so that a small
error of the speed does not spread the votes, and each window gives its most voted lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.sound_index import PAGE, SoundIndex
from retrieval.sound_print import BINS_PER_OCTAVE, TICK_SECONDS, SoundPrint
from retrieval.sound_quads import Quads, peaks_at_speed, quads

__all__ = ["SPEEDS", "SoundLine", "sound_candidates"]

SPEEDS = (1.0, 0.72, 1.36, 0.5, 2.0)
"""Seconds of reference a second of query at which the query's quads are made."""
WINDOW_SECONDS = 8.0
_STEP_SECONDS = WINDOW_SECONDS / 2
_BLOCK_STEPS = 15
_SPEED_RANGE = 1.25  # a quad made at one of SPEEDS is used up to this factor from it
_MAX_PITCH = BINS_PER_OCTAVE * 13 // 12
_GAP_TICKS = 1 << 13  # between two references, so that no bin has peaks of both
_COARSE_TICKS = 192
_FINE_TICKS = 96
_FINE_SPEED = 0.07
_MAX_LOG_SPEED = 14 * _FINE_SPEED  # a factor of 2.66; quads are within 2.5
_FINE_PITCH = 4
_MAX_POSTINGS = 300_000  # of a block and a speed; all that there are below some 100 hours
_AT_BITS, _SPEED_BITS, _PITCH_BITS, _ANCHOR_BITS = 28, 6, 6, 16  # 2^28 cells are 28,000 hours
_MAX_LINES = 4
_FAN, _FAN_LONG = 9, 6
_LONG_SECONDS = 600.0


@dataclass(frozen=True)
class SoundLine:
    """A line of reference time over query time that several quads support."""

    number: int
    """Of the video in the index."""
    query_seconds: float
    """Middle of the window that voted."""
    ref_seconds: float
    """Where the line is there; may lie outside of the reference."""
    speed: float
    pitch_bins: float
    """The query's frequencies less the reference's, in `BINS_PER_OCTAVE`."""
    num_votes: int
    """Peaks of the query whose quads agree."""


@dataclass(frozen=True)
class _Hits:
    """H shared quads."""

    windows: NDArray[np.int64]
    numbers: NDArray[np.int32]
    anchors: NDArray[np.uint32]
    at: NDArray[np.float64]  # ticks of all references end to end, at the middle of the window
    log_speeds: NDArray[np.float64]
    pitches: NDArray[np.float64]

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "_Hits":
        return _Hits(
            self.windows[keep], self.numbers[keep], self.anchors[keep],
            self.at[keep], self.log_speeds[keep], self.pitches[keep],
        )  # fmt: skip


def sound_candidates(query: SoundPrint, index: SoundIndex) -> Iterator[list[SoundLine]]:
    """Find lines, block by block of the query, so that memory does not grow with it.

    Yields:
        Lines of the next minute of the query, most votes first within a window and a speed.
    """
    if not len(index.posting_peaks):
        return
    num_steps = int(query.duration_seconds / _STEP_SECONDS) + 1
    fan = _FAN if query.duration_seconds <= _LONG_SECONDS else _FAN_LONG
    layout = _Layout(index)
    for first in range(-1, num_steps, _BLOCK_STEPS):
        start, end = first * _STEP_SECONDS, (first + _BLOCK_STEPS + 1) * _STEP_SECONDS
        low, high = np.searchsorted(query.ticks, np.array([start, end + 6.0]) / TICK_SECONDS)
        part = query.part(int(low), int(high))
        if len(part):
            yield [
                line for speed in SPEEDS for line in _lines(part, first, speed, fan, index, layout)
            ]


class _Layout:
    """Where each reference lies when all are put end to end."""

    def __init__(self, index: SoundIndex) -> None:
        lengths = np.ceil(index.durations / TICK_SECONDS).astype(np.int64) + 2 * _GAP_TICKS
        self.starts = np.cumsum(lengths) - lengths + _GAP_TICKS
        self.page_starts = self.starts[index.page_videos]
        self.total_ticks = int(lengths.sum())


def _lines(
    part: SoundPrint, first: int, speed: float, fan: int, index: SoundIndex, layout: _Layout
) -> Iterator[SoundLine]:
    peaks = peaks_at_speed(part, speed)
    found = quads(peaks, fan=fan, speed=speed, probe=True)
    hits = _hits(peaks, found, first, speed, index, layout)
    num_hits = len(hits.windows)
    near = hits.select(_crowded(hits))
    least = _least_votes(num_hits / _BLOCK_STEPS, layout.total_ticks)
    for cell in _cells(near, least):
        hit = near.select(cell)
        at = _median(hit.at)
        number = int(hit.numbers[0])
        yield SoundLine(
            number,
            (int(hit.windows[0]) + 1) * _STEP_SECONDS,
            (at - float(layout.starts[number])) * TICK_SECONDS,
            float(np.exp(_median(hit.log_speeds))),
            _median(hit.pitches),
            len(np.unique(hit.anchors)),
        )


def _median(values: NDArray[np.float64]) -> float:
    """As numpy's, which takes 20 times as long for a few values."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _hits(
    peaks: SoundPrint,
    found: Quads,
    first: int,
    speed: float,
    index: SoundIndex,
    layout: _Layout,
) -> _Hits:
    """Postings that share a slot, span and pitch with the query; each is in two windows."""
    which, places = _postings(found, index)
    anchors = found.anchors[which]
    ref_peaks = index.posting_peaks[places]
    pitches = peaks.bins[anchors].astype(np.int16) - index.bins[ref_peaks]
    keep = np.abs(pitches) <= _MAX_PITCH
    which, places, anchors = which[keep], places[keep], anchors[keep]
    ref_peaks, pitches = ref_peaks[keep], pitches[keep]
    speeds = speed * index.posting_spans[places] / found.spans[which]
    query_ticks = peaks.ticks[anchors].astype(np.float64)
    step_ticks = _STEP_SECONDS / TICK_SECONDS
    steps = np.floor(query_ticks / step_ticks).astype(np.int64)
    ref_ticks = layout.page_starts[ref_peaks // PAGE] + index.ticks[ref_peaks].astype(np.float64)
    sides = []
    for window in (steps - 1, steps):
        inside = (window >= first) & (window < first + _BLOCK_STEPS)
        at = ref_ticks + speeds * ((window + 1) * step_ticks - query_ticks)
        sides.append(
            _Hits(
                window,
                index.page_videos[ref_peaks // PAGE],
                anchors,
                at,
                np.log(speeds),
                pitches.astype(np.float64),
            ).select(inside)
        )
    return _Hits(*(np.concatenate(pair) for pair in zip(*map(_columns, sides), strict=True)))


def _columns(hits: _Hits) -> tuple[NDArray[np.generic], ...]:
    return (hits.windows, hits.numbers, hits.anchors, hits.at, hits.log_speeds, hits.pitches)


def _postings(found: Quads, index: SoundIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a query quad (H,) and a posting (H,) in its slot with a span in range."""
    low, high = index.slot_starts[found.slots], index.slot_starts[found.slots + np.uint32(1)]
    rare = _rarest(high - low, _MAX_POSTINGS)
    low, high, spans = low[rare], high[rare], found.spans[rare].astype(np.float32)
    first = _bisect(index.posting_spans, low, high, np.ceil(spans / _SPEED_RANGE))
    last = _bisect(index.posting_spans, first, high, np.floor(spans * _SPEED_RANGE) + 1)
    counts = last - first
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rare[which], np.repeat(first, counts) + within


def _rarest(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Places (R,) of the quads with the fewest postings, as many as have `most` together.

    In a large library common quads are nearly all chance, and the rare ones of a copy are enough.
    They come in the order of their slots' sizes; those without any postings are left out.
    """
    order = np.argsort(counts, kind="stable")
    ordered = counts[order]
    low, high = np.searchsorted(ordered, 0, "right"), np.searchsorted(np.cumsum(ordered), most)
    return order[low:high]


def _bisect(
    values: NDArray[np.uint8],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    wanted: NDArray[np.float32],
) -> NDArray[np.int64]:
    """First place (Q,) in each range whose value is at least the wanted one."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        open_ = low < high
        below = open_ & (values[np.where(open_, middle, 0)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low


def _crowded(hits: _Hits) -> NDArray[np.int64]:
    """Hits with another one of the same window nearby: a sort with the place in the low bits."""
    bins = (hits.at / _COARSE_TICKS).astype(np.int64)
    bins += (hits.windows - hits.windows.min(initial=0)) * (bins.max(initial=0) + 4)
    packed = np.sort(bins << 24 | np.arange(len(bins)))
    place, near = packed & 0xFFFFFF, np.diff(packed >> 24) <= 1
    keep = np.zeros(len(packed), bool)
    keep[1:] |= near
    keep[:-1] |= near
    return place[keep]


def _least_votes(hits_per_window: float, total_ticks: int) -> int:
    """Votes that chance gives to fewer than about one cell of a window.

    Chance hits fall into `cells` evenly, so the number of cells with v votes is about
    cells * rate ** v / v!.
    """
    speeds = 2 * np.log(_SPEED_RANGE) / _FINE_SPEED
    cells = total_ticks / _FINE_TICKS * speeds * 2 * _MAX_PITCH / _FINE_PITCH
    rate, expected, votes = hits_per_window / cells, hits_per_window, 1
    while votes < 2 or (expected > 1.0 and votes < 6):
        votes += 1
        expected *= rate / votes
    return votes


def _cells(hits: _Hits, least: int) -> list[NDArray[np.int64]]:
    """Groups of hits that agree, the best few of each window; two grids, half a cell apart."""
    groups: list[tuple[int, int, NDArray[np.int64]]] = []
    for shift in (0.0, 0.5):
        keys = _cell_keys(hits, shift) << _ANCHOR_BITS | hits.anchors
        order = np.argsort(keys)
        ordered = keys[order]
        is_new = np.diff(ordered >> _ANCHOR_BITS, prepend=-1) != 0
        starts = np.flatnonzero(is_new)
        if not len(starts):
            break
        votes = np.add.reduceat(np.diff(ordered, prepend=-1) != 0, starts, dtype=np.int64)
        ends = np.append(starts[1:], len(order))
        for cell in np.flatnonzero(votes >= least):
            members = order[starts[cell] : ends[cell]]
            groups.append((int(hits.windows[members[0]]), int(votes[cell]), members))
    groups.sort(key=lambda group: (group[0], -group[1]))
    best: list[NDArray[np.int64]] = []
    taken: dict[int, int] = {}
    for window, _, members in groups:
        taken[window] = taken.get(window, 0) + 1
        if taken[window] <= _MAX_LINES:
            best.append(members)
    return best


def _cell_keys(hits: _Hits, shift: float) -> NDArray[np.int64]:
    """Which cell of the grid each hit (H,) is in: window, place, speed and pitch in one number."""
    keys: NDArray[np.int64] = hits.windows - hits.windows.min(initial=0)
    for values, size, bits in (
        (hits.at, _FINE_TICKS, _AT_BITS),
        (hits.log_speeds + _MAX_LOG_SPEED, _FINE_SPEED, _SPEED_BITS),
        (hits.pitches + _MAX_PITCH, _FINE_PITCH, _PITCH_BITS),
    ):
        keys = keys << bits | np.floor(values / size + shift).astype(np.int64)
    return keys
