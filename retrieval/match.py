"""Copy match: which segments of the library's films a file shows, aligned on both sides.

In three steps, each cheaper than the next would be without it. The query is decoded at two frames
a second and embedded; its nearest reference frames vote for places where it may run in step with a
reference (`match_voting`); there the reference's file is opened and the pictures themselves are
compared (`match_verify`). Where that file is gone, the stored embeddings have to do, under a
stricter rule.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.catalog import Catalog
from retrieval.embedding import FrameEmbedder
from retrieval.errors import InvalidInputError, MediaError, NotFoundError, OperationCancelled
from retrieval.match_candidates import find_candidates
from retrieval.match_layout import describe
from retrieval.match_lines import SPEEDS
from retrieval.match_stored import align_stored
from retrieval.match_verify import Alignment, QueryFrames, ReferenceFrames, align, extend, glance
from retrieval.match_voting import Candidate
from retrieval.media.frames import sampled_frames
from retrieval.media.probe import probe
from retrieval.sampling import MAX_SIDE
from retrieval.types import (
    FloatArray,
    Match,
    MatchEvidence,
    MatchResult,
    Progress,
    ProgressCallback,
    Segment,
    Video,
)

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.media.limits import MediaLimits
    from retrieval.vectors import FrameVectors

__all__ = ["match"]

logger = logging.getLogger(__name__)

QUERY_STEP_SECONDS = 0.5
NUM_GLANCES = 3
MARGIN_SECONDS = 3.0
"""Query beyond a candidate's frames that is looked at as well."""
SLACK_SECONDS = 3.0
"""How far a candidate's line may be off: stored frames may lie some seconds apart."""
MIN_SEED_SCORE = 0.5
SURE_SCORE = 0.9
MIN_EXPLAINED = 0.8
"""Share of a candidate's query frames that a match must cover to explain it."""
MIN_SPEED, MAX_SPEED = 0.98 * float(SPEEDS[0]), 1.02 * float(SPEEDS[-1])
"""Fitting may move a line a little beyond the speeds that are tried; farther, it has slipped."""
NUM_EVIDENCE = 8
MAX_OVERLAP = 0.5
"""Share of a match's query that a better match of the same video may cover before it is the same
find again."""


def match(
    query: Path,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    vectors: "FrameVectors",
    limits: "MediaLimits",
    min_score: float = 0.5,
    min_seconds: float = 2.0,
    video: str | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """Find segments of the library's films in a file.

    Args:
        query: A media file; it need not be in the library.
        catalog: The library.
        encoder: What its vectors were made with.
        vectors: Its frame embeddings and their index.
        limits: Bounds on the query.
        min_score: Least mean similarity of the pictures in a match, in [0, 1].
        min_seconds: Least length of the query side of a match.
        video: Look only for this video (id, start of an id, path or file name).
        progress: Told in seconds of the query, then in places looked at.
        should_stop: Asked often.

    Returns:
        The matches, best first; those of one video do not overlap by more than half.

    Raises:
        InvalidInputError: A value out of range.
        NotFoundError: The query or video does not exist, or the library is empty.
        MediaError: The query cannot be read.
        OperationCancelled: `should_stop` said so.
    """
    if not 0.0 <= min_score <= 1.0:
        raise InvalidInputError(f"got min_score = {min_score}, expected 0 to 1")
    if not (math.isfinite(min_seconds) and min_seconds >= 0.0):
        raise InvalidInputError(f"got min_seconds = {min_seconds}, expected 0 or more")
    video_id = None if video is None else catalog.resolve_video(video).video_id
    if video_id is None and catalog.totals().num_videos == 0:
        raise NotFoundError(
            f"the library {catalog.library} holds no videos yet; add some with "
            "`sceneprint ingest PATH`"
        )
    report = _Reporter(query.name, progress, should_stop)
    frames = _query_frames(query, encoder, limits, report)
    candidates = find_candidates(frames, vectors, video_id)
    finder = _Finder(frames, catalog, encoder, min_seconds=min_seconds)
    for number, candidate in enumerate(candidates):
        report("match", number, len(candidates), "places")
        finder.look(candidate)
    found = finder.matches(query, min_score=min_score)
    return MatchResult(query, frames.duration_seconds, tuple(found))


@dataclass
class _Reporter:
    """Passes progress on and stops when asked to."""

    item: str
    progress: ProgressCallback | None
    should_stop: Callable[[], bool] | None
    started: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: float, total: float, unit: str) -> None:
        if self.should_stop is not None and self.should_stop():
            raise OperationCancelled(f"stopped while matching {self.item}")
        if self.progress is not None:
            elapsed = time.monotonic() - self.started
            speed = done / elapsed if unit == "s" and elapsed > 0 else None
            left = elapsed * (total - done) / done if done > 0 else None
            self.progress(
                Progress(
                    stage, self.item, done, total, unit, elapsed, speed=speed, eta_seconds=left
                )
            )


