"""Segments of sound that a query shares with references, by prints alone.

`sound_candidates` says where to look, `sound_verify` whether it holds and from where to where; here
the two meet, what was found is kept once, and a score is put on it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.sound_candidates import SPEEDS, SoundLine, sound_candidates
from retrieval.sound_index import SoundIndex
from retrieval.sound_print import BINS_PER_OCTAVE, SoundPrint
from retrieval.sound_quads import peaks_at_speed
from retrieval.sound_verify import SoundAlignment, align
from retrieval.types import Segment

__all__ = ["MIN_SCORE", "SoundMatch", "find_sound_matches"]

MIN_SCORE = 3.0
_CELL_SECONDS = 0.05
_SAME_SECONDS = 0.6
_MAX_CHANCE = 0.5


@dataclass(frozen=True)
class SoundMatch:
    """A segment of the query whose sound is a segment of a reference."""

    video_id: str
    query_segment: Segment
    ref_segment: Segment
    speed_ratio: float
    """Seconds of reference that play in one second of the query; above 1 = sped up."""
    pitch_semitones: float
    """How much higher the query sounds; speeding up by resampling raises it too."""
    score: float
    """-log10 of how many such alignments chance would give in this search; higher is surer."""
    num_agreeing: int
    """Peaks of the query that lie on peaks of the reference."""
    agreement: float
    """Their share in [0, 1] of the peaks in the segment."""


def find_sound_matches(
    query: SoundPrint,
    index: SoundIndex,
    *,
    min_seconds: float = 2.0,
    min_score: float = MIN_SCORE,
    should_stop: Callable[[], bool] | None = None,
) -> list[SoundMatch]:
    """Find all segments of references that the query has, at speeds of 0.5 to 2.

    Args:
        query: print of the query; silence has no peaks and no matches.
        index: prints of the references.
        min_seconds: shorter segments of the query are left out.
        min_score: weaker matches are left out.
        should_stop: asked once a minute of query.

    Returns:
        Highest score first. A segment may match several references, or one several times.

    Raises:
        InvalidInputError: `min_seconds` is negative or not a number.
        OperationCancelled: `should_stop` said so.
    """
    if not (math.isfinite(min_seconds) and min_seconds >= 0):
        raise InvalidInputError(f"got {min_seconds = }, expected a finite number from 0")
    search = _Search(query, index, min_seconds, min_score)
    for lines in sound_candidates(query, index):
        if should_stop is not None and should_stop():
            raise OperationCancelled("stopped while matching sound")
        for line in sorted(lines, key=lambda line: -line.num_votes):
            search.follow(line)
    return sorted(search.matches, key=lambda match: -match.score)


class _Search:
    """What was found so far."""

    def __init__(
        self, query: SoundPrint, index: SoundIndex, min_seconds: float, min_score: float
    ) -> None:
        self._query, self._index = query, index
        self._min_seconds, self._min_score = min_seconds, min_score
        self._peaks = {speed: peaks_at_speed(query, speed) for speed in SPEEDS}
        self._trials = math.log10(
            1 + query.duration_seconds * 3600 * index.hours / _CELL_SECONDS**2
        )
        self.matches: list[SoundMatch] = []

    def follow(self, line: SoundLine) -> None:
        """Check one line, unless it belongs to a match that is known."""
        if self._is_known(line):
            return
        nearest = min(SPEEDS, key=lambda speed: abs(math.log(speed / line.speed)))
        found = align(
            self._peaks[nearest],
            *self._index.reference(line.number),
            query_seconds=line.query_seconds,
            ref_seconds=line.ref_seconds,
            speed=line.speed,
            pitch_bins=line.pitch_bins,
        )
        match = None if found is None else self._match(line.number, found)
        if match is not None:
            self._keep(match)

    def _is_known(self, line: SoundLine) -> bool:
        name = self._index.video_ids[line.number]
        for match in self.matches:
            query, ref = match.query_segment, match.ref_segment
            if match.video_id == name and (
                query.start_seconds - 1 <= line.query_seconds <= query.end_seconds + 1
            ):
                on_line = ref.start_seconds + match.speed_ratio * (
                    line.query_seconds - query.start_seconds
                )
                if abs(on_line - line.ref_seconds) < _SAME_SECONDS:
                    return True
        return False

    def _match(self, number: int, found: SoundAlignment) -> SoundMatch | None:
        score = found.evidence - self._trials
        length = found.end_seconds - found.start_seconds
        fits = 0.45 <= found.speed <= 2.2 and found.chance_rate <= _MAX_CHANCE
        if not fits or score < self._min_score or length < self._min_seconds:
            return None
        duration = float(self._index.durations[number])
        ref_start, ref_end = np.clip(
            [found.ref_seconds(found.start_seconds), found.ref_seconds(found.end_seconds)],
            0.0,
            duration,
        ).tolist()
        return SoundMatch(
            video_id=self._index.video_ids[number],
            query_segment=Segment(found.start_seconds, found.end_seconds),
            ref_segment=Segment(ref_start, max(ref_start, ref_end)),
            speed_ratio=found.speed,
            pitch_semitones=found.pitch_bins * 12 / BINS_PER_OCTAVE,
            score=score,
            num_agreeing=found.num_agreeing,
            agreement=found.num_agreeing / found.num_peaks,
        )

    def _keep(self, match: SoundMatch) -> None:
        """Add a match; of two that are mostly the same segments, the better one stays."""
        for place, other in enumerate(self.matches):
            if _is_same(match, other):
                if match.score > other.score:
                    self.matches[place] = match
                return
        self.matches.append(match)


def _is_same(one: SoundMatch, other: SoundMatch) -> bool:
    if one.video_id != other.video_id:
        return False
    pairs = ((one.query_segment, other.query_segment), (one.ref_segment, other.ref_segment))
    return all(
        a.intersection_seconds(b) > 0.5 * min(a.duration_seconds, b.duration_seconds)
        for a, b in pairs
    )
