"""One self-contained HTML page about a library: queries with hits, matches, labels.

Pictures are inlined, styles are in the page, there is no script and nothing is fetched, so the
file can be opened from disk, mailed, or kept as evidence.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.files import write_whole
from app.templating import clock, render
from retrieval.types import Classification, Hit, Match, Video

__all__ = ["FilmLabels", "QueryHits", "Report", "render_report", "write_report"]

Thumbnail = Callable[[int], bytes]
"""From a shot id to its JPEG, as `Engine.thumbnail` gives it."""


@dataclass(frozen=True)
class QueryHits:
    """What was asked and what was found.

    Attributes:
        query: Words, or the name of the example.
        kind: `text`, `still` or `clip`.
        hits: Best first.
        seconds: How long the answer took.
    """

    query: str
    kind: str
    hits: Sequence[Hit]
    seconds: float


@dataclass(frozen=True)
class FilmLabels:
    """The label groups of one whole film."""

    video: Video
    classifications: Sequence[Classification]


@dataclass(frozen=True)
class Report:
    """Everything that the page shows.

    Attributes:
        title: Of the page.
        facts: Name and value of what stands at the top (encoder, footage, speed).
        queries: Searches with their hits.
        suspect: Name of the film in which copies were looked for; None leaves the section out.
        suspect_seconds: Its length.
        matches: The copied segments.
        labels: Zero-shot labels by film.
        next_steps: Commands to go on with, and what they do.
        shots: The ids of the shots of each video in order, to picture segments.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    queries: Sequence[QueryHits] = ()
    suspect: str | None = None
    suspect_seconds: float = 0.0
    matches: Sequence[Match] = ()
    labels: Sequence[FilmLabels] = ()
    next_steps: Sequence[tuple[str, str]] = ()
    shots: dict[str, Sequence[int]] = field(default_factory=dict)


def write_report(path: Path, report: Report, *, thumbnail: Thumbnail) -> Path:
    """Write the page to `path`, whole or not at all."""
    return write_whole(path, render_report(report, thumbnail=thumbnail))


def render_report(report: Report, *, thumbnail: Thumbnail) -> str:
    """Fill the template of the page."""
    return render(
        "report.html",
        report=report,
        queries=[_query(query, thumbnail) for query in report.queries],
        matches=[_match(match, report, thumbnail) for match in report.matches],
        films=[_film(labels, report, thumbnail) for labels in report.labels],
    )


def _query(query: QueryHits, thumbnail: Thumbnail) -> dict[str, Any]:
    return {
        "text": query.query,
        "kind": query.kind,
        "milliseconds": f"{1000 * query.seconds:.0f}",
        "hits": [_hit(hit, thumbnail) for hit in query.hits],
    }


def _hit(hit: Hit, thumbnail: Thumbnail) -> dict[str, Any]:
    lines = [source.text for source in hit.provenance if source.text]
    return {
        "name": hit.video.name,
        "range": f"{hit.start_timecode} – {hit.end_timecode}",
        "score": hit.score,
        "picture": inline_jpeg(thumbnail(hit.shot_id)),
        "line": lines[0] if lines else None,
    }


def _match(match: Match, report: Report, thumbnail: Thumbnail) -> dict[str, Any]:
    query, ref = match.query_segment, match.ref_segment
    return {
        "name": match.ref_video.name,
        "query_range": f"{clock(query.start_seconds)} – {clock(query.end_seconds)}",
        "ref_range": f"{clock(ref.start_seconds)} – {clock(ref.end_seconds)}",
        "query_span": _span(query.start_seconds, query.end_seconds, report.suspect_seconds),
        "ref_span": _span(ref.start_seconds, ref.end_seconds, match.ref_video.duration_seconds),
        "speed": f"{match.speed_ratio:.2f}",
        "score": match.score,
        "picture": _picture(match.ref_video, report, thumbnail),
    }


def _film(labels: FilmLabels, report: Report, thumbnail: Thumbnail) -> dict[str, Any]:
    return {
        "name": labels.video.name,
        "picture": _picture(labels.video, report, thumbnail),
        "groups": [
            {"name": item.group.replace("_", " "), "scores": item.scores[:5]}
            for item in labels.classifications
        ],
    }


def _picture(video: Video, report: Report, thumbnail: Thumbnail) -> str | None:
    """The middle shot stands for a film."""
    shots = report.shots.get(video.video_id, ())
    return inline_jpeg(thumbnail(shots[len(shots) // 2])) if shots else None


def _span(start: float, end: float, total: float) -> dict[str, float]:
    total = max(total, end, 1e-6)
    width = max(1.0, 100 * (end - start) / total)
    return {"left": round(min(100 * start / total, 100 - width), 2), "width": round(width, 2)}


def inline_jpeg(data: bytes) -> str:
    """Turn a JPEG into a `data:` URL."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
