"""The evidence report: one HTML page about the copies in one or several suspects.

It is self-contained (pictures inlined, styles in the page, no script, nothing fetched) and says
which files were compared, by their hashes, when, and with which version: a page to keep.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.match_evidence import Evidence, gather_evidence, match_facts, span, time_range
from app.match_words import result_notes, score_words
from app.templating import clock, render
from retrieval.engine import Engine
from retrieval.errors import OperationCancelled
from retrieval.types import Match, MatchResult, Progress, ProgressCallback, readable

__all__ = ["MAX_PICTURED", "match_report"]

MAX_PICTURED = 40
"""Matches of a page that get pictures; the others get their facts."""
_CHUNK_BYTES = 4 * 1024**2

ShouldStop = Callable[[], bool]


def match_report(
    engine: Engine,
    results: Sequence[MatchResult],
    *,
    names: Mapping[Path, str] | None = None,
    settings: Sequence[tuple[str, str]] = (),
    made_at: datetime | None = None,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> str:
    """Make the page; both files of each match are opened again for its pictures.

    Args:
        engine: The library that was compared with.
        results: One for each suspect.
        names: What suspects are called, where their file names are not it (uploads).
        settings: Name and value of what was asked for, to be kept with the page.
        made_at: When; now for None.
        progress: Told in matches that are drawn.
        should_stop: Asked often.

    Raises:
        OperationCancelled: `should_stop` said so.
    """
    drawing = _Drawing(engine, sum(len(result.matches) for result in results), progress)
    suspects = [_suspect(result, names or {}, drawing, should_stop) for result in results]
    made_at = made_at or datetime.now(UTC)
    return render("match_report.html", facts=_facts(engine, made_at, settings), suspects=suspects)


@dataclass
class _Drawing:
    """Gathers the pictures of one match after the other and tells how far it is."""

    engine: Engine
    total: int
    progress: ProgressCallback | None
    done: int = field(default=0)

    def draw(self, result: MatchResult, match: Match, should_stop: ShouldStop | None) -> Evidence:
        if should_stop is not None and should_stop():
            raise OperationCancelled("stopped while the report was made")
        if self.progress is not None:
            name = readable(match.query_path.name)
            self.progress(Progress("report", name, self.done, self.total, "matches"))
        self.done += 1
        if self.done > MAX_PICTURED:
            return Evidence(missing=(f"Only the first {MAX_PICTURED} matches have pictures.",))
        return gather_evidence(self.engine, result, match, should_stop=should_stop)


def _facts(
    engine: Engine, made_at: datetime, settings: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    encoder = engine.catalog.encoder("copy")
    return [
        ("Made", made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Program", f"Sceneprint {version('sceneprint')}"),
        ("Copy encoder", "none" if encoder is None else f"{encoder.name}, {encoder.hash[:16]}"),
        *settings,
    ]


def _suspect(
    result: MatchResult,
    names: Mapping[Path, str],
    drawing: _Drawing,
    should_stop: ShouldStop | None,
) -> dict[str, Any]:
    path = result.query_path
    return {
        "name": readable(names.get(path, path.name)),
        "length": clock(result.query_seconds) if result.query_seconds else "still image",
        "hash": _sha256(path),
        "notes": result_notes(result),
        "unreadable": [
            {
                "range": time_range(part.start_seconds, part.end_seconds, None),
                "span": span(part.start_seconds, part.end_seconds, result.query_seconds),
            }
            for part in result.unreadable
        ],
        "matches": [
            _match(number, match, result, drawing.draw(result, match, should_stop))
            for number, match in enumerate(result.matches, start=1)
        ],
    }


def _match(number: int, match: Match, result: MatchResult, evidence: Evidence) -> dict[str, Any]:
    query, ref, video = match.query_segment, match.ref_segment, match.ref_video
    digest = video.video_id.removeprefix("v")
    return {
        "number": number,
        "name": video.name,
        "score": score_words(match.score),
        "query_range": f"{clock(query.start_seconds)} – {clock(query.end_seconds)}",
        "ref_range": f"{clock(ref.start_seconds)} – {clock(ref.end_seconds)}",
        "query_span": span(query.start_seconds, query.end_seconds, result.query_seconds),
        "ref_span": span(ref.start_seconds, ref.end_seconds, video.duration_seconds),
        "facts": [
            *match_facts(match),
            ("Film", f"{video.name}, {clock(video.duration_seconds)}, {video.size_bytes:,} bytes"),
            ("SHA-256 of the film", f"{digest} … (first {len(digest)} digits)"),
            ("In the library since", video.added_at or "unknown"),
        ],
        "evidence": evidence,
    }


def _sha256(path: Path) -> str:
    """Of the whole file, in hexadecimal."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return "unknown: the file is gone"
    return digest.hexdigest()
