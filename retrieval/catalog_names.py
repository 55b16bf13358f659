"""Which video a person means, and what is near when there is none."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import Video

__all__ = ["not_found", "resolve"]

_MIN_PREFIX = 4


def resolve(text: str, videos: Sequence[Video], *, library: Path) -> Video:
    """Return the video named by an id, a path, a start of an id, or a file name.

    Raises:
        NotFoundError: Nothing fits; the message lists what is near.
        InvalidInputError: Several videos fit; the message lists them.
    """
    rules = (
        lambda video: video.video_id == text,
        lambda video: str(video.path) == os.path.abspath(text),
        lambda video: len(text) >= _MIN_PREFIX and video.video_id.startswith(text),
        lambda video: text in (video.path.name, video.name),
        lambda video: video.path.stem == text,
    )
    for rule in rules if text and "\0" not in text else ():
        found = [video for video in videos if rule(video)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{video.video_id} ({video.path})" for video in found[:5])
            raise InvalidInputError(
                f"got {text!r}, which fits {len(found)} videos: {names}; give the whole id"
            )
    raise not_found(text, videos, library=library)


def not_found(text: str, videos: Sequence[Video], *, library: Path) -> NotFoundError:
    """Return the error for a name that fits no video, with the nearest ones."""
    names: dict[str, str] = {}
    for video in videos:
        for name in (video.name, video.path.stem, video.video_id):
            names.setdefault(name.casefold(), f"{video.name} ({video.video_id})")
    near = get_close_matches(text.casefold()[:200], names, n=6, cutoff=0.5)
    shown = list(dict.fromkeys(names[name] for name in near))[:3]
    advice = f"near it: {', '.join(shown)}" if shown else "`sceneprint list` shows what there is"
    return NotFoundError(f"got {text!r}, which names no video in {library}; {advice}")