# --- the query


def _query_frames(
    path: Path, encoder: "PictureTextEncoder", limits: "MediaLimits", report: _Reporter
) -> QueryFrames:
    """Decode the query at two frames a second; embeddings and layouts of them."""
    info = probe(path, limits=limits)
    layouts: list[FloatArray] = []
    if not info.has_picture:
        raise MediaError(f"{path.name} has no picture; only pictures are matched")
    with FrameEmbedder(
        encoder, on_batch=lambda images: layouts.append(describe(images))
    ) as embedder:
        frames = sampled_frames(
            path,
            every_seconds=QUERY_STEP_SECONDS,
            max_side=MAX_SIDE,
            limits=limits,
            should_stop=report.should_stop,
        )
        for number, frame in enumerate(frames):
            if number % 8 == 0:
                report("decode", frame.seconds, max(info.duration_seconds, frame.seconds), "s")
            embedder.add(frame.seconds, frame.image)
        embedded = embedder.finish()
    if not layouts:
        raise MediaError(f"no picture of {path.name} can be decoded")
    duration = max(info.duration_seconds, float(embedded.times[-1]))
    return QueryFrames(embedded.times, embedded.vectors, np.concatenate(layouts), duration)


# --- finding


@dataclass(frozen=True)
class _Found:
    video: Video
    alignment: Alignment

    @property
    def gain(self) -> float:
        """How much it explains: frames times how sure they are."""
        return self.alignment.score * (self.alignment.last - self.alignment.first + 1)


