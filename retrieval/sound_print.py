"""The sound of a film as a constellation: the peaks of its log-frequency spectrogram.

A peak is a cell that rises above its own recent level and above all cells around it. Playing sound
faster or slower moves the peaks of a print along time, changing its pitch moves all of them along
log-frequency by the same step, and noise, codecs and equalisers leave most of them where they were
(Wang 2003; Six & Leman 2014). `sound_quads` joins peaks into keys that such shifts leave alone.

A print is small (about 200 bytes a second) and made in one pass with bounded memory. A peak knows
how far it reaches, which is the time around it in which nothing is higher: a comparison at twice
the speed takes peaks of half the reach, so both sides have equally many peaks in the same sound.
"""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInputError
from retrieval.types import FloatArray

__all__ = [
    "BINS_PER_OCTAVE",
    "NUM_BINS",
    "PRINT_VERSION",
    "REACH_FRAMES",
    "TICK_SECONDS",
    "SoundPrint",
    "SoundPrinter",
    "fingerprint",
]

FRAME_SECONDS = 0.016
WINDOW_SECONDS = 0.096
TICK_SECONDS = FRAME_SECONDS / 4
"""Unit of peak times; a parabola through three frames places a peak between them."""
BINS_PER_OCTAVE = 48
"""Unit of peak frequencies, a quarter of a semitone."""
NUM_BINS = 252
"""Of peak frequencies: 5.25 octaves above `LOW_HZ`, to 4,567 Hz."""
LOW_HZ = 120.0
REACH_FRAMES = (4, 6, 8, 11, 16)
"""Times, in frames to either side, within which a peak of each reach is the highest."""
MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000
_ROWS = NUM_BINS // 2  # the spectrogram has 24 rows an octave; peaks are placed between them
_ROW_RADIUS = 12
_MEAN_FRAMES = 32
_LOUD_FRAMES = 32
_CONTEXT = _MEAN_FRAMES + _LOUD_FRAMES + REACH_FRAMES[-1]
_BLOCK = 2_048
_FLOOR_DB = -90.0  # a full-scale sine has 0
_RANGE_DB = 40.0
_MIN_RISE_DB = 6.0
_MAGIC = b"SPRT"
PRINT_VERSION = 1
"""Of the bytes of a print."""
_HEADER = struct.Struct("<4sHHdI")


@dataclass(frozen=True)
class SoundPrint:
    """Peaks in the order of time, then of frequency."""

    ticks: NDArray[np.uint32]
    """(P,) times in `TICK_SECONDS` from the start of the sound."""
    bins: NDArray[np.uint8]
    """(P,) log-frequencies in `BINS_PER_OCTAVE` steps above 120 Hz."""
    reaches: NDArray[np.uint8]
    """(P,) places in `REACH_FRAMES`; higher = stands alone for longer."""
    duration_seconds: float

    def __post_init__(self) -> None:
        sizes = {len(self.ticks), len(self.bins), len(self.reaches)}
        if len(sizes) != 1 or self.ticks.dtype != np.uint32 or self.bins.dtype != np.uint8:
            raise ValueError(f"got {sizes = }, expected uint32, uint8, uint8 of one length")
        if not (math.isfinite(self.duration_seconds) and self.duration_seconds >= 0):
            raise ValueError(f"got {self.duration_seconds = }, expected a finite time from 0")

    def __len__(self) -> int:
        return len(self.ticks)

    @cached_property
    def times(self) -> FloatArray:
        """(P,) float32 seconds from the start of the sound."""
        return np.asarray(self.ticks * TICK_SECONDS, dtype=np.float32)

    @property
    def hashes(self) -> NDArray[np.uint32]:
        """(P,) reach and frequency of each peak in one number."""
        return np.asarray(self.reaches.astype(np.uint32) << 8 | self.bins, dtype=np.uint32)

    def select(self, keep: NDArray[np.bool_]) -> "SoundPrint":
        """The peaks that a (P,) mask marks."""
        return SoundPrint(
            self.ticks[keep], self.bins[keep], self.reaches[keep], self.duration_seconds
        )

    def part(self, low: int, high: int) -> "SoundPrint":
        """The peaks from one place to another, exclusive; nothing is copied."""
        ticks, bins, reaches = self.ticks[low:high], self.bins[low:high], self.reaches[low:high]
        return SoundPrint(ticks, bins, reaches, self.duration_seconds)

    def to_bytes(self) -> bytes:
        """The print for a database: a header with a version, then the three arrays."""
        head = _HEADER.pack(_MAGIC, PRINT_VERSION, 0, self.duration_seconds, len(self))
        return b"".join([head, self.ticks.tobytes(), self.bins.tobytes(), self.reaches.tobytes()])

    @classmethod
    def from_bytes(cls, data: bytes) -> "SoundPrint":
        """Read what `to_bytes` wrote.

        Raises:
            InvalidInputError: the bytes are no print, are cut off, or are of another version.
        """
        if len(data) < _HEADER.size or data[:4] != _MAGIC:
            raise InvalidInputError(f"got {len(data)} bytes that are no sound print; ingest again")
        _, version, _, duration, count = _HEADER.unpack_from(data)
        if version != PRINT_VERSION:
            raise InvalidInputError(
                f"got a sound print of version {version}, expected {PRINT_VERSION}; ingest again"
            )
        if len(data) != _HEADER.size + 6 * count:
            raise InvalidInputError(f"got a sound print with {count} peaks cut off; ingest again")
        ticks = np.frombuffer(data, "<u4", count, _HEADER.size).astype(np.uint32)
        rest = np.frombuffer(data, np.uint8, 2 * count, _HEADER.size + 4 * count)
        return cls(ticks, rest[:count], rest[count:], duration)


