"""Which films show a still, and when: one picture against single frames of the library.

A film's copy has hundreds of frames that must keep step; a still has one, so it is looked at more
closely. The nearest stored descriptors name moments, the reference's file is decoded there, the
turn and crop are found as for films (`match_windows`), and then both pictures are laid on each
other at five times the pixels and must agree in their edges, as a whole and nearly everywhere.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.errors import MediaError
from retrieval.match_evidence import EvidenceScale
from retrieval.match_layout import FULL, light_grids
from retrieval.match_lines import Line
from retrieval.match_query import Describe, crop_to, shows_nothing, steady_bars
from retrieval.match_reference import ReferenceFrames
from retrieval.match_views import QueryView, Turn
from retrieval.match_windows import Sight, best_sight
from retrieval.types import Box, FloatArray, Match, MatchEdit, MatchEvidence, Segment, Video
from retrieval.vectors import FrameVectors

__all__ = ["STILL_STEP_SECONDS", "Still", "StillSigns", "find_still", "still_probability"]

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
Opener = Callable[[str], "tuple[Video, ReferenceFrames] | None"]
NUM_NEIGHBOURS = 64
MAX_MOMENTS = 8
MAX_PER_VIDEO = 3
APART_SECONDS = 4.0
MIN_EVIDENCE = 0.05
"""Least evidence of the stored frame: far below what crops of a half have."""
NEAR_SECONDS, FAR_SECONDS = 1.5, 10.0
"""Least and most time around a stored frame in which the still's own moment is looked for: as far
as the next stored frames, which after a `fast` ingest lie as far apart as sync frames."""
SPAN_SECONDS = 15.0
SAME_LIKENESS = 0.05
"""Likeness that frames which show the picture too may lose."""
STILL_STEP_SECONDS = 0.08
"""Between frames that a still is laid on: where much moves, a quarter of a second is too far."""
FINE_WIDTH, FINE_HEIGHT = 120, 68
PARTS = 4
"""Rows and columns of the parts that must agree each."""
WEIGHTS, INTERCEPT = (14.0, 6.0), -16.0
"""Of likeness and the lower quartile of the parts; see docs/copy-detection.md."""
UNUSUAL_TURN, DEEP_CROP, DEEP_SCALE = 2.0, 3.0, 0.5
"""Taken off where a still is rotated or negative, or less than half of the picture's width: there
are many such ways to lay it, so that chance finds one sooner."""
MAX_PROBABILITY = 0.99
WORTH_TELLING = 0.02
MIN_PARTS = 6


@dataclass(frozen=True, eq=False)
class Still:
    """A still image.

    Attributes:
        image: Its picture without bars, (H, W, 3) uint8 RGB.
        view: The same as a query of one frame.
        bars: Which part of the file's picture it is; None for all of it.
    """

    image: Picture
    view: QueryView
    bars: Box | None

    @classmethod
    def of(cls, image: Picture, run: Describe) -> "Still":
        """Cut off the bars and describe what is left."""
        (bars,) = steady_bars([image])
        inner = image if bars is None else np.ascontiguousarray(crop_to(image, bars))
        view = QueryView(
            np.zeros(1),
            np.asarray(run([inner]), dtype=np.float32),
            light_grids([inner]),
            light_grids([np.rot90(inner)]),
            np.array([shows_nothing(inner)]),
        )
        return cls(inner, view, bars)


@dataclass(frozen=True)
class StillSigns:
    """What was seen where a still lies on a frame.

    Attributes:
        likeness: Correlation of the edges of both pictures, at most 1, or that of the middle one
            of sixteen parts where it is more: words over a picture have strong edges.
        parts: The same of the worst quarter of these parts.
        sight: How the still lies on the frame.
    """

    likeness: float
    parts: float
    sight: Sight = field(default_factory=Sight)


def still_probability(signs: StillSigns) -> float:
    """Probability that a still is a copy of a frame; never near to certainty by one picture."""
    logit = WEIGHTS[0] * signs.likeness + WEIGHTS[1] * signs.parts + INTERCEPT
    if signs.sight.turn not in ("none", "mirror"):
        logit -= UNUSUAL_TURN
    if signs.sight.window.scale < DEEP_SCALE:
        logit -= DEEP_CROP
    return min(MAX_PROBABILITY, 1.0 / (1.0 + math.exp(-logit)))


def find_still(
    path: Path,
    still: Still,
    *,
    vectors: FrameVectors,
    scale: EvidenceScale,
    opened: Opener,
    stored: Callable[[str], NDArray[np.float64]],
    video_id: str | None = None,
) -> list[Match]:
    """Moments of the library's films that show a still, best first.

    Args:
        path: Of the still, for the matches.
        still: What to look for.
        vectors: The library's frames.
        scale: Of the copy encoder.
        opened: Gives a video and its file by id; None where the file is gone.
        stored: Gives (F,) rising times in seconds of a video's stored frames.
        video_id: Look only at this video.

    Returns:
        Matches whose query segment is [0, 0] and whose reference segment is as long as the film
        goes on showing about this picture. Films that cannot be read are passed over.
    """
    if still.view.is_plain.all():
        return []
    found: list[Match] = []
    for name, seconds in _moments(still.view, vectors, scale, video_id):
        pair = opened(name)
        span = _span(stored(name), seconds)
        match = None if pair is None else _readable(path, still, *pair, span)
        if match is not None and match.score >= WORTH_TELLING:
            found.append(match)
    kept: list[Match] = []
    for match in sorted(found, key=lambda item: (-item.score, -(item.similarity or 0.0))):
        if not any(_is_same(match, other) for other in kept):
            kept.append(match)
    return kept


def _moments(
    view: QueryView, vectors: FrameVectors, scale: EvidenceScale, video_id: str | None
) -> list[tuple[str, float]]:
    """Videos and times of the nearest stored frames, some seconds apart."""
    hits = vectors.search(view.vectors, NUM_NEIGHBOURS, video_id=video_id)
    values = scale.evidence(hits.scores, scale.bias(view.vectors))[0]
    chosen: list[tuple[str, float]] = []
    for place in np.argsort(-values, kind="stable").tolist():
        if values[place] < MIN_EVIDENCE or hits.videos[0, place] < 0 or len(chosen) == MAX_MOMENTS:
            break
        name, at = hits.video_ids[hits.videos[0, place]], float(hits.times[0, place])
        same = [seconds for other, seconds in chosen if other == name]
        if len(same) < MAX_PER_VIDEO and all(abs(at - one) >= APART_SECONDS for one in same):
            chosen.append((name, at))
    return chosen


def _span(stored: NDArray[np.float64], seconds: float) -> Segment:
    """From the stored frame before a moment to the one after."""
    place = int(np.searchsorted(stored, seconds - 1e-6))
    before = float(stored[place - 1]) if place > 0 else 0.0
    after = float(stored[place + 1]) if place + 1 < len(stored) else seconds + FAR_SECONDS
    return Segment(
        max(0.0, seconds - FAR_SECONDS, min(before, seconds - NEAR_SECONDS)),
        min(seconds + FAR_SECONDS, max(after, seconds + NEAR_SECONDS)),
    )


def _readable(
    path: Path, still: Still, video: Video, ref: ReferenceFrames, span: Segment
) -> Match | None:
    try:
        return _placed(path, still, video, ref, span)
    except MediaError as error:
        logger.warning("a still is not compared with %s: %s", video.path, error)
        return None


def _placed(
    path: Path, still: Still, video: Video, ref: ReferenceFrames, span: Segment
) -> Match | None:
    """Lay the still on the frames of a part of the film."""
    slack = span.duration_seconds / 2
    line = Line(1.0, span.start_seconds + slack)
    sight = best_sight(still.view, slice(0, 1), ref, line, slack=slack)
    if sight is None:
        return None
    times, images = ref.pictures(span.start_seconds, span.end_seconds)
    edges = _edges(_turned(still.image, sight.turn))
    signs = [_signs(edges, image, sight) for image in images]
    if not signs:
        return None
    best = max(range(len(signs)), key=lambda place: signs[place].likeness)
    at, likeness = float(times[best]), float(np.clip(signs[best].likeness, 0.0, 1.0))
    window = None if sight.window == FULL else Box(*sight.window.box(1.0, 1.0))
    return Match(
        query_path=path,
        query_segment=Segment(0.0, 0.0),
        ref_video=video,
        ref_segment=_shown(still.view, sight, ref, at, video.duration_seconds),
        score=still_probability(signs[best]),
        similarity=likeness,
        speed_ratio=1.0,
        evidence=(MatchEvidence(0.0, at, likeness),),
        edit=MatchEdit(is_flipped=sight.turn == "mirror", ref_box=window, query_box=still.bars),
    )


def _shown(
    view: QueryView, sight: Sight, ref: ReferenceFrames, at: float, duration: float
) -> Segment:
    """From when to when the film goes on showing about this picture."""
    times, rows = ref.layouts(max(0.0, at - SPAN_SECONDS), at + SPAN_SECONDS, sight.window)
    likeness = rows @ view.layouts(slice(0, 1), sight.turn)[0]
    first = last = int(np.argmin(np.abs(times - at)))
    least = float(likeness[first]) - SAME_LIKENESS
    while first > 0 and likeness[first - 1] >= least:
        first -= 1
    while last + 1 < len(times) and likeness[last + 1] >= least:
        last += 1
    start = min(float(times[first]), at)
    return Segment(start, max(at, min(duration, float(times[last]) + STILL_STEP_SECONDS)))


def _is_same(match: Match, other: Match) -> bool:
    """Whether two moments are of one showing."""
    return (
        match.ref_video.video_id == other.ref_video.video_id
        and match.ref_segment.start_seconds <= other.ref_segment.end_seconds
        and other.ref_segment.start_seconds <= match.ref_segment.end_seconds
    )


def _turned(image: Picture, turn: Turn) -> Picture:
    """A picture turned back, as `QueryView.layouts` turns grids."""
    if turn in ("left", "right"):
        image = np.rot90(image)
    if turn in ("mirror", "half", "right"):
        image = image[:, ::-1]
    if turn in ("upside_down", "half", "right"):
        image = image[::-1]
    return np.ascontiguousarray(255 - image if turn == "negative" else image)


def _signs(still: FloatArray, image: Picture, sight: Sight) -> StillSigns:
    """How far the edges of a still agree with those that a window shows of a picture."""
    seen = np.ascontiguousarray(crop_to(image, Box(*sight.window.box(1.0, 1.0))))
    edges = still, _edges(seen)
    parts = [_agreement(*pair) for pair in zip(*(_parts(item) for item in edges), strict=True)]
    told = [value for value in parts if value is not None]
    lower = float(np.quantile(told, 0.25)) if told else 0.0
    middle = float(np.median(told)) if len(told) >= MIN_PARTS else -1.0
    return StillSigns(max(_agreement(*edges) or 0.0, middle), lower, sight)


def _edges(image: Picture) -> FloatArray:
    """(2, H, W) steps of light across and down, of a picture at one small size."""
    light = Image.fromarray(image).convert("L")
    small = light.resize((FINE_WIDTH + 1, FINE_HEIGHT + 1), Image.Resampling.BOX)
    grey: FloatArray = np.asarray(small, dtype=np.float32)
    for axis in (0, 1):  # a crop is found to some hundredths of a side only
        grey = 0.5 * grey + 0.25 * (np.roll(grey, 1, axis) + np.roll(grey, -1, axis))
    return np.stack([np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1]])


def _parts(edges: FloatArray) -> Sequence[FloatArray]:
    rows = np.array_split(edges, PARTS, axis=1)
    return [part for row in rows for part in np.array_split(row, PARTS, axis=2)]


def _agreement(first: FloatArray, second: FloatArray) -> float | None:
    """Correlation of steps; None where both are flat."""
    norms = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if max(norms) < math.sqrt(first.size):
        return None
    return float((first * second).sum()) / max(norms[0] * norms[1], 1e-6)