class _Finder:
    """Looks at candidates one after the other and keeps what holds."""

    def __init__(
        self,
        query: QueryFrames,
        catalog: Catalog,
        encoder: "PictureTextEncoder",
        *,
        min_seconds: float,
    ) -> None:
        self._query = query
        self._catalog = catalog
        self._encoder = encoder
        self._min_seconds = min_seconds
        self._videos: dict[str, Video] = {}
        self._references: dict[str, ReferenceFrames | None] = {}
        self._found: list[_Found] = []

    def look(self, candidate: Candidate) -> None:
        """Check one candidate."""
        if self._is_explained(candidate):
            return
        video = self._video(candidate.video_id)
        if video is None:
            return
        try:
            alignment = self._aligned(candidate, video)
        except MediaError as exc:
            logger.warning("comparing by stored embeddings only: %s", exc)
            self._references[video.video_id] = None
            alignment = self._aligned(candidate, video)
        if alignment is None or not MIN_SPEED <= alignment.line.speed <= MAX_SPEED:
            return
        item = _Found(video, alignment)
        if self._query_segment(item).duration_seconds >= self._min_seconds:
            self._found.append(item)

    def matches(self, path: Path, *, min_score: float) -> list[Match]:
        """What was found, best first, without finding the same thing twice."""
        kept: list[_Found] = []
        for item in sorted(self._found, key=lambda item: -item.gain):
            if item.alignment.score >= min_score and not any(
                self._overlaps(item, other) for other in kept
            ):
                kept.append(item)
        matches = [self._match(path, item) for item in kept]
        return sorted(matches, key=lambda item: (-item.score, item.query_segment.start_seconds))

    def _aligned(self, candidate: Candidate, video: Video) -> Alignment | None:
        places = np.flatnonzero(
            (self._query.times >= candidate.pairs.query_times.min() - MARGIN_SECONDS)
            & (self._query.times <= candidate.pairs.query_times.max() + MARGIN_SECONDS)
        )
        first, last = int(places[0]), int(places[-1])
        ref = self._reference(video)
        if ref is None:
            times, stored = self._catalog.frame_vectors(self._encoder.id, video.video_id)
            return align_stored(self._query, times, stored, candidate.line)
        best = candidate.pairs.select(np.arange(min(NUM_GLANCES, len(candidate.pairs.weights))))
        if not glance(self._query, best.query_places.tolist(), ref, best.ref_times.tolist()):
            return None
        found = align(self._query, first, last, ref, candidate.line, slack=SLACK_SECONDS)
        if found is None or found.score < MIN_SEED_SCORE:
            return None
        for direction in (1, -1):
            found = extend(self._query, found, ref, direction=direction)
        return found

    def _reference(self, video: Video) -> ReferenceFrames | None:
        """The reference's own file, where it still is what was ingested."""
        if video.video_id not in self._references:
            try:
                is_there = video.path.stat().st_size == video.size_bytes
            except OSError:
                is_there = False
            if not is_there:
                logger.warning("%s is not where it was: its stored frames are compared", video.path)
            self._references[video.video_id] = ReferenceFrames(video.path) if is_there else None
        return self._references[video.video_id]

    def _video(self, video_id: str) -> Video | None:
        if video_id not in self._videos:
            try:
                self._videos[video_id] = self._catalog.video(video_id)
            except NotFoundError:  # removed meanwhile
                return None
        return self._videos[video_id]

    def _query_segment(self, item: _Found) -> Segment:
        """From the first frame that shows the reference to one step after the last.

        It ends where the line leaves the reference: a still picture goes on resembling its last
        frame, but nothing of it is copied any more.
        """
        alignment, line = item.alignment, item.alignment.line
        leaves_at = (item.video.duration_seconds - line.offset_seconds) / line.speed
        start = float(self._query.times[alignment.first])
        end = float(self._query.times[alignment.last]) + self._query.step_seconds
        start = max(start, -line.offset_seconds / line.speed)
        return Segment(start, max(start, min(end, leaves_at, self._query.duration_seconds)))

    def _is_explained(self, candidate: Candidate) -> bool:
        """Whether a match of the same video covers the candidate's query frames already.

        On the same line, any match does; elsewhere in the video only a sure one, which the
        candidate could not displace: a still scene resembles itself at a hundred offsets.
        """
        times = candidate.pairs.query_times
        for item in self._found:
            if item.video.video_id != candidate.video_id:
                continue
            segment = self._query_segment(item)
            inside = (times >= segment.start_seconds) & (times < segment.end_seconds)
            if item.alignment.score < SURE_SCORE:
                off = np.abs(item.alignment.line.at(times) - candidate.pairs.ref_times)
                inside &= off <= SLACK_SECONDS
            if np.mean(inside) >= MIN_EXPLAINED:
                return True
        return False

    def _overlaps(self, item: _Found, other: _Found) -> bool:
        if item.video.video_id != other.video.video_id:
            return False
        mine, theirs = self._query_segment(item), self._query_segment(other)
        return mine.intersection_seconds(theirs) > MAX_OVERLAP * mine.duration_seconds

    def _match(self, path: Path, item: _Found) -> Match:
        alignment, line = item.alignment, item.alignment.line
        segment = self._query_segment(item)
        ends = line.at(np.array([segment.start_seconds, segment.end_seconds]))
        start = float(np.clip(ends[0], 0.0, item.video.duration_seconds))
        end = float(np.clip(ends[1], start, max(start, item.video.duration_seconds)))
        return Match(
            query_path=path,
            query_segment=segment,
            ref_video=item.video,
            ref_segment=Segment(start, end),
            score=alignment.score,
            similarity=alignment.score,
            speed_ratio=line.speed,
            evidence=self._evidence(alignment),
        )

    def _evidence(self, alignment: Alignment) -> tuple[MatchEvidence, ...]:
        """Frames spread over the match, of each stretch the most alike."""
        telling = np.flatnonzero(np.isfinite(alignment.similarities))
        chosen = []
        for part in np.array_split(telling, min(NUM_EVIDENCE, max(1, len(telling)))):
            if len(part) == 0:
                continue
            best = int(part[np.argmax(alignment.similarities[part])])
            seconds = float(self._query.times[alignment.first + best])
            ref = max(0.0, float(alignment.line.at(np.array([seconds]))[0]))
            score = float(np.clip(alignment.similarities[best], 0.0, 1.0))
            chosen.append(MatchEvidence(seconds, ref, score))
        return tuple(chosen)
