"""What a match found: picture and sound of one copy together, each thing once, as `Match`es."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retrieval.match_alignments import Alignment
from retrieval.match_calibration import Calibration, Signs
from retrieval.match_layout import FULL
from retrieval.match_lines import Line
from retrieval.match_views import QueryView
from retrieval.sound_match import SoundMatch
from retrieval.types import Box, FloatArray, Match, MatchEdit, MatchEvidence, Segment, Video

__all__ = ["Find", "to_matches", "without_repeats"]

NUM_EVIDENCE = 8
MAX_OVERLAP = 0.5
"""Share of a find's query that a better find of the same video may cover before it is the same."""
MIN_SAME_LINE = 0.2
SAME_LINE_SECONDS = 1.0
SAME_SPEED = 0.08
MAX_GAP_SECONDS = 3.0
"""Between two parts on one line that are one match: a flash or an overlay may hide the middle."""


@dataclass(frozen=True, eq=False)
class Find:
    """A copied run of pictures.

    Attributes:
        video: The reference.
        view: The frames of the query that show it.
        alignment: Where.
        signs: What speaks for it.
        score: Probability that it is a copy.
        evidence: (N,) evidence of each frame; NaN for none.
    """

    video: Video
    view: QueryView
    alignment: Alignment
    signs: Signs
    score: float
    evidence: FloatArray

    @property
    def segment(self) -> Segment:
        """The part of the query."""
        return self.view.in_query(*self._span)

    @property
    def ref_segment(self) -> Segment:
        """The part of the reference."""
        ends = np.clip(self.alignment.line.at(np.array(self._span)), 0, self._duration)
        return Segment(float(ends[0]), max(float(ends[0]), float(ends[1])))

    @property
    def gain(self) -> float:
        """How much it explains: seconds times how sure it is.

        What only descriptors see, and what plays backwards, must explain more: a quiet scene
        plays both ways, and at any speed.
        """
        worth = self.score * self.segment.duration_seconds * self.alignment.score
        worth *= 0.5 if self.alignment.seen_by == "descriptor" else 1.0
        return worth * (0.8 if self.view.is_reversed else 1.0)

    def ref_at(self, query_seconds: float) -> float:
        """Where the reference is at a time of the query."""
        turned = self.view.reversed_at
        seconds = query_seconds if turned is None else turned - query_seconds
        return float(self.alignment.line.at(np.array([seconds]))[0])

    @property
    def _duration(self) -> float:
        return self.video.duration_seconds

    @property
    def _span(self) -> tuple[float, float]:
        """From the first frame that shows the reference to a step after the last.

        It ends where the line leaves the reference: a still picture goes on resembling its last
        frame, but nothing of it is copied any more. Backwards, a frame's step lies before it.
        """
        times, line, step = self.view.times, self.alignment.line, self.view.step_seconds
        start, end = float(times[self.alignment.first]), float(times[self.alignment.last])
        start, end = (start - step, end) if self.view.is_reversed else (start, end + step)
        start = max(start, -line.offset_seconds / line.speed)
        return start, max(start, min(end, (self._duration - line.offset_seconds) / line.speed))


def without_repeats(finds: Sequence[Find]) -> list[Find]:
    """The finds that no better one of the same video covers."""
    kept: list[Find] = []
    for item in sorted(finds, key=lambda one: -one.gain):
        if not any(_is_same(item, other) for other in kept):
            kept.append(item)
    return kept


def _is_same(item: Find, other: Find) -> bool:
    if item.video.video_id != other.video.video_id or item.segment.duration_seconds <= 0:
        return False
    shared = item.segment.intersection_seconds(other.segment) / item.segment.duration_seconds
    if shared > MAX_OVERLAP:
        return True
    middle = (item.segment.start_seconds + item.segment.end_seconds) / 2
    off = abs(item.ref_at(middle) - other.ref_at(middle))
    return shared > MIN_SAME_LINE and off <= SAME_LINE_SECONDS


