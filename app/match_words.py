"""A match in words: how sure, what agrees, what was done to the footage.

The command line, the browser interface and the evidence report say the same with these.
"""

from app.templating import clock
from retrieval.types import Box, Match, MatchEdit, MatchResult

__all__ = [
    "agreement_words",
    "edit_words",
    "false_rate_words",
    "result_notes",
    "score_words",
    "speed_words",
]

NEARLY_ALL = 0.97
"""Share of a side from which on a box counts as reaching over it: measured boxes are rough."""
MIDDLE = 0.1
"""How far the centre of a box may lie off the middle of the picture and still be centred."""
MIN_SEMITONES = 0.25
MAX_PARTS = 5
"""Unreadable parts that are named."""


def score_words(score: float) -> str:
    """A probability as a percentage that never rounds to certainty: `97 %`, `> 99 %`, `< 1 %`."""
    if score >= 0.995:
        return "> 99\u00a0%"
    return "< 1\u00a0%" if score < 0.005 else f"{100 * score:.0f}\u00a0%"


def false_rate_words(rate: float | None) -> str | None:
    """How rare false matches as sure as this are at the least; None where not measured.

    The rate is an upper bound, which the hours of footage it was measured on limit.
    """
    if rate is None:
        return None
    if rate <= 0:
        return "no false match as sure as this one was seen when it was measured"
    if rate < 1:
        return f"at most one false match in about {_two_figures(1 / rate)} h of unrelated footage"
    return f"at most {rate:.1f} false matches in an hour of unrelated footage"


def _two_figures(value: float) -> str:
    if value >= 100:
        step = 10 ** (len(str(int(value))) - 2)
        return f"{round(value / step) * step:,}"
    return f"{value:.2g}"


def speed_words(match: Match) -> str:
    """The speed of the copy: `2.00 ×`; backwards is told by the edit."""
    return f"{match.speed_ratio:.2f} ×"


def agreement_words(match: Match) -> str:
    """What agrees: `picture, sound`."""
    return ", ".join(match.modalities)


def edit_words(edit: MatchEdit) -> list[str]:
    """What was done to the footage, each in a few words; empty where nothing was seen."""
    words = ["mirrored"] if edit.is_flipped else []
    if edit.is_reversed:
        words.append("reversed")
    if edit.ref_box is not None:
        words.append(f"cropped to {_size(edit.ref_box)}")
    if edit.query_box is not None:
        words.append(_place(edit.query_box))
    pitch = edit.pitch_semitones
    if pitch is not None and abs(pitch) >= MIN_SEMITONES:
        words.append(f"pitch {pitch:+.1f}".removesuffix(".0"))
    return words


def _size(box: Box) -> str:
    """Width × height as shares, or one of them where both are the same."""
    width, height = round(100 * (box.right - box.left)), round(100 * (box.bottom - box.top))
    if abs(width - height) <= 2:
        return f"{round((width + height) / 2)}\u00a0%"
    return f"{width} × {height}\u00a0%"


def _place(box: Box) -> str:
    """Where in the query's picture the footage is shown."""
    is_wide, is_high = box.right - box.left >= NEARLY_ALL, box.bottom - box.top >= NEARLY_ALL
    across, down = (box.left + box.right) / 2 - 0.5, (box.top + box.bottom) / 2 - 0.5
    sideways = "" if abs(across) <= MIDDLE else "left" if across < 0 else "right"
    upright = "" if abs(down) <= MIDDLE else "upper" if down < 0 else "lower"
    if is_wide and is_high:
        return "narrow bars around"
    if is_wide:
        return f"in the {upright} part" if upright else "bars above and below"
    if is_high:
        return f"in the {sideways} part" if sideways else "bars left and right"
    if upright and sideways:
        where = f"in the {upright} {sideways} corner"
    elif upright or sideways:
        where = f"at the {upright or sideways} edge"
    else:
        where = "in the middle"
    width, height = round(100 * (box.right - box.left)), round(100 * (box.bottom - box.top))
    return f"{where}, {width} × {height}\u00a0% of the picture"


def result_notes(result: MatchResult) -> list[str]:
    """What a person should know about an answer, and which parts could not be looked at."""
    parts = [
        f"{clock(part.start_seconds)} – {clock(part.end_seconds)}" for part in result.unreadable
    ]
    if not parts:
        return list(result.notes)
    more = f" and {len(parts) - MAX_PARTS} more" if len(parts) > MAX_PARTS else ""
    return [*result.notes, f"not readable: {', '.join(parts[:MAX_PARTS])}{more}"]
