"""From hits, matches and labels to the fragments of HTML that the tabs show."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.match_evidence import Evidence, match_facts
from app.match_words import (
    edit_words,
    false_rate_words,
    result_notes,
    score_words,
    speed_words,
)
from app.templating import clip_url, clock, render, thumbnail_url
from retrieval.engine import Engine, LibraryInfo
from retrieval.types import (
    Classification,
    Hit,
    IngestSummary,
    Match,
    MatchResult,
    Progress,
    Provenance,
    Video,
    readable,
)

__all__ = [
    "drawing",
    "empty",
    "group_title",
    "header",
    "hits",
    "labels",
    "library",
    "matches",
    "no_matches",
    "outcomes",
    "pair",
    "pair_evidence",
    "progress",
    "waiting",
]

_STAGES = {
    "scan": "Looking through files",
    "ingest": "Reading",
    "decode": "Reading",
    "encode": "Understanding",
    "match": "Comparing",
    "classify": "Classifying",
    "report": "Drawing the evidence in",
}


def empty(title: str, text: str, *, icon: str = "search") -> str:
    """A calm box that says what to do next."""
    return render("empty.html", title=title, text=text, icon=icon)


def header(info: LibraryInfo) -> str:
    """The top of the page with what the library holds."""
    seconds = info.hours * 3600
    footage = f"{info.hours:.1f} h" if info.hours >= 1 else clock(seconds).partition(".")[0]
    return render("header.html", info=info, footage=footage)


def hits(found: Sequence[Hit]) -> str:
    """The gallery of hits with its player."""
    return render("hits.html", hits=[_hit(rank, hit) for rank, hit in enumerate(found, start=1)])


def _hit(rank: int, hit: Hit) -> dict[str, Any]:
    segment = hit.segment
    lines = [source.text for source in hit.provenance if source.text]
    return {
        "rank": rank,
        "name": hit.video.name,
        "start": hit.start_timecode,
        "end": hit.end_timecode,
        "length": f"{segment.duration_seconds:.1f} s",
        "score": hit.score,
        "clip": clip_url(hit.video.video_id, segment.start_seconds, segment.end_seconds),
        "thumbnail": thumbnail_url(hit.shot_id),
        "line": lines[0] if lines else None,
        "sources": [_source(source) for source in hit.provenance],
    }


def _source(source: Provenance) -> dict[str, str]:
    """`picture #1` by words, `still #1`, `clip #1` and `sound #1` by example, `subtitles #2`."""
    by_example = {"image": "still", "clip": "clip"}
    by_words = {"picture": "picture", "sound": "sound", "subtitle": "subtitles"}
    label = by_example.get(source.query, by_words[source.modality])
    return {
        "label": f"{label} #{source.rank}",
        "explanation": f"Place {source.rank} in the list by {label}, score {source.score:.3f}",
    }


def group_title(name: str) -> str:
    """`scene_place` as a person reads it: `Place`."""
    words = name.removeprefix("scene_").replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]


def matches(result: MatchResult) -> str:
    """The table of matches, each with both segments drawn on their films, and the notes."""
    rows = []
    for match in result.matches:
        query, ref, video = match.query_segment, match.ref_segment, match.ref_video
        row: dict[str, Any] = {
            "name": video.name,
            "query_start": clock(query.start_seconds),
            "query_end": clock(query.end_seconds),
            "ref_start": clock(ref.start_seconds),
            "ref_end": clock(ref.end_seconds),
            "speed": speed_words(match),
            "score": score_words(match.score),
            "agrees": match.modalities,
            "edits": edit_words(match.edit),
            "false_rate": false_rate_words(match.false_matches_per_hour),
        }
        row |= _span("query", query.start_seconds, query.end_seconds, result.query_seconds)
        row |= _span("ref", ref.start_seconds, ref.end_seconds, video.duration_seconds)
        rows.append(row)
    return render("matches.html", matches=rows, notes=result_notes(result))


def no_matches(result: MatchResult, name: str) -> str:
    """That nothing was found, and what could not be looked at."""
    text = f"No part of the library's films was found in {readable(name)}."
    return render(
        "no_matches.html",
        title="No copies found",
        text=text,
        icon="done",
        notes=result_notes(result),
    )


def _span(side: str, start: float, end: float, total: float) -> dict[str, float]:
    total = max(total, end, 1e-6)
    width = max(1.0, 100 * (end - start) / total)
    left = min(100 * start / total, 100 - width)
    return {f"{side}_left": round(left, 2), f"{side}_width": round(width, 2)}


def pair(match: Match, *, query_src: str) -> str:
    """Two players side by side: the suspect's segment and the film's."""
    query, ref = match.query_segment, match.ref_segment
    return render(
        "pair.html",
        name=match.ref_video.name,
        query_start=clock(query.start_seconds),
        query_end=clock(query.end_seconds),
        ref_start=clock(ref.start_seconds),
        ref_end=clock(ref.end_seconds),
        query_src=query_src,
        ref_src=clip_url(match.ref_video.video_id, ref.start_seconds, ref.end_seconds),
        ref_rate=f"{match.speed_ratio:.4f}",
    )


def pair_evidence(match: Match, evidence: Evidence) -> str:
    """Filmstrips, matrix and facts of a match."""
    return render(
        "pair_evidence.html",
        evidence=evidence,
        facts=match_facts(match),
        name=match.ref_video.name,
    )


def drawing() -> str:
    """What stands there while the evidence of a match is drawn."""
    what = "Comparing the frames of both sides …"
    return render("progress.html", what=what, figures="", share=None, can_stop=False)


def labels(found: Iterable[Classification], *, titles: bool, thumbnails: Sequence[str] = ()) -> str:
    """Bars for each group, one card for the whole or one for each shot.

    Args:
        found: Classifications; those with one shot number share a card.
        titles: Whether the cards say which part of the film they are about.
        thumbnails: URLs by shot number, where the film is in the library.
    """
    parts: dict[int | None, list[Classification]] = {}
    for item in found:
        parts.setdefault(item.shot_number, []).append(item)
    cards = [_card(number, groups, thumbnails) for number, groups in parts.items()]
    return render("labels.html", parts=cards, titles=titles)


def _card(
    number: int | None, groups: Sequence[Classification], thumbnails: Sequence[str]
) -> dict[str, Any]:
    segment = groups[0].segment
    has_thumbnail = number is not None and number < len(thumbnails)
    return {
        "title": "Whole film" if number is None else f"Shot {number + 1}",
        "range": f"{clock(segment.start_seconds)} – {clock(segment.end_seconds)}",
        "thumbnail": thumbnails[number] if number is not None and has_thumbnail else None,
        "groups": [
            {"name": group_title(group.group), "scores": group.scores[:8]} for group in groups
        ],
    }


def library(engine: Engine) -> str:
    """The table of all films."""
    return render("library.html", videos=[_film(engine, video) for video in engine.videos()])


def _film(engine: Engine, video: Video) -> dict[str, Any]:
    shots = engine.shots(video.video_id) if video.has_picture else []
    return {
        "video_id": video.video_id,
        "name": video.name,
        "path": video.path,
        "thumbnail": thumbnail_url(shots[len(shots) // 2].shot_id) if shots else None,
        "duration_seconds": video.duration_seconds,
        "picture": f"{video.width} × {video.height}" if video.has_picture else "sound only",
        "num_shots": video.num_shots,
        "num_scenes": video.num_scenes,
        "num_subtitles": video.num_subtitles,
        "size_bytes": video.size_bytes,
        "warnings": video.warnings,
    }


def waiting() -> str:
    """What stands there until the work begins: only one heavy work runs at a time."""
    what = "Waiting for its turn …"
    return render("progress.html", what=what, figures="", share=None, can_stop=False)


def progress(report: Progress | None) -> str:
    """A bar with what is being done, how fast, and how long it will take."""
    if report is None:
        what = "Starting …"
        return render("progress.html", what=what, figures="", share=None, can_stop=True)
    share = min(1.0, report.done / report.total) if report.total > 0 else None
    figures = [f"{100 * share:.0f} %"] if share is not None else []
    if report.speed:
        figures.append(f"{report.speed:.0f} × real time")
    if report.eta_seconds is not None:
        figures.append(f"{clock(report.eta_seconds).partition('.')[0]} left")
    stage = _STAGES.get(report.stage, report.stage.capitalize())
    return render(
        "progress.html",
        what=readable(f"{stage} {report.item}"),
        figures=" · ".join(figures),
        share=share,
        can_stop=True,
    )


def outcomes(summary: IngestSummary) -> str:
    """What happened to each file of an ingest."""
    added = summary.count("added") + summary.count("replaced")
    parts = [f"{added} added"]
    parts += [
        f"{summary.count(status)} {status}"
        for status in ("unchanged", "moved", "skipped", "failed")
        if summary.count(status)
    ]
    stopped = "Stopped: what was finished is kept. " if summary.was_cancelled else ""
    rows = [
        {
            "status": outcome.status,
            "name": outcome.name,
            "note": outcome.reason or "; ".join(outcome.warnings),
        }
        for outcome in summary.outcomes
    ]
    return render("outcomes.html", headline=stopped + ", ".join(parts), outcomes=rows)
