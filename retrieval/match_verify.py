"""The strict half of copy matching: decode the reference where a copy may be, and compare pictures.

Stored frames may lie ten seconds apart, and a descriptor cannot place a moment of a quiet shot. So
the reference's own file is opened around a run that an aligner found, four frames a second are
laid beside the query's (see `match_layout`), and the line, the crop and the ends of the segment
are read off their similarities (see `match_lines`). Where layouts cannot agree (a camera before a
screen, a turned picture), descriptors of frames decoded around both ends have to do.
"""

from dataclasses import replace

import numpy as np

from retrieval.match_aligners.base import AlignedRun
from retrieval.match_alignments import (
    MAX_SPEED,
    MIN_SPEED,
    OFF_PEAK_COST,
    REACH,
    SLACK_SECONDS,
    THRESHOLD,
    Alignment,
    aligned_near,
    alignment_along,
    layout_similarity,
    overlap,
    peaked,
)
from retrieval.match_bounds import best_probability
from retrieval.match_calibration import Calibration, num_distinct
from retrieval.match_evidence import EvidenceScale
from retrieval.match_lines import SPEEDS, Line, Times, along, best_run, fit_line, sharpest_line
from retrieval.match_reference import ReferenceFrames
from retrieval.match_views import QueryView
from retrieval.match_windows import Sight, best_sight
from retrieval.types import FloatArray

__all__ = ["Verifier"]

MIN_LAYOUT_SCORE = 0.55
MIN_FRAMES = 3
STORED_REACH = 0.75
CHUNK_SECONDS = 10.0
MARGIN_SECONDS = 3.0
"""Query beyond a run that is looked at as well."""
SURE_SPEED_SECONDS = 8.0
"""Runs that are shorter do not tell their speed before the reference is opened."""
LONG_SECONDS = 40.0
"""Runs longer than this are looked at near both ends alone."""
MAX_BEHIND = 0.1
"""Evidence by which another video may lead before descriptors alone are not asked."""
MIN_REST_SECONDS = 1.5
MAX_PARTS = 4


