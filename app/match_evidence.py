"""What a person looks at to believe a match: aligned filmstrips, the matrix, the facts.

Pictures are `data:` URLs, so that they stand in a report without anything beside it.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from app.match_words import (
    agreement_words,
    edit_words,
    false_rate_words,
    score_words,
    speed_words,
)
from app.templating import clock
from retrieval.engine import Engine
from retrieval.errors import MediaError, NotFoundError, SceneprintError
from retrieval.types import Box, Match, MatchResult, timecode

__all__ = ["Evidence", "gather_evidence", "match_facts", "span", "time_range"]

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Evidence:
    """Pictures of one match, as the template `evidence.html` takes them."""

    pairs: tuple[dict[str, Any], ...] = ()
    matrix: dict[str, str] | None = None
    sound: tuple[float, ...] = ()
    """Agreement of the sound over the match, in per cent."""
    missing: tuple[str, ...] = ()
    """What could not be shown, and why."""

    @property
    def has_boxes(self) -> bool:
        """Whether a box is drawn on any frame."""
        return any(pair[side]["box"] for pair in self.pairs for side in ("query", "ref"))


def gather_evidence(
    engine: Engine, result: MatchResult, match: Match, *, should_stop: ShouldStop | None = None
) -> Evidence:
    """Decode both files around a match; what cannot be shown is told, not raised.

    Raises:
        OperationCancelled: `should_stop` said so.
    """
    from retrieval.match_sound import match_sound

    sound: tuple[float, ...] = ()
    if "sound" in match.modalities:
        shares = match_sound(match, limits=engine.limits, should_stop=should_stop)
        sound = () if shares is None else tuple(round(100 * float(share)) for share in shares)
    if "picture" not in match.modalities:
        return Evidence(sound=sound, missing=("Only the sound agrees: there is nothing to see.",))
    pairs = tuple(_pair(match, pair) for pair in engine.match_frames(match))
    try:
        matrix = engine.match_matrix(
            match, query_seconds=result.query_seconds, should_stop=should_stop
        )
    except (MediaError, NotFoundError) as error:
        return Evidence(pairs, sound=sound, missing=(_reason(error),))
    from retrieval.match_matrix import matrix_png

    drawn = {
        "src": _data_url("image/png", matrix_png(matrix, match)),
        "query_start": clock(matrix.query_window.start_seconds),
        "query_end": clock(matrix.query_window.end_seconds),
        "ref_start": clock(matrix.ref_window.start_seconds),
        "ref_end": clock(matrix.ref_window.end_seconds),
    }
    return Evidence(pairs, drawn, sound)


def _reason(error: SceneprintError) -> str:
    return f"The similarity matrix cannot be drawn: {error}"


def _pair(match: Match, pair: Any) -> dict[str, Any]:
    edit = match.edit
    return {
        "score": pair.score,
        "query": {
            "src": _jpeg_url(pair.query_jpeg),
            "time": clock(pair.query_seconds),
            "box": _box(edit.query_box),
        },
        "ref": {
            "src": _jpeg_url(pair.ref_jpeg),
            "time": clock(pair.ref_seconds),
            "box": _box(edit.ref_box),
        },
    }


def _jpeg_url(data: bytes | None) -> str | None:
    return None if data is None else _data_url("image/jpeg", data)


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _box(box: Box | None) -> dict[str, float] | None:
    """Place and size in per cent, as styles take them."""
    if box is None:
        return None
    return {
        "left": round(100 * box.left, 2),
        "top": round(100 * box.top, 2),
        "width": round(100 * (box.right - box.left), 2),
        "height": round(100 * (box.bottom - box.top), 2),
    }


def match_facts(match: Match) -> list[tuple[str, str]]:
    """Name and value of all that is known about a match, for a person."""
    query, ref, video = match.query_segment, match.ref_segment, match.ref_video
    facts = [
        ("Probability of a copy", score_words(match.score)),
        ("In the suspect", time_range(query.start_seconds, query.end_seconds, None)),
        ("In the film", time_range(ref.start_seconds, ref.end_seconds, video.frame_rate)),
        ("Length", f"{query.duration_seconds:.1f} s from {ref.duration_seconds:.1f} s of the film"),
        ("Speed", speed_words(match)),
        ("What agrees", agreement_words(match)),
        ("Edit", "; ".join(edit_words(match.edit)) or "none seen"),
    ]
    if match.similarity is not None:
        facts.append(("Mean likeness", f"{match.similarity:.2f} of at most 1"))
    if match.sound_score is not None:
        facts.append(("Sound alone", f"{match.sound_score:.2f} of at most 1"))
    rate = false_rate_words(match.false_matches_per_hour)
    return [*facts, ("False matches", rate)] if rate else facts


def time_range(start: float, end: float, rate: Fraction | None) -> str:
    """Two timecodes, or two times to the millisecond where there is no frame rate."""
    return f"{timecode(start, rate)} – {timecode(end, rate)}"


def span(start: float, end: float, total: float) -> dict[str, float]:
    """Where a segment lies in its film, in per cent, never too thin to see."""
    total = max(total, end, 1e-6)
    width = max(0.6, 100 * (end - start) / total)
    return {"left": round(min(100 * start / total, 100 - width), 2), "width": round(width, 2)}
