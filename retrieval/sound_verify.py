"""Whether a line holds: peaks of the query that lie on peaks of the reference along it.

Votes say where to look; here every peak counts. A line is fitted to the peaks that agree, followed
to both sides for as long as they go on agreeing, and weighed against chance. Chance is measured
where it matters: the same peaks are compared along the same line moved by up to some seconds, so a
hum, a ticking clock or one repeated beat, which agree with themselves everywhere, weigh nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.sound_print import NUM_BINS, TICK_SECONDS, SoundPrint

__all__ = ["SoundAlignment", "align"]

_TIME_TOLERANCE = 8.0  # ticks of the reference
_BIN_TOLERANCE = 3.0
_FIRST_HALF_SECONDS = 6.0
_NEAR_SECONDS = 24.0  # of the reference, more than the first look needs at the highest speed
_ROUNDS = 14
_SHIFTS_SECONDS = np.outer((-1, 1), (0.29, 0.47, 0.83, 1.31, 1.93, 2.9, 4.1, 7.3)).ravel()
_LEAST_RATE = 0.16
_DROP_NATS = 9.0
_CORRELATION = 2.0
_USUAL_CHANCE = 0.04
_FIRST_LOOK = 3.0


@dataclass(frozen=True)
class SoundAlignment:
    """A line that was fitted, and how well it holds between two times of the query."""

    start_seconds: float
    end_seconds: float
    speed: float
    offset_seconds: float
    """Reference seconds at query second 0."""
    pitch_bins: float
    num_agreeing: int
    num_peaks: int
    chance_rate: float
    evidence: float
    """-log10 of the chance that so many peaks agree on this line alone."""

    def ref_seconds(self, query_seconds: float) -> float:
        """Where the line is."""
        return self.offset_seconds + self.speed * query_seconds


@dataclass(frozen=True)
class _Line:
    speed: float
    offset: float  # ticks
    pitch: float


def align(
    query: SoundPrint,
    ref_ticks: NDArray[np.uint32],
    ref_bins: NDArray[np.uint8],
    *,
    query_seconds: float,
    ref_seconds: float,
    speed: float,
    pitch_bins: float,
) -> SoundAlignment | None:
    """Fit a line that starts from a guess near `query_seconds`, and find where it begins and ends.

    Args:
        query: peaks at the guessed speed, `peaks_at_speed`.
        ref_ticks: (R,) of the reference, ascending.
        ref_bins: (R,).
        query_seconds: a time of the query.
        ref_seconds: the time of the reference there.
        speed: seconds of reference a second of query.
        pitch_bins: query's frequencies less the reference's.

    Returns:
        None where nothing agrees.
    """
    near = _around(ref_ticks, ref_seconds, _NEAR_SECONDS)
    ref = _Reference(ref_ticks[near], ref_bins[near])
    line = _Line(speed, (ref_seconds - speed * query_seconds) / TICK_SECONDS, pitch_bins)
    start, end = query_seconds - _FIRST_HALF_SECONDS, query_seconds + _FIRST_HALF_SECONDS
    result: SoundAlignment | None = None
    for number in range(_ROUNDS):
        part = _between(query, start, end)
        slack = 2.5 if number == 0 else 1.5 if number == 1 else 1.0
        line = _refit(line, part, ref, slack)
        if number == 0 and not _is_worth_a_look(line, part, ref):
            return None
        if number == 0:
            ref = _Reference(ref_ticks, ref_bins)
        new = _weigh(line, part, ref, query_seconds if result is None else None)
        if new is None:
            return result
        grown = new.end_seconds - new.start_seconds
        if (
            number >= 2
            and result is not None
            and grown <= 1.02 * (result.end_seconds - result.start_seconds)
        ):
            return new
        result = new
        margin = max(_FIRST_HALF_SECONDS, 0.7 * grown)
        start, end = new.start_seconds - margin, new.end_seconds + margin
    return result


class _Reference:
    """Peaks of a reference, to be asked which of them lie near given points."""

    def __init__(self, ticks: NDArray[np.uint32], bins: NDArray[np.uint8]) -> None:
        self.ticks = np.asarray(ticks, np.float64)
        self.bins = np.asarray(bins, np.float64)

    def nearest(
        self, ticks: NDArray[np.float64], bins: NDArray[np.float64], slack: float = 1.0
    ) -> NDArray[np.int64]:
        """(P,) place of a peak within the tolerance of each point, the nearest; -1 for none."""
        low = np.searchsorted(self.ticks, ticks - slack * _TIME_TOLERANCE)
        high = np.searchsorted(self.ticks, ticks + slack * _TIME_TOLERANCE, side="right")
        counts = high - low
        rows = np.repeat(np.arange(len(ticks)), counts)
        at = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts - low, counts)
        away = np.abs(self.bins[at] - bins[rows])
        near = away <= _BIN_TOLERANCE + 0.5
        rows, at, away = rows[near], at[near], away[near]
        late = np.abs(self.ticks[at] - ticks[rows]) / (slack * _TIME_TOLERANCE)
        order = np.argsort(-(away / _BIN_TOLERANCE + late), kind="stable")
        best = np.full(len(ticks), -1)
        best[rows[order]] = at[order]  # the last one written is the nearest
        return best


def _around(ticks: NDArray[np.uint32], seconds: float, margin_seconds: float) -> slice:
    """Peaks from a time less the margin to that time and the margin."""
    edges = np.array([seconds - margin_seconds, seconds + margin_seconds]) / TICK_SECONDS
    low, high = np.searchsorted(ticks, np.clip(edges, 0, 0xFFFFFFFF).astype(np.uint32))
    return slice(int(low), int(high))


def _between(query: SoundPrint, start: float, end: float) -> SoundPrint:
    low, high = np.searchsorted(
        query.ticks, np.ceil(np.maximum([start, end], 0) / TICK_SECONDS).astype(np.uint32)
    )
    return query.part(int(low), int(high))


def _projected(line: _Line, part: SoundPrint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ticks = line.offset + line.speed * part.ticks.astype(np.float64)
    return ticks, part.bins.astype(np.float64) - line.pitch


def _refit(line: _Line, part: SoundPrint, ref: _Reference, slack: float) -> _Line:
    """Least squares over the agreeing peaks."""
    ticks, bins = _projected(line, part)
    near = ref.nearest(ticks, bins, slack)
    hit = near >= 0
    if hit.sum() < 4:
        return line
    x, y = part.ticks[hit].astype(np.float64), ref.ticks[near[hit]]
    centre, spread = x.mean(), x.std()
    slope, middle = line.speed, float(np.median(y - line.speed * x))
    if spread > 250:
        rest = y - (line.speed * x + middle)
        change = float(((x - centre) * (rest - rest.mean())).sum() / ((x - centre) ** 2).sum())
        limit = 3 * _TIME_TOLERANCE / (spread * 3)
        slope = line.speed + float(np.clip(change, -limit, limit))
        middle = float(np.mean(y - slope * x))
    pitch = float(np.mean(part.bins[hit].astype(np.float64) - ref.bins[near[hit]]))
    return _Line(slope, middle, pitch)


def _is_worth_a_look(line: _Line, part: SoundPrint, ref: _Reference) -> bool:
    """One cheap comparison, which most lines that chance made do not pass."""
    agreeing = int((ref.nearest(*_projected(line, part), 1.5) >= 0).sum())
    return _surprise(agreeing, len(part), _USUAL_CHANCE) >= _FIRST_LOOK


def _weigh(
    line: _Line, part: SoundPrint, ref: _Reference, around: float | None
) -> SoundAlignment | None:
    """The stretch of the part along which the line holds best."""
    ticks, bins = _projected(line, part)
    usable = (bins >= 2) & (bins <= NUM_BINS - 3)
    part, ticks, bins = part.select(usable), ticks[usable], bins[usable]
    agrees = ref.nearest(ticks, bins) >= 0
    if agrees.sum() < 4:
        return None
    moved_ticks = (ticks + _SHIFTS_SECONDS[:, None] / TICK_SECONDS).ravel()
    moved_bins = np.tile(bins, len(_SHIFTS_SECONDS))
    moved = (ref.nearest(moved_ticks, moved_bins) >= 0).reshape(len(_SHIFTS_SECONDS), -1)
    chance = _chance(moved)
    low, high = _stretch(agrees, chance)
    chance = _chance(moved[:, low:high])
    count, agreeing = high - low, int(agrees[low:high].sum())
    times = part.times[low:high]
    return SoundAlignment(
        start_seconds=float(times[0]),
        end_seconds=float(times[-1]),
        speed=line.speed,
        offset_seconds=line.offset * TICK_SECONDS,
        pitch_bins=line.pitch,
        num_agreeing=agreeing,
        num_peaks=count,
        chance_rate=chance,
        evidence=_surprise(agreeing, count, chance) / _CORRELATION,
    )


def _chance(moved: NDArray[np.bool_]) -> float:
    """How often peaks agree off the line: the mean of the three highest shifts."""
    count = max(1, moved.shape[1])
    rates = np.sort(moved.mean(axis=1)) if moved.shape[1] else np.zeros(1)
    return float(max(rates[-3:].mean(), 0.01, 1.0 / count))


def _stretch(agrees: NDArray[np.bool_], chance: float) -> tuple[int, int]:
    """Where the sum of log likelihood ratios is highest, without a deep drop inside."""
    rate = max(_LEAST_RATE, min(0.9, 0.7 * float(agrees.mean())), 2.0 * chance)
    rate = min(rate, 0.95)
    gain = math.log(rate / chance)
    loss = math.log((1 - rate) / (1 - min(chance, 0.9)))
    best, best_low, best_high = 0.0, 0, len(agrees)
    total, low, top = 0.0, 0, 0.0
    for place, hit in enumerate(agrees.tolist()):
        total += gain if hit else loss
        if total <= 0 or total < top - _DROP_NATS:
            total, low, top = 0.0, place + 1, 0.0
        elif total > top:
            top = total
            if top > best:
                best, best_low, best_high = top, low, place + 1
    return best_low, best_high


def _surprise(agreeing: int, count: int, chance: float) -> float:
    """-log10 of the binomial tail by its Chernoff bound."""
    share = agreeing / count if count else 0.0
    if share <= chance:
        return 0.0
    nats = share * math.log(share / chance)
    if share < 1:
        nats += (1 - share) * math.log((1 - share) / (1 - chance))
    return count * nats / math.log(10)
