"""Classifications in the annotation format that labelling tools and training sets exchange.

One record a segment: `{"frame_id", "scene_type", "audio_emotion", "text_description"}`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrieval.catalog import Catalog
from retrieval.errors import MediaError, NotFoundError
from retrieval.types import Classification, Segment, Subtitle, Video

__all__ = ["annotations"]

MAX_TEXT = 500


def annotations(
    classifications: Sequence[Classification], *, source: Path | str | None, catalog: Catalog
) -> list[dict[str, Any]]:
    """Give classifications as annotation records, one a segment, in the order of time.

    Args:
        classifications: Of one film, still or text; the groups of a segment share a record.
        source: What was classified (path or video id); None for a still or text.
        catalog: The library, for the subtitles and frame rate of its own videos.

    Returns:
        Records with
        `frame_id`: number of the segment's middle frame (0 for a still; milliseconds where the
        film has no known frame rate);
        `scene_type`: the best label of each group but mood, joined by ", ";
        `audio_emotion`: None. It is what a sound encoder hears; there is none in this release, and
        a mood read off pictures is not passed off as one;
        `text_description`: the subtitles spoken in the segment, else a phrase made of all labels.
    """
    video = _library_video(source, catalog)
    rate = _frame_rate(source, video)
    lines = catalog.subtitles(video.video_id) if video is not None else []
    by_segment: dict[tuple[float, float], list[Classification]] = {}
    for item in classifications:
        key = item.segment.start_seconds, item.segment.end_seconds
        by_segment.setdefault(key, []).append(item)
    return [_record(items, rate, lines) for _, items in sorted(by_segment.items())]


def _record(
    items: Sequence[Classification], rate: float, lines: Sequence[Subtitle]
) -> dict[str, Any]:
    segment = items[0].segment
    scene = [item.best.label for item in items if item.group != "mood"]
    moods = [item.best.label for item in items if item.group == "mood"]
    return {
        "frame_id": round((segment.start_seconds + segment.end_seconds) / 2 * rate),
        "scene_type": ", ".join(scene) or None,
        "audio_emotion": None,
        "text_description": _spoken(segment, lines) or _phrase(scene, moods),
    }


def _spoken(segment: Segment, lines: Sequence[Subtitle]) -> str:
    """The lines whose middle lies in the segment, so that none is given twice."""
    spoken = []
    for line in lines:
        middle = (line.segment.start_seconds + line.segment.end_seconds) / 2
        if segment.start_seconds <= middle < segment.end_seconds:
            spoken.append(" ".join(line.text.split()))
    return " ".join(spoken)[:MAX_TEXT]


def _phrase(scene: Sequence[str], moods: Sequence[str]) -> str:
    parts = [*scene, *(f"{mood} mood" for mood in moods)]
    return ", ".join(parts)


def _library_video(source: Path | str | None, catalog: Catalog) -> Video | None:
    if source is None:
        return None
    try:
        return catalog.resolve_video(str(source))
    except NotFoundError:
        return None


def _frame_rate(source: Path | str | None, video: Video | None) -> float:
    """Frames per second; a thousand (milliseconds) where it is unknown."""
    if video is not None:
        return float(video.frame_rate or 1000)
    if source is None:
        return 1000.0
    from retrieval.media.probe import probe

    try:
        return float(probe(Path(source)).frame_rate or 1000)
    except (MediaError, NotFoundError):
        return 1000.0