def to_matches(
    path: Path,
    finds: Sequence[Find],
    sounds: Sequence[tuple[Video, SoundMatch]],
    *,
    duration_seconds: float,
    bars: "Sequence[Box | None]",
    calibration: Calibration,
) -> list[Match]:
    """All matches, best first.

    Args:
        path: The query.
        finds: What pictures say.
        sounds: What sound says.
        duration_seconds: Of the query.
        bars: Of each of `finds`, the part of the query without bars; None where it has none.
        calibration: What scores stand for.
    """
    pictures = [
        _picture_match(path, find, duration_seconds, bars[place])
        for place, find in enumerate(finds)
    ]
    merged = _merged(_joined(pictures), [_sound_match(path, *pair) for pair in sounds])
    scored = [
        replace(item, false_matches_per_hour=calibration.false_matches_per_hour(item.score))
        for item in merged
    ]
    return sorted(
        scored,
        key=lambda item: (
            -round(item.score, 3),
            -(item.similarity or 0.0),
            item.query_segment.start_seconds,
        ),
    )


def _picture_match(path: Path, find: Find, duration: float, bars: Box | None) -> Match:
    segment, alignment = find.segment, find.alignment
    window = None if alignment.sight.window == FULL else Box(*alignment.sight.window.box(1.0, 1.0))
    end = min(segment.end_seconds, max(duration, segment.start_seconds))
    return Match(
        query_path=path,
        query_segment=Segment(segment.start_seconds, end),
        ref_video=find.video,
        ref_segment=find.ref_segment,
        score=find.score,
        similarity=_similarity(find),
        speed_ratio=alignment.line.speed,
        evidence=_evidence(find),
        edit=MatchEdit(
            is_flipped=alignment.sight.turn == "mirror",
            is_reversed=find.view.is_reversed,
            ref_box=window,
            query_box=find.view.box or bars,
        ),
    )


def _similarity(find: Find) -> float:
    return find.alignment.score


def _evidence(find: Find) -> tuple[MatchEvidence, ...]:
    """Frames spread over the match, of each stretch the most alike."""
    alignment, chosen = find.alignment, []
    telling = np.flatnonzero(np.isfinite(alignment.similarities))
    for part in np.array_split(telling, min(NUM_EVIDENCE, max(1, len(telling)))):
        if len(part) == 0:
            continue
        best = int(part[np.argmax(alignment.similarities[part])])
        at = float(find.view.times[alignment.first + best])
        ref = float(np.clip(alignment.line.at(np.array([at]))[0], 0, find.video.duration_seconds))
        turned = find.view.reversed_at
        seconds = max(0.0, at if turned is None else turned - at)
        score = float(np.clip(alignment.similarities[best], 0.0, 1.0))
        chosen.append(MatchEvidence(seconds, ref, score))
    return tuple(sorted(chosen, key=lambda pair: pair.query_seconds))


def _sound_match(path: Path, video: Video, found: SoundMatch) -> Match:
    probability = 1.0 - 10.0 ** -max(0.0, found.score)
    return Match(
        query_path=path,
        query_segment=found.query_segment,
        ref_video=video,
        ref_segment=found.ref_segment,
        score=probability,
        speed_ratio=found.speed_ratio,
        modalities=("sound",),
        sound_score=probability,
        edit=MatchEdit(pitch_semitones=found.pitch_semitones),
    )


def _joined(matches: Sequence[Match]) -> list[Match]:
    """Join parts that go on along one line after a short gap."""
    joined: list[Match] = []
    for item in sorted(matches, key=lambda one: one.query_segment.start_seconds):
        place = next((at for at, one in enumerate(joined) if _goes_on(one, item)), None)
        if place is None:
            joined.append(item)
        else:
            joined[place] = _union(joined[place], item)
    return joined


def _goes_on(first: Match, second: Match) -> bool:
    if first.ref_video.video_id != second.ref_video.video_id:
        return False
    if (first.edit.is_reversed, first.edit.is_flipped) != (
        second.edit.is_reversed,
        second.edit.is_flipped,
    ):
        return False
    gap = second.query_segment.start_seconds - first.query_segment.end_seconds
    return gap <= MAX_GAP_SECONDS and _on_one_line(first, second)


