"""What every temporal aligner takes and gives.

An aligner sees no pictures: only how much each pair of frames speaks for a copy. Reversed playback
is the caller's business, who turns the query's time round and asks again.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from retrieval.match_lines import Line, best_run
from retrieval.types import FloatArray

__all__ = ["MAX_SPEED", "MIN_SPEED", "AlignedRun", "Aligner", "EvidenceMatrix"]

Times = NDArray[np.float64]
MIN_SPEED, MAX_SPEED = 0.5, 2.0
MAX_BEND_SECONDS = 1.6
"""How far a pair may lie off the straight line between a run's ends."""
PLAIN_REACH_SECONDS = 0.75
SLOP = 1.04
"""How far beyond these a fitted speed may lie."""


@dataclass(frozen=True, eq=False)
class EvidenceMatrix:
    """How much each pair of a query frame and a reference frame speaks for a copy.

    Attributes:
        values: (Q, R) float32; above 0 speaks for, below 0 against, 0 is silent. No NaN.
        query_times: (Q,) seconds, rising.
        ref_times: (R,) seconds, rising.
    """

    values: FloatArray
    query_times: Times
    ref_times: Times

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.query_times), len(self.ref_times)):
            raise ValueError(
                f"got {self.values.shape = } for {len(self.query_times)} query and "
                f"{len(self.ref_times)} reference frames"
            )

    @property
    def query_step(self) -> float:
        """Usual seconds between two query frames."""
        return float(np.median(np.diff(self.query_times))) if len(self.query_times) > 1 else 0.5


@dataclass(frozen=True)
class AlignedRun:
    """A stretch of the query that plays in step with the reference."""

    line: Line
    query_start: float
    """Time of the first frame."""
    query_end: float
    """Time of the last frame."""
    gain: float
    """Sum of evidence along it."""
    num_frames: int
    """Query frames with evidence for it."""


class Aligner(ABC):
    """Finds all runs of one pair of films."""

    name: ClassVar[str]

    def align(self, evidence: EvidenceMatrix, *, min_gain: float = 2.0) -> list[AlignedRun]:
        """Runs with at least `min_gain`, best first; speeds are 0.5 to 2."""
        if evidence.values.size == 0 or float(evidence.values.max()) <= 0:
            return []
        runs = self._align(evidence, min_gain)
        kept = [
            run
            for run in runs
            if run.gain >= min_gain and MIN_SPEED / SLOP <= run.line.speed <= MAX_SPEED * SLOP
        ]
        return sorted(kept, key=lambda run: -run.gain)

    @abstractmethod
    def _align(self, evidence: EvidenceMatrix, min_gain: float) -> list[AlignedRun]:
        """Find the runs of evidence that is not all silent; the base class sorts out the rest."""


def runs_of_points(
    evidence: EvidenceMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> list[AlignedRun]:
    """The runs through matched pairs: as many straight pieces as it takes.

    A still scene lets a path wander, and a cut lets it jump: where the pairs leave a straight line
    by more than sampling explains, they are two runs (Douglas and Peucker 1973). A piece in which
    the reference stands still, or races, says nothing beside pieces that keep step.

    Args:
        evidence: Where the pairs are from.
        rows: (P,) query places, rising.
        columns: (P,) reference places.
    """
    pieces = _straight_pieces(evidence.query_times[rows], evidence.ref_times[columns])
    found = [
        (
            _run_of_piece(evidence, rows[piece], columns[piece]),
            _is_steady(evidence, rows[piece], columns[piece]),
        )
        for piece in pieces
    ]
    steady = [run for run, is_steady in found if is_steady]
    if steady:
        return steady
    plain = [_plain_run(evidence, rows[piece], columns[piece]) for piece in pieces]
    return [*plain, *(_run_at_peak(evidence, rows[piece], columns[piece]) for piece in pieces)]


def _plain_run(
    evidence: EvidenceMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> AlignedRun:
    """Of pairs that keep no speed: the stretch of plain playback near them that gains most."""
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    near = slice(int(columns.min()), int(columns.max()) + 1)
    query, ref = evidence.query_times[inside], evidence.ref_times[near]
    values = evidence.values[inside, near]
    run = best_run(
        values,
        query,
        ref,
        threshold=0.0,
        reach=PLAIN_REACH_SECONDS,
        speeds=np.array([1.0]),
        offset_step=0.5,
    )
    if run is None:
        return _run_of_piece(evidence, rows, columns)
    shown = query[run.first : run.last + 1]
    count = run.last - run.first + 1
    return AlignedRun(run.line, float(shown[0]), float(shown[-1]), run.gain, count)


def _run_at_peak(
    evidence: EvidenceMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> AlignedRun:
    """Of pairs that keep no speed: plain playback through the pair that says most."""
    values = evidence.values[rows, columns].astype(np.float64)
    query, ref = evidence.query_times[rows], evidence.ref_times[columns]
    best = int(values.argmax())
    line = Line(1.0, float(ref[best] - query[best]))
    at = line.at(query)
    inside = (at >= ref.min() - 1.0) & (at <= ref.max() + 1.0)
    count = int(np.count_nonzero(values[inside] > 0))
    shown = query[inside]
    gain = float(values[inside].sum())
    return AlignedRun(line, float(shown[0]), float(shown[-1]), gain, count)


def _straight_pieces(query: Times, ref: Times) -> list[slice]:
    waiting, pieces = [slice(0, len(query))], []
    while waiting:
        piece = waiting.pop()
        times, moments = query[piece], ref[piece]
        if len(times) > 2 and times[-1] > times[0]:
            chord = np.interp(times, times[[0, -1]], moments[[0, -1]])
            off = np.abs(moments - chord)
            place = int(off.argmax())
            if off[place] > MAX_BEND_SECONDS and 0 < place < len(times) - 1:
                middle = piece.start + place
                waiting += [slice(middle, piece.stop), slice(piece.start, middle + 1)]
                continue
        pieces.append(piece)
    return pieces


def _is_steady(
    evidence: EvidenceMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> bool:
    """Whether the reference moves on at an allowed speed, as far as sampling can tell."""
    passed = float(np.ptp(evidence.query_times[rows]))
    moved = float(evidence.ref_times[columns[-1]] - evidence.ref_times[columns[0]])
    return MIN_SPEED * passed - 1.0 <= moved <= MAX_SPEED * passed + 1.0


def _run_of_piece(
    evidence: EvidenceMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> AlignedRun:
    """The run along the line that fits pairs best, kept to allowed speeds."""
    values = evidence.values[rows, columns].astype(np.float64)
    query, ref = evidence.query_times[rows], evidence.ref_times[columns]
    weights = np.clip(values, 1e-3, None)
    middle = float(np.average(query, weights=weights))
    centre = float(np.average(ref, weights=weights))
    spread = float(np.sum(weights * (query - middle) ** 2))
    speed = 1.0
    if spread > 0:
        speed = float(np.sum(weights * (query - middle) * (ref - centre)) / spread)
    # Pairs of films sampled once a second place a moment to half a second: a short run does not
    # tell its speed, so it is drawn towards 1 as far as that doubt goes.
    doubt = 0.5 / max(float(np.ptp(query)), 0.5)
    if abs(speed - 1.0) <= doubt:
        speed = 1.0
    speed = float(np.clip(speed, MIN_SPEED, MAX_SPEED))
    return AlignedRun(
        Line(speed, centre - speed * middle),
        float(query[0]),
        float(query[-1]),
        float(values.sum()),
        int(np.count_nonzero(values > 0)),
    )