class Verifier:
    """Confirms and sharpens runs of one view of the query in one reference.

    Args:
        view: Frames of the query.
        bias: (Q,) of its descriptors.
        scale: Of the copy encoder.
        ref: The reference's file; None where it is gone.
        ref_times: (R,) seconds of its stored frames, rising.
        ref_vectors: (R, C) their descriptors.
    """

    def __init__(
        self,
        view: QueryView,
        bias: FloatArray,
        scale: EvidenceScale,
        ref: ReferenceFrames | None,
        ref_times: Times,
        ref_vectors: FloatArray,
    ) -> None:
        self._view, self._bias, self._scale = view, bias, scale
        self._ref = ref
        self._stored = ref_times, ref_vectors

    def confirm(
        self,
        run: AlignedRun,
        *,
        rival: float,
        calibration: Calibration | None = None,
        least: float = 0.0,
    ) -> list[Alignment]:
        """The parts of a run that hold, each with its own line: none, one, or a few after cuts.

        Args:
            run: What an aligner found.
            rival: Mean evidence there of the best other video. Where that is clearly more, layouts
                must say that this one is copied as well.
            calibration: What signs say; None not to ask.
            least: What could not become this probable by descriptors is not decoded for them.

        Raises:
            MediaError: The reference cannot be read.
        """
        found = self._by_layouts(run) if self._ref is not None else []
        rows = self._view.between(run.query_start, run.query_end)
        covered = sum(item.last - item.first + 1 for item in found)
        if covered >= 0.5 * (rows.stop - rows.start):
            return found
        if self._stored_evidence(run) < rival - MAX_BEHIND:
            return found
        if calibration and not found and self._at_best(run, rival, calibration) < least:
            return found
        other = self._by_descriptors(run)
        return found if other is None else [*_apart(found, other), other]

    def evidence_along(self, found: Alignment) -> FloatArray:
        """Evidence (N,) of a found alignment's frames by stored descriptors; NaN for none near."""
        rows = slice(found.first, found.last + 1)
        matrix = self._evidence(rows, self._stored[1])
        times = self._view.times[rows]
        return along(matrix, times, self._stored[0], found.line, reach=STORED_REACH)

    def _stored_evidence(self, run: AlignedRun) -> float:
        """Mean evidence of a run by stored descriptors; 1 where none is near."""
        rows = self._view.between(run.query_start, run.query_end)
        matrix = self._evidence(rows, self._stored[1])
        values = along(
            matrix, self._view.times[rows], self._stored[0], run.line, reach=STORED_REACH
        )
        finite = values[np.isfinite(values)]
        return float(finite.mean()) if len(finite) else 1.0

    def _at_best(self, run: AlignedRun, rival: float, calibration: Calibration) -> float:
        """A bound on the probability of what descriptors may find near a run."""
        rows = self._view.between(run.query_start - MARGIN_SECONDS, run.query_end + MARGIN_SECONDS)
        half = 0.5 * (run.query_end - run.query_start) + MARGIN_SECONDS
        drift = half * max(run.line.speed * (_spread(run) - 1.0), abs(run.line.speed - 1.0))
        return best_probability(
            self._evidence(rows, self._stored[1]),
            self._view.times[rows],
            self._stored[0],
            run,
            calibration=calibration,
            rival=rival,
            reach=SLACK_SECONDS + drift + 2 * STORED_REACH,
            num_distinct=num_distinct(self._view.layouts(rows)),
            step_seconds=self._view.step_seconds,
        )

    # --- by layouts

    def _by_layouts(self, run: AlignedRun) -> list[Alignment]:
        """Align what layouts agree on; what is left of the run beside it is tried again."""
        waiting = [(run.query_start - MARGIN_SECONDS, run.query_end + MARGIN_SECONDS)]
        found: list[Alignment] = []
        for _ in range(MAX_PARTS):
            if not waiting:
                break
            start, end = waiting.pop(0)
            part = self._align(start, min(end, start + LONG_SECONDS), run.line)
            if part is None:
                continue
            for direction in (1, -1):
                part = self._extend(part, direction)
            if any(overlap(part, other) > 0.5 for other in found):
                continue
            found.append(part)
            begins, ends = self._view.times[part.first], self._view.times[part.last]
            for rest in ((run.query_start, begins), (ends, run.query_end)):
                if rest[1] - rest[0] >= MIN_REST_SECONDS and not any(
                    self._covers(other, *rest) for other in found
                ):
                    waiting.append((rest[0] - 1.0, rest[1] + 1.0))
        return found

    def _covers(self, found: Alignment, start: float, end: float) -> bool:
        times = self._view.times
        shared = min(end, times[found.last]) - max(start, times[found.first])
        return bool(shared > 0.5 * (end - start))

    def _align(self, start: float, end: float, line: Line) -> Alignment | None:
        """Find the run that layouts agree on in a part of the query, near a line."""
        rows = self._view.between(start, end)
        if self._ref is None or rows.stop - rows.start < MIN_FRAMES:
            return None
        sight = best_sight(self._view, rows, self._ref, line, slack=SLACK_SECONDS)
        if sight is None:
            return None
        times, layouts = self._view.times[rows], self._view.layouts(rows, sight.turn)
        targets = line.at(times)
        ref_times, described = self._ref.layouts(
            float(targets.min()) - SLACK_SECONDS - 1.0,
            float(targets.max()) + SLACK_SECONDS + 1.0,
            sight.window,
        )
        similarity = peaked(layout_similarity(layouts, described), OFF_PEAK_COST)
        found = aligned_near(similarity, times, ref_times, line, rows.start, sight)
        if found is None or found.score < MIN_LAYOUT_SCORE:
            return None
        return found if found.last - found.first + 1 >= MIN_FRAMES else None

    def _extend(self, found: Alignment, direction: int) -> Alignment:
        """Follow a copy beyond the window in which it was found, chunk by chunk."""
        while True:
            edge = found.last if direction > 0 else found.first
            seconds = float(self._view.times[edge])
            ends = (
                (seconds, seconds + CHUNK_SECONDS)
                if direction > 0
                else (
                    seconds - CHUNK_SECONDS,
                    seconds,
                )
            )
            more = self._align_on(ends[0] + 1e-3 * (direction > 0), ends[1] - 1e-3, found)
            if more is None or not self._touches(found, more, direction):
                return found
            joined = self._joined(found, more)
            if not MIN_SPEED <= joined.line.speed <= MAX_SPEED:
                return found
            found = joined

    def _align_on(self, start: float, end: float, found: Alignment) -> Alignment | None:
        rows = self._view.between(start, end)
        if self._ref is None or rows.stop <= rows.start:
            return None
        times, layouts = self._view.times[rows], self._view.layouts(rows, found.sight.turn)
        targets = found.line.at(times)
        ref_times, described = self._ref.layouts(
            float(targets.min()) - 2.0, float(targets.max()) + 2.0, found.sight.window
        )
        if len(ref_times) == 0:
            return None
        similarity = peaked(layout_similarity(layouts, described), OFF_PEAK_COST)
        line = sharpest_line(
            similarity,
            times,
            ref_times,
            near=found.line,
            near_seconds=0.5,
            speeds=np.array([found.line.speed]),
            reach=REACH,
        )
        return alignment_along(similarity, times, ref_times, line, rows.start, found.sight)

    def _touches(self, found: Alignment, more: Alignment, direction: int) -> bool:
        """Whether the new run goes on where the old one stopped (a second may be missing)."""
        times = self._view.times
        gap = (
            times[more.first] - times[found.last]
            if direction > 0
            else times[found.first] - times[more.last]
        )
        return bool(gap <= 1.0 + 2 * self._view.step_seconds)

    def _joined(self, found: Alignment, more: Alignment) -> Alignment:
        """One alignment over both runs, along the line that fits the frames of both."""
        first, last = min(found.first, more.first), max(found.last, more.last)
        times = self._view.times[first : last + 1]
        similarities = np.full(len(times), np.nan, dtype=np.float32)
        moments_, weights = found.line.at(times), np.zeros(len(times))
        for part in (found, more):
            places = slice(part.first - first, part.last - first + 1)
            similarities[places] = part.similarities
            moments_[places], weights[places] = part.moments, part.weights
        line = fit_line(times, moments_, weights, near=found.line)
        return Alignment(line, first, last, similarities, moments_, weights, found.sight)

    # --- by descriptors

    def _by_descriptors(self, run: AlignedRun) -> Alignment | None:
        """Align on descriptors: dense ones near both ends, stored ones between."""
        rows = self._view.between(run.query_start - MARGIN_SECONDS, run.query_end + MARGIN_SECONDS)
        times = self._view.times[rows]
        ref_times, vectors = self._dense(run)
        if len(times) < MIN_FRAMES or len(ref_times) == 0:
            return None
        evidence = self._evidence(rows, vectors)
        similarity = (THRESHOLD + (1.0 - THRESHOLD) * evidence).astype(np.float32)
        if self._ref is not None:  # stored frames are too far apart to be peaks
            similarity = peaked(similarity, OFF_PEAK_COST / 4)
        reach = STORED_REACH if self._ref is None else 0.5
        near = run.line.speed * np.geomspace(1 / _spread(run), _spread(run), 17)
        speeds = np.unique(np.append(near, 1.0))
        if self._ref is None:
            speeds = np.array([run.line.speed])
        seed = best_run(
            similarity,
            times,
            ref_times,
            threshold=THRESHOLD,
            reach=reach,
            speeds=speeds[(speeds >= SPEEDS[0]) & (speeds <= SPEEDS[-1])],
            near=run.line,
            near_seconds=SLACK_SECONDS,
        )
        if seed is None:
            return None
        found = alignment_along(
            similarity, times, ref_times, seed.line, rows.start, Sight(), reach=reach
        )
        return None if found is None else replace(found, seen_by="descriptor")

    def _dense(self, run: AlignedRun) -> tuple[Times, FloatArray]:
        """Times and descriptors of the reference along a run."""
        ends = run.line.at(np.array([run.query_start, run.query_end]))
        start, end = float(ends[0]), float(ends[1])
        times, vectors = self._stored
        around = MARGIN_SECONDS + SLACK_SECONDS
        inside = (times >= start - 2 * around) & (times <= end + 2 * around)
        times, vectors = times[inside], vectors[inside]
        if self._ref is None:
            return times, vectors
        spans = [(start - around, end + around)]
        if end - start > 2 * around:
            spans = [(start - around, start + around), (end - around, end + around)]
        for low, high in spans:
            more_times, more = self._ref.vectors(max(0.0, low), max(0.0, high))
            if len(more_times):
                times, vectors = np.append(times, more_times), np.concatenate([vectors, more])
        times, places = np.unique(times, return_index=True)
        return times, vectors[places]

    def _evidence(self, rows: slice, vectors: FloatArray) -> FloatArray:
        """(Q, R) evidence; NaN for query frames that show nothing."""
        values = self._scale.evidence(self._view.vectors[rows] @ vectors.T, self._bias[rows])
        values[self._view.is_plain[rows]] = np.nan
        return values


def _spread(run: AlignedRun) -> float:
    """By how many times the speed of a run may be off."""
    return 1.2 if run.query_end - run.query_start > SURE_SPEED_SECONDS else 2.0


def _apart(found: list[Alignment], other: Alignment) -> list[Alignment]:
    """Those that do not lie within another alignment."""
    return [item for item in found if overlap(item, other) <= 0.5]