def _on_one_line(first: Match, second: Match, *, seconds: float = 0.35) -> bool:
    """Whether two matches of one video keep step with each other."""
    if abs(first.speed_ratio / second.speed_ratio - 1.0) > SAME_SPEED:
        return False
    middle = 0.5 * (second.query_segment.start_seconds + second.query_segment.end_seconds)
    return abs(_line(first, middle) - _line(second, middle)) <= seconds


def _line(item: Match, seconds: float) -> float:
    passed = seconds - item.query_segment.start_seconds
    if item.edit.is_reversed:
        return item.ref_segment.end_seconds - item.speed_ratio * passed
    return item.ref_segment.start_seconds + item.speed_ratio * passed


def _union(first: Match, second: Match) -> Match:
    """One match over both; the longer one says how it was edited."""
    longer = max(first, second, key=lambda item: item.query_segment.duration_seconds)
    query, ref = (
        Segment(
            min(one.start_seconds, other.start_seconds), max(one.end_seconds, other.end_seconds)
        )
        for one, other in (
            (first.query_segment, second.query_segment),
            (first.ref_segment, second.ref_segment),
        )
    )
    pairs = sorted((*first.evidence, *second.evidence), key=lambda pair: pair.query_seconds)
    places = np.linspace(0, len(pairs) - 1, min(NUM_EVIDENCE, len(pairs))).round().astype(int)
    return replace(
        longer,
        query_segment=query,
        ref_segment=ref,
        score=max(first.score, second.score),
        evidence=tuple(pairs[place] for place in dict.fromkeys(places.tolist())),
        speed_ratio=longer.speed_ratio,
    )


def _merged(pictures: Sequence[Match], sounds: Sequence[Match]) -> list[Match]:
    """Picture and sound of one copy as one match."""
    left = list(sounds)
    merged = []
    for item in pictures:
        heard = [one for one in left if _agree(item, one)]
        for one in heard:
            item = _with_sound(item, one)
            if item.query_segment.intersection_seconds(one.query_segment) >= (
                0.5 * one.query_segment.duration_seconds
            ):
                left.remove(one)
        merged.append(item)
    return [*merged, *left]


def _agree(picture: Match, sound: Match) -> bool:
    if picture.ref_video.video_id != sound.ref_video.video_id or picture.edit.is_reversed:
        return False
    if picture.query_segment.intersection_seconds(sound.query_segment) <= 0:
        return False
    return _on_one_line(picture, sound, seconds=SAME_LINE_SECONDS) or _on_one_line(
        sound, picture, seconds=SAME_LINE_SECONDS
    )


def _with_sound(picture: Match, sound: Match) -> Match:
    """A picture match that sound agrees with: surer, and as long as either is.

    Both probabilities count as independent, as the two see nothing of each other. Where the sound
    goes on beside the picture, the match does: a cutaway over a speech is still that speech. The
    sound places a moment to hundredths of a second, so its speed and line are taken.
    """
    heard = sound.sound_score or 0.0
    query = Segment(
        min(picture.query_segment.start_seconds, sound.query_segment.start_seconds),
        max(picture.query_segment.end_seconds, sound.query_segment.end_seconds),
    )
    at = Line(
        sound.speed_ratio,
        sound.ref_segment.start_seconds - sound.speed_ratio * sound.query_segment.start_seconds,
    )
    ends = np.clip(
        at.at(np.array([query.start_seconds, query.end_seconds])),
        0,
        picture.ref_video.duration_seconds,
    )
    return replace(
        picture,
        query_segment=query,
        ref_segment=Segment(float(ends[0]), max(float(ends[0]), float(ends[1]))),
        score=1.0 - (1.0 - picture.score) * (1.0 - heard),
        speed_ratio=sound.speed_ratio,
        modalities=("picture", "sound"),
        sound_score=max(heard, picture.sound_score or 0.0),
        edit=replace(picture.edit, pitch_semitones=sound.edit.pitch_semitones),
    )
