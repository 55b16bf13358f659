"""The frame pairs that stand for a match, decoded from both files as small JPEGs."""

from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import MediaError, NotFoundError
from retrieval.match_reading import open_suspect
from retrieval.media.frames import frame_at
from retrieval.media.limits import MediaLimits
from retrieval.media.thumbnails import jpeg_thumbnail
from retrieval.types import Match

__all__ = ["FramePair", "match_frames"]

MAX_SIDE = 320
MAX_PAIRS = 8


@dataclass(frozen=True)
class FramePair:
    """Two frames that look alike; a side that cannot be read is None."""

    query_seconds: float
    ref_seconds: float
    score: float
    query_jpeg: bytes | None
    ref_jpeg: bytes | None


def match_frames(
    match: Match, *, max_pairs: int = MAX_PAIRS, limits: MediaLimits | None = None
) -> list[FramePair]:
    """Decode the evidence of a match, at most `max_pairs` spread over it, in order of time."""
    evidence = sorted(match.evidence, key=lambda item: item.query_seconds)
    step = max(1.0, len(evidence) / max_pairs)
    chosen = [evidence[int(step * number)] for number in range(min(max_pairs, len(evidence)))]
    return [
        FramePair(
            item.query_seconds,
            item.ref_seconds,
            item.score,
            _jpeg(match.query_path, item.query_seconds, limits),
            _jpeg(match.ref_video.path, item.ref_seconds, limits),
        )
        for item in chosen
    ]


def _jpeg(path: Path, seconds: float, limits: MediaLimits | None) -> bytes | None:
    limits = limits or MediaLimits()
    try:
        suspect = open_suspect(path, limits=limits)
        if suspect.is_still:
            return jpeg_thumbnail(next(suspect.frames(None)).image)
        return jpeg_thumbnail(frame_at(path, seconds, max_side=MAX_SIDE, limits=limits).image)
    except (MediaError, NotFoundError):
        return None
