"""From a walk through shots to label to the fragments of HTML that the Label tab shows."""

from typing import Any

from app.templating import clip_url, render, thumbnail_url
from app.ui.label_session import LabelSession
from retrieval.label_desk import QueuedShot
from retrieval.types import timecode

__all__ = ["card", "status"]

MAX_BARS = 5


def card(walk: LabelSession) -> str:
    """The current shot with its guess and the classes to choose from; or that all is done."""
    item = walk.current
    if item is None:
        return render(
            "label_done.html",
            can_undo=walk.can_undo,
            title="Every shot was looked at",
            text="Each shot here has a label of this group or was skipped. Learn again, choose "
            "another group or film, or reload the page to see skipped shots.",
            icon="done",
        )
    group = walk.queue.group
    return render(
        "label_card.html",
        **_shown(item),
        next_clip=_clip(walk.upcoming[0]) if walk.upcoming else None,
        guess_by=f"Guess of {walk.adapter}" if walk.adapter else "Guess by the words alone",
        is_sure=item.is_sure,
        scores=item.scores[:MAX_BARS],
        ask=_ask(walk),
        classes=[{"name": name, "is_held": name in walk.held} for name in group.classes],
        is_exclusive=group.is_exclusive,
        is_answered=bool(walk.held),
        can_undo=walk.can_undo,
        upcoming=[_shown(one) | {"guess": one.scores[0].label} for one in walk.upcoming],
    )


def status(walk: LabelSession | None) -> str:
    """How far the labels are and what was learned from them."""
    if walk is None:
        return ""
    queue = walk.queue
    return render(
        "label_status.html",
        counts=list(queue.num_labelled.items()),
        left=_left(walk),
        learned=_learned(walk),
    )


def _shown(item: QueuedShot) -> dict[str, Any]:
    segment, rate = item.shot.segment, item.video.frame_rate
    return {
        "shot_id": item.shot.shot_id,
        "name": item.video.name,
        "start": timecode(segment.start_seconds, rate),
        "end": timecode(segment.end_seconds, rate),
        "length": f"{segment.duration_seconds:.1f} s",
        "thumbnail": thumbnail_url(item.shot.shot_id),
        "clip": _clip(item),
    }


def _clip(item: QueuedShot) -> str:
    segment = item.shot.segment
    return clip_url(item.video.video_id, segment.start_seconds, segment.end_seconds)


def _ask(walk: LabelSession) -> str:
    how = "What is in it? Click all that hold, then Next."
    if walk.queue.group.is_exclusive:
        how = "What is this? One click labels it and shows the next."
    if walk.queue.missing:
        names = ", ".join(walk.queue.missing[:3]) + (" …" if len(walk.queue.missing) > 3 else "")
        return f"No example yet of {names}: likely shots come first. " + how
    return how


def _left(walk: LabelSession) -> str:
    queue = walk.queue
    left = "1 shot left" if queue.num_open == 1 else f"{queue.num_open} shots left"
    if queue.num_sure is None:
        return left
    return f"{left}: sure of {queue.num_sure}, unsure of {queue.num_open - queue.num_sure}"


def _learned(walk: LabelSession) -> str:
    if walk.is_learning:
        return "Learning …"
    if walk.lesson is None:
        return f"Guesses by {walk.adapter}" if walk.adapter else "Nothing learned yet"
    right = walk.lesson.figures.get("cross_fitted_accuracy")
    if right is None:
        return f"Learned {walk.adapter}"
    return f"Learned {walk.adapter}: {100 * right:.0f}\N{NO-BREAK SPACE}% right, cross-fitted"
