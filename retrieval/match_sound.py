"""Where along one match the sound agrees: evidence for a person, made anew from both films.

The peaks of the suspect's sound are laid on those of the film along the line that fits best near
the match, and counted second by second; what chance would give is taken off.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import MediaError, NotFoundError
from retrieval.listening import SAMPLE_RATE_HZ
from retrieval.media.audio import decode_mono
from retrieval.sound_print import BINS_PER_OCTAVE, TICK_SECONDS, SoundPrint, fingerprint
from retrieval.sound_quads import peaks_at_speed
from retrieval.sound_verify import SoundAlignment, align
from retrieval.types import FloatArray, Match, Segment

if TYPE_CHECKING:
    from pathlib import Path

    from retrieval.media.limits import MediaLimits

__all__ = ["match_sound"]

MARGIN_SECONDS = 1.0
"""Sound beside each segment that is read as well: bounds are good to about a second."""
MAX_STEPS = 120
TOLERANCE_SECONDS = 0.032
TOLERANCE_BINS = 3.0


def match_sound(
    match: Match,
    *,
    limits: "MediaLimits | None" = None,
    should_stop: Callable[[], bool] | None = None,
) -> FloatArray | None:
    """Agreement of the sound over a match.

    Returns:
        (N,) float32 in [0, 1], one value for each of N equal parts of the query's segment, at
        least a second long; 0 is what chance gives. None where there is nothing to compare: no
        sound, silence, a file that is gone, or no line that fits.

    Raises:
        OperationCancelled: `should_stop` said so.
    """
    if match.edit.is_reversed:
        return None
    window = _around(match.query_segment)
    query = _print(match.query_path, window, limits, should_stop)
    ref_window = _around(match.ref_segment)
    ref = _print(match.ref_video.path, ref_window, limits, should_stop)
    if query is None or ref is None:
        return None
    peaks, ref_peaks = peaks_at_speed(query, match.speed_ratio), peaks_at_speed(ref, 1.0)
    found = _aligned(match, peaks, ref_peaks, window, ref_window)
    if found is None:
        return None
    agrees = _agreeing(peaks, ref_peaks, found)
    times = peaks.times + window.start_seconds
    return _by_part(match.query_segment, times, agrees, found.chance_rate)


def _around(segment: Segment) -> Segment:
    start = max(0.0, segment.start_seconds - MARGIN_SECONDS)
    return Segment(start, segment.end_seconds + MARGIN_SECONDS)


def _print(
    path: "Path",
    window: Segment,
    limits: "MediaLimits | None",
    should_stop: Callable[[], bool] | None,
) -> SoundPrint | None:
    """Print of a part of a file, with times from the start of the part; None without peaks."""
    chunks = decode_mono(
        path,
        sample_rate_hz=SAMPLE_RATE_HZ,
        start=window.start_seconds,
        end=window.end_seconds,
        limits=limits,
        should_stop=should_stop,
    )
    try:
        made = fingerprint(chunks, SAMPLE_RATE_HZ)
    except (MediaError, NotFoundError):
        return None
    return made if len(made) else None


def _aligned(
    match: Match, peaks: SoundPrint, ref_peaks: SoundPrint, window: Segment, ref_window: Segment
) -> SoundAlignment | None:
    """The best line near the match: with the pitch that is known, else with or without a shift."""
    query, ref, speed = match.query_segment, match.ref_segment, match.speed_ratio
    pitch = match.edit.pitch_semitones
    middle = (query.start_seconds + query.end_seconds) / 2 - window.start_seconds
    there = (ref.start_seconds + ref.end_seconds) / 2 - ref_window.start_seconds
    found = []
    for semitones in {0.0, 12 * math.log2(speed)} if pitch is None else {pitch}:
        pitch_bins = semitones * BINS_PER_OCTAVE / 12
        aside = _aside(peaks, ref_peaks, there - speed * middle, speed, pitch_bins)
        found.append(
            align(
                peaks,
                ref_peaks.ticks,
                ref_peaks.bins,
                query_seconds=middle,
                ref_seconds=there + aside,
                speed=speed,
                pitch_bins=pitch_bins,
            )
        )
    return max(filter(None, found), key=lambda item: item.evidence, default=None)


def _aside(
    peaks: SoundPrint, ref: SoundPrint, offset: float, speed: float, pitch_bins: float
) -> float:
    """By how many seconds the film's sound is later than the match says: most peaks agree there."""
    at, ref_times = offset + speed * peaks.times, ref.times
    low = np.searchsorted(ref_times, at - MARGIN_SECONDS)
    high = np.searchsorted(ref_times, at + MARGIN_SECONDS, side="right")
    bins = peaks.bins.astype(np.float64) - pitch_bins
    votes = []
    for lag in range(int((high - low).max(initial=0))):
        rows = np.flatnonzero(low + lag < high)
        near = low[rows] + lag
        same = np.abs(ref.bins[near] - bins[rows]) <= 1.0
        votes.append(ref_times[near[same]] - at[rows[same]])
    if not votes:
        return 0.0
    edges = np.arange(-MARGIN_SECONDS, MARGIN_SECONDS + 0.02, 0.02)
    counts, _ = np.histogram(np.concatenate(votes), edges)
    both = counts[:-1] + counts[1:]
    return float(edges[int(np.argmax(both)) + 1])


def _agreeing(peaks: SoundPrint, ref: SoundPrint, line: SoundAlignment) -> FloatArray:
    """(P,) 1 for each peak of the query that lies on one of the film along the line, else 0."""
    at = line.offset_seconds + line.speed * peaks.ticks * TICK_SECONDS
    ref_times = ref.ticks * TICK_SECONDS
    low = np.searchsorted(ref_times, at - TOLERANCE_SECONDS)
    high = np.searchsorted(ref_times, at + TOLERANCE_SECONDS, side="right")
    bins = peaks.bins.astype(np.float64) - line.pitch_bins
    agrees = np.zeros(len(peaks), dtype=np.float32)
    for lag in range(int((high - low).max(initial=0))):
        rows = np.flatnonzero(low + lag < high)
        away = np.abs(ref.bins[low[rows] + lag] - bins[rows])
        agrees[rows[away <= TOLERANCE_BINS]] = 1.0
    return agrees


def _by_part(
    segment: Segment, times: FloatArray, agrees: FloatArray, chance_rate: float
) -> FloatArray:
    """Share that agrees in equal parts of a segment, with what chance gives taken off."""
    count = max(1, min(MAX_STEPS, int(segment.duration_seconds)))
    edges = np.linspace(segment.start_seconds, segment.end_seconds, count + 1)
    all_peaks, _ = np.histogram(times, edges)
    agreeing, _ = np.histogram(times, edges, weights=agrees)
    shares = agreeing / np.maximum(all_peaks, 1)
    above = (shares - chance_rate) / max(1.0 - chance_rate, 1e-6)
    return np.asarray(np.clip(above, 0.0, 1.0), dtype=np.float32)
