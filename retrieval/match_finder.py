"""Finding: each view of a query against the library, from candidates to confirmed runs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalog
from retrieval.errors import MediaError, NotFoundError
from retrieval.match_aligners import AlignedRun, Aligner, EvidenceMatrix
from retrieval.match_alignments import Alignment
from retrieval.match_calibration import Calibration, Signs, num_distinct
from retrieval.match_candidates import Candidate, Neighbours, find_candidates
from retrieval.match_evidence import EvidenceScale, sharpened
from retrieval.match_finds import Find
from retrieval.match_query import Describe
from retrieval.match_reference import REF_STEP_SECONDS, ReferenceFrames
from retrieval.match_stills import STILL_STEP_SECONDS, Still, find_still
from retrieval.match_verify import Verifier
from retrieval.match_views import QueryView
from retrieval.media.limits import MediaLimits
from retrieval.types import EncoderId, FloatArray, Match, Segment, Video
from retrieval.vectors import FrameVectors

__all__ = ["Finder", "least_score"]

logger = logging.getLogger(__name__)

MIN_GAIN = 0.4
"""Evidence that a run must add up to before files are opened for it."""
REVERSED_LEAD = 1.15
"""How many times more a run must gain backwards than forwards: still pictures play both ways."""
MAX_TRIES_PER_WINDOW = 4
WINDOW_SECONDS = 10.0
SURE_SCORE, SURE_LAYOUT = 0.9, 0.9
MIN_EXPLAINED = 0.8
SLACK_SECONDS = 3.0
FAR_BELOW = 0.4
"""Share of the least score below which descriptors of decoded frames are not asked."""
WORTH_KEEPING = 0.02
"""Least probability of a find that is worth remembering at all."""


@dataclass(frozen=True, eq=False)
class _Task:
    """A run to confirm."""

    view: QueryView
    bias: FloatArray
    neighbours: Neighbours
    video: Video
    run: AlignedRun


class Finder:
    """Looks for copies in one view of the query after the other, and keeps what holds.

    Args:
        catalog: The library.
        vectors: Its frames' index.
        encoder_id: Of the copy encoder.
        run: Makes descriptors.
        scale: What similarities say.
        calibration: What signs say.
        aligner: Finds runs.
        limits: Bounds on the references' files.
        video_id: Look only at this video.
        min_score: What will be shown: of what is bound to stay far below it, nothing is decoded
            for descriptors. 0 for all that is worth remembering.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        vectors: FrameVectors,
        encoder_id: EncoderId,
        run: Describe,
        scale: EvidenceScale,
        calibration: Calibration,
        aligner: Aligner,
        limits: MediaLimits,
        video_id: str | None = None,
        min_score: float = 0.0,
    ) -> None:
        self._catalog, self._vectors, self._encoder_id = catalog, vectors, encoder_id
        self._run, self._scale, self._calibration = run, scale, calibration
        self._aligner, self._limits, self._video_id = aligner, limits, video_id
        self._min_score = min_score
        self._videos: dict[str, Video | None] = {}
        self._references: dict[str, ReferenceFrames | None] = {}
        self._stored: dict[str, tuple[NDArray[np.float64], FloatArray]] = {}
        self.finds: list[Find] = []
        """What held, in no order."""

    def look(
        self,
        views: Sequence[QueryView],
        report: Callable[[int, int], None],
    ) -> None:
        """Look for copies in some views; `report` is told tasks done and in all, and may raise."""
        tasks = [task for view in views if len(view) for task in self._tasks(view)]
        tasks.sort(key=lambda task: -task.run.gain)
        tries: dict[int, int] = {}
        for number, task in enumerate(tasks):
            report(number, len(tasks))
            segment = task.view.in_query(task.run.query_start, task.run.query_end)
            middle = (segment.start_seconds + segment.end_seconds) / 2
            window = int(middle // WINDOW_SECONDS)
            if tries.get(window, 0) >= MAX_TRIES_PER_WINDOW or self._is_explained(task, segment):
                continue
            tries[window] = tries.get(window, 0) + 1
            self._confirm(task)

    # --- from views to runs

    def _tasks(self, view: QueryView) -> list[_Task]:
        bias = self._scale.bias(view.vectors)
        candidates, neighbours = find_candidates(
            view, self._vectors, self._scale, video_id=self._video_id
        )
        if self._video_id is not None:  # what other videos look like counts nevertheless
            _, neighbours = find_candidates(view, self._vectors, self._scale)
        tasks = []
        for candidate in candidates:
            video = self._video(candidate.video_id)
            runs = [] if video is None else self._runs(view, bias, candidate)
            tasks += [
                _Task(seen, bias[::-1] if seen.is_reversed else bias, neighbours, video, run)
                for seen, run in runs
                if video is not None
            ]
        return tasks

    def _runs(
        self, view: QueryView, bias: FloatArray, candidate: Candidate
    ) -> list[tuple[QueryView, AlignedRun]]:
        """Runs forwards and, where they gain more, backwards."""
        rows = view.between(candidate.start_seconds, candidate.end_seconds)
        times, vectors = self._frames(candidate.video_id)
        if rows.stop - rows.start < 1 or len(times) == 0:
            return []
        values = self._scale.evidence(view.vectors[rows] @ vectors.T, bias[rows])
        values[view.is_plain[rows]] = 0.0
        values = sharpened(values)
        matrix = EvidenceMatrix(values, view.times[rows], times)
        forth = self._aligner.align(matrix, min_gain=MIN_GAIN)
        found = [(view, run) for run in forth]
        if len(view) < 3:
            return found
        turned = view.backwards()
        back_rows = slice(len(view) - rows.stop, len(view) - rows.start)
        back = EvidenceMatrix(values[::-1], turned.times[back_rows], times)
        for run in self._aligner.align(back, min_gain=MIN_GAIN):
            segment = turned.in_query(run.query_start, run.query_end)
            rival = max((one.gain * _shared(segment, one) for one in forth), default=0.0)
            if run.gain >= REVERSED_LEAD * rival:
                found.append((turned, run))
        return found

    # --- from runs to finds

    def _confirm(self, task: _Task) -> None:
        ref = self._reference(task.video)
        try:
            self._keep(task, ref)
        except MediaError as exc:
            logger.warning("comparing by stored frames only: %s", exc)
            self._references[task.video.video_id] = None
            self._keep(task, None)

    def _keep(self, task: _Task, ref: ReferenceFrames | None) -> None:
        verifier = Verifier(
            task.view, task.bias, self._scale, ref, *self._frames(task.video.video_id)
        )
        rows = task.view.between(task.run.query_start, task.run.query_end)
        rival = task.neighbours.rival(task.video.video_id, _forth(task.view, rows))
        held = verifier.confirm(
            task.run,
            rival=rival,
            calibration=self._calibration,
            least=max(WORTH_KEEPING, FAR_BELOW * least_score(task.video, self._min_score)),
        )
        for alignment in held:
            evidence = verifier.evidence_along(alignment)
            signs = _signs(task, alignment, evidence)
            score = self._calibration.probability(signs)
            if score >= WORTH_KEEPING:
                find = Find(task.video, task.view, alignment, signs, score, evidence)
                if find.segment.duration_seconds > 0 and find.ref_segment.duration_seconds > 0:
                    self.finds.append(find)

    def _is_explained(self, task: _Task, segment: Segment) -> bool:
        """Whether a find of the same video covers a run's part of the query already.

        On the same line, any find does; elsewhere in the video only a sure one, which the run
        could not displace: a still scene resembles itself at a hundred offsets.
        """
        middle = (segment.start_seconds + segment.end_seconds) / 2
        turned = task.view.reversed_at
        at = middle if turned is None else turned - middle
        moment = float(task.run.line.at(np.array([at]))[0])
        for find in self.finds:
            if find.video.video_id != task.video.video_id:
                continue
            length = max(segment.duration_seconds, 1e-6)
            if find.segment.intersection_seconds(segment) < MIN_EXPLAINED * length:
                continue
            is_sure = find.score >= SURE_SCORE and find.alignment.score >= SURE_LAYOUT
            is_sure = is_sure and find.alignment.seen_by == "layout"
            if is_sure or abs(find.ref_at(middle) - moment) <= SLACK_SECONDS:
                return True
        return False

    # --- the library

    def still(self, path: Path, still: Still) -> list[Match]:
        """The moments of films that show a still image, best first."""
        return find_still(
            path,
            still,
            vectors=self._vectors,
            scale=self._scale,
            opened=self._opened,
            stored=lambda video_id: self._frames(video_id)[0],
            video_id=self._video_id,
        )

    def _opened(self, video_id: str) -> tuple[Video, ReferenceFrames] | None:
        """A video and its file; None where either is gone."""
        video = self._video(video_id)
        ref = None if video is None else self._reference(video, STILL_STEP_SECONDS)
        return None if video is None or ref is None else (video, ref)

    def _video(self, video_id: str) -> Video | None:
        if video_id not in self._videos:
            try:
                self._videos[video_id] = self._catalog.video(video_id)
            except NotFoundError:  # removed meanwhile
                self._videos[video_id] = None
        return self._videos[video_id]

    def _frames(self, video_id: str) -> tuple[NDArray[np.float64], FloatArray]:
        if video_id not in self._stored:
            if len(self._stored) > 64:
                self._stored.clear()
            self._stored[video_id] = self._catalog.frame_vectors(self._encoder_id, video_id)
        return self._stored[video_id]

    def _reference(
        self, video: Video, step_seconds: float = REF_STEP_SECONDS
    ) -> ReferenceFrames | None:
        """The reference's own file, where it still is what was ingested."""
        if video.video_id not in self._references:
            try:
                is_there = video.path.stat().st_size == video.size_bytes
            except OSError:
                is_there = False
            if not is_there:
                logger.warning("%s is not where it was: its stored frames are compared", video.path)
            self._references[video.video_id] = (
                ReferenceFrames(
                    video.path, self._run, limits=self._limits, step_seconds=step_seconds
                )
                if is_there
                else None
            )
        return self._references[video.video_id]


def least_score(video: Video, min_score: float) -> float:
    """The video's own threshold, or else what is asked for."""
    return min_score if video.match_threshold is None else video.match_threshold


def _shared(segment: Segment, run: AlignedRun) -> float:
    """Share of a segment that a forward run covers."""
    other = Segment(max(0.0, run.query_start), max(0.0, run.query_start, run.query_end))
    return segment.intersection_seconds(other) / max(segment.duration_seconds, 1e-6)


def _forth(view: QueryView, rows: slice) -> slice:
    """Places of a view's frames in time that runs forwards."""
    return slice(len(view) - rows.stop, len(view) - rows.start) if view.is_reversed else rows


def _signs(task: _Task, alignment: Alignment, evidence: FloatArray) -> Signs:
    view, rows = task.view, slice(alignment.first, alignment.last + 1)
    finite = evidence[np.isfinite(evidence)]
    if len(finite) == 0 and alignment.seen_by == "descriptor":
        shown = alignment.similarities[np.isfinite(alignment.similarities)]
        finite = (shown - 0.45) / 0.55
    mean = float(finite.mean()) if len(finite) else 0.0
    rival = task.neighbours.rival(task.video.video_id, _forth(view, rows))
    telling = int(np.isfinite(alignment.similarities).sum())
    return Signs(
        layout=alignment.score if alignment.seen_by == "layout" else None,
        evidence=mean,
        lead=mean - rival,
        num_frames=telling,
        num_distinct=num_distinct(view.layouts(rows)),
        seconds=telling * view.step_seconds,
        is_turned=alignment.sight.turn != "none" or view.is_reversed or view.box is not None,
    )