def fingerprint(samples: FloatArray | Iterable[FloatArray], sample_rate_hz: int) -> SoundPrint:
    """Make the print of one sound.

    Args:
        samples: (T,) float32 mono in [-1, 1], or chunks of it in order (`decode_mono`).
        sample_rate_hz: of the samples; 16,000 is enough, more changes little.

    Raises:
        InvalidInputError: a rate or a shape out of range.
    """
    printer = SoundPrinter(sample_rate_hz)
    for chunk in [samples] if isinstance(samples, np.ndarray) else samples:
        printer.add(chunk)
    return printer.finish()


class SoundPrinter:
    """Makes a print from chunks of any size; the result does not depend on the chunks."""

    def __init__(self, sample_rate_hz: int) -> None:
        if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
            raise InvalidInputError(
                f"got {sample_rate_hz = }, expected {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,}"
            )
        self._rate = sample_rate_hz
        self._hop = FRAME_SECONDS * sample_rate_hz
        self._window = round(WINDOW_SECONDS * sample_rate_hz)
        self._num_samples = 0
        self._pending: list[FloatArray] = [np.zeros(self._window // 2, np.float32)]
        self._pending_start = -(self._window // 2)  # sample number of the first pending one
        self._pending_size = self._window // 2
        self._levels: list[FloatArray] = []
        self._next_frame = 0  # to be made
        self._first_level = 0  # frame number of the first row in `_levels`
        self._next_block = 0  # first frame whose peaks are not yet picked
        self._peaks: list[tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8]]] = []

    def add(self, chunk: FloatArray) -> None:
        """Take the next (T,) float32 mono samples; NaN and infinity count as silence.

        Raises:
            InvalidInputError: the chunk is not one-dimensional.
        """
        if chunk.ndim != 1:
            raise InvalidInputError(f"got {chunk.shape = }, expected mono samples (T,)")
        step = 60 * self._rate
        for start in range(0, len(chunk), step):
            part = np.nan_to_num(
                np.asarray(chunk[start : start + step], np.float32), posinf=0.0, neginf=0.0
            )
            self._num_samples += len(part)
            self._append(np.clip(part, -8.0, 8.0))

    def finish(self) -> SoundPrint:
        """End the sound and give its print."""
        duration = self._num_samples / self._rate
        num_frames = math.ceil(self._num_samples / self._hop)
        if self._num_samples:
            self._append(np.zeros(self._window + math.ceil(self._hop), np.float32))
            self._make_levels(num_frames)
            while self._next_block < num_frames:
                self._pick(min(self._next_block + _BLOCK, num_frames))
        ticks, bins, reaches = (
            np.concatenate([block[place] for block in self._peaks] or [np.zeros(0, np.uint8)])
            for place in range(3)
        )
        order = np.lexsort((bins, ticks))
        return SoundPrint(
            ticks[order].astype(np.uint32),
            bins[order].astype(np.uint8),
            reaches[order].astype(np.uint8),
            duration,
        )

    def _append(self, samples: FloatArray) -> None:
        self._pending.append(samples)
        self._pending_size += len(samples)
        last = self._pending_start + self._pending_size - self._window // 2 - 1
        ready = int(last / self._hop)
        if ready >= self._next_frame + _BLOCK:
            self._make_levels(self._next_frame + _BLOCK * ((ready - self._next_frame) // _BLOCK))
            while self._next_block + _BLOCK + _CONTEXT <= self._next_frame:
                self._pick(self._next_block + _BLOCK)

    def _make_levels(self, end_frame: int) -> None:
        samples = np.concatenate(self._pending)
        while self._next_frame < end_frame:
            frames = np.arange(self._next_frame, min(self._next_frame + _BLOCK, end_frame))
            centres = np.round(frames * self._hop).astype(np.int64)
            starts = centres - self._window // 2 - self._pending_start
            views = np.lib.stride_tricks.sliding_window_view(samples, self._window)
            starts = np.minimum(starts, len(views) - 1)
            self._levels.append(_levels(views[starts], self._rate))
            self._next_frame = int(frames[-1]) + 1
        keep = round(self._next_frame * self._hop) - self._window // 2 - self._pending_start
        self._pending = [samples[max(0, keep) :].copy()]
        self._pending_start += max(0, keep)
        self._pending_size = len(self._pending[0])

    def _pick(self, end_frame: int) -> None:
        levels = np.concatenate(self._levels)
        low = max(0, self._next_block - _CONTEXT)
        high = min(end_frame + _CONTEXT, self._next_frame)
        part = levels[low - self._first_level : high - self._first_level]
        self._peaks.append(_peaks(part, low, self._next_block, end_frame))
        self._next_block = end_frame
        drop = max(0, end_frame - _CONTEXT - self._first_level)
        self._levels, self._first_level = [levels[drop:]], self._first_level + drop


def _levels(views: FloatArray, rate: int) -> FloatArray:
    """Decibels (F, `_ROWS`) of windows (F, W)."""
    window, filters, size = _filters(rate, views.shape[1])
    spectrum = np.fft.rfft(views * window, n=size, axis=1)[:, : filters.shape[0]]
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(10.0 * np.log10(power @ filters + 10 ** (_FLOOR_DB / 10)), dtype=np.float32)


@lru_cache(maxsize=8)
def _filters(rate: int, width: int) -> tuple[FloatArray, FloatArray, int]:
    """Window (W,), triangles (K, `_ROWS`) over the first K lines of the spectrum, FFT size."""
    size = 2 << (width - 1).bit_length()
    window = np.hanning(width + 2)[1:-1]
    window = (window * (2.0 / window.sum())).astype(np.float32)
    centres = LOW_HZ * 2.0 ** (np.arange(_ROWS) * 2 / BINS_PER_OCTAVE) * size / rate
    half = np.maximum(centres * (2.0 ** (2 / BINS_PER_OCTAVE) - 1), 1.0)
    lines = np.arange(min(size // 2 + 1, math.ceil(centres[-1] + half[-1]) + 1))
    filters = np.maximum(0.0, 1.0 - np.abs(lines[:, None] - centres) / half)
    return window, np.ascontiguousarray(filters, np.float32), size


def _peaks(
    levels: FloatArray, first_frame: int, start_frame: int, end_frame: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Peaks of the frames from `start_frame` to `end_frame`; row 0 of levels is `first_frame`."""
    loudest = _running_max(levels.max(axis=1, keepdims=True), _LOUD_FRAMES, axis=0)
    floor = np.maximum(loudest - _RANGE_DB, _FLOOR_DB + 3.0)
    is_heard = levels > floor  # cells at the floor are all alike and would all be the highest
    levels = np.maximum(levels, floor)
    rise = levels - _running_mean(levels)
    across = _running_max(rise, _ROW_RADIUS, axis=1)
    reach = np.zeros(rise.shape, np.int8)
    for frames in REACH_FRAMES:
        reach += rise >= _running_max(across, frames, axis=0)
    inside = slice(start_frame - first_frame, end_frame - first_frame)
    is_peak = (reach > 0) & is_heard & (rise > _MIN_RISE_DB)
    rows, columns = np.nonzero(is_peak[inside])
    rows += inside.start
    frame = rows + first_frame + _vertex(rise, rows, columns, axis=0)
    column = columns + _vertex(rise, rows, columns, axis=1)
    ticks = np.maximum(0, np.round(frame * (FRAME_SECONDS / TICK_SECONDS))).astype(np.uint32)
    bins = np.clip(np.round(column * 2), 0, NUM_BINS - 1).astype(np.uint8)
    return ticks, bins, (reach[rows, columns] - 1).astype(np.uint8)


def _running_mean(levels: FloatArray) -> FloatArray:
    """Mean of each column over `_MEAN_FRAMES` to either side, of what there is of them."""
    sums = np.zeros((len(levels) + 1, levels.shape[1]))
    np.cumsum(levels, axis=0, out=sums[1:])
    at = np.arange(len(levels))
    low, high = np.maximum(at - _MEAN_FRAMES, 0), np.minimum(at + _MEAN_FRAMES + 1, len(levels))
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None], dtype=np.float32)


def _running_max(values: FloatArray, radius: int, *, axis: int) -> FloatArray:
    """Highest value within `radius` to either side; doubling the width takes log2 passes."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius, radius)
    highest = np.pad(values, pad, constant_values=-np.inf)
    highest = highest if axis == 0 else np.ascontiguousarray(highest.T)
    width, wanted = 1, 2 * radius + 1
    while width < wanted:
        step = min(width, wanted - width)
        highest = np.maximum(highest[:-step], highest[step:])
        width += step
    return highest if axis == 0 else highest.T


def _vertex(
    values: FloatArray, rows: NDArray[np.int64], columns: NDArray[np.int64], *, axis: int
) -> FloatArray:
    """Where in [-0.5, 0.5] the parabola through a peak and its two neighbours has its top."""
    at = (rows, columns)[axis]
    last = values.shape[axis] - 1
    before, after = np.maximum(at - 1, 0), np.minimum(at + 1, last)
    left = values[before, columns] if axis == 0 else values[rows, before]
    right = values[after, columns] if axis == 0 else values[rows, after]
    bend = 2 * values[rows, columns] - left - right
    offset = np.where(bend > 1e-6, (right - left) / np.maximum(2 * bend, 1e-6), 0.0)
    return np.asarray(np.clip(offset, -0.5, 0.5), dtype=np.float32)
