"""A query as it is compared: read once, then matched with a library and with every bank.

Decoding and describing take nearly all of the time that a short query needs; what comes out is
small (about 6 kB for each second) and knows nothing of the library.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import OperationCancelled
from retrieval.listening import HeardSound, listening
from retrieval.match_query import QueryPictures
from retrieval.match_reading import Suspect, open_suspect
from retrieval.match_stills import Still
from retrieval.match_views import QueryView
from retrieval.sound_print import SoundPrint
from retrieval.types import Box, EncoderId, Progress, ProgressCallback

if TYPE_CHECKING:
    from retrieval.encoders.copy_base import CopyEncoder
    from retrieval.media.limits import MediaLimits

__all__ = ["MatchReporter", "QueryDescription", "describe_query"]


@dataclass
class MatchReporter:
    """Passes the progress of one step on, and stops when asked to."""

    item: str
    progress: ProgressCallback | None
    should_stop: Callable[[], bool] | None
    started: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: float, total: float, *, unit: str) -> None:
        """Report how far a step is.

        Raises:
            OperationCancelled: `should_stop` said so.
        """
        if self.should_stop is not None and self.should_stop():
            raise OperationCancelled(f"stopped while matching {self.item}")
        if self.progress is not None:
            elapsed = time.monotonic() - self.started
            speed = done / elapsed if unit == "s" and elapsed > 0 else None
            left = elapsed * (total - done) / done if done > 0 else None
            self.progress(
                Progress(
                    stage, self.item, done, total, unit, elapsed, speed=speed, eta_seconds=left
                )
            )


@dataclass(frozen=True, eq=False)
class QueryDescription:
    """What was seen and heard in a query.

    Attributes:
        suspect: The file, with what could not be read of it.
        encoder: Of the descriptors.
        views: The plain view, then those of inner frames; empty without pictures and for a still.
        bars: Of each frame of the plain view, the part without bars; None where it has none.
        still: The picture, where the query is a still image.
        sound: The print of its sound; None where it is silent, has none, or was not listened to.
        was_heard: Whether there is sound that was listened to.
        warnings: What was left out of the sound.
    """

    suspect: Suspect
    encoder: EncoderId
    views: tuple[QueryView, ...] = ()
    bars: tuple[Box | None, ...] = ()
    still: Still | None = None
    sound: SoundPrint | None = None
    was_heard: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def plain(self) -> QueryView | None:
        """Its frames as they are; None where it has no picture."""
        if self.still is not None:
            return self.still.view
        return self.views[0] if self.views else None

    def bars_at(self, seconds: float) -> Box | None:
        """The picture without its bars at a time; None where it has none."""
        if not self.bars:
            return None
        place = int(np.searchsorted(self.views[0].times, seconds))
        return self.bars[min(place, len(self.bars) - 1)]


def describe_query(
    query: Path,
    *,
    encoder: "CopyEncoder",
    limits: "MediaLimits",
    listens: bool = True,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> QueryDescription:
    """Read a query: two frames a second, and its sound beside them.

    Args:
        query: A film, a sound file or a still image.
        encoder: Makes the descriptors.
        limits: Bounds on the file.
        listens: Whether its sound is wanted.
        progress: Told in seconds of the query.
        should_stop: Asked often.

    Raises:
        NotFoundError: There is no such file.
        MediaError: It cannot be read at all.
        OperationCancelled: `should_stop` said so.
    """
    suspect = open_suspect(query, limits=limits)
    if suspect.info is None:
        (frame,) = suspect.frames(should_stop)
        still = Still.of(frame.image, encoder.encode_pictures)
        return QueryDescription(suspect, encoder.id, still=still)
    was_heard = listens and suspect.info.has_sound
    ears = listening(query, suspect.info, limits=limits, should_stop=should_stop)
    with ears if was_heard else nullcontext(HeardSound) as heard:
        views, bars = _look(suspect, encoder, MatchReporter(query.name, progress, should_stop))
        sound = heard()
    made = sound.sound_print
    return QueryDescription(
        suspect,
        encoder.id,
        views=views,
        bars=bars,
        sound=None if made is None else SoundPrint.from_bytes(made),
        was_heard=was_heard,
        warnings=sound.warnings,
    )


def _look(
    suspect: Suspect, encoder: "CopyEncoder", report: MatchReporter
) -> tuple[tuple[QueryView, ...], tuple[Box | None, ...]]:
    """The views of a film's pictures, and the bars of the first."""
    if not suspect.has_picture:
        return (), ()
    pictures = QueryPictures(encoder.encode_pictures)
    try:
        for number, frame in enumerate(suspect.frames(report.should_stop)):
            if number % 8 == 0:
                total = max(suspect.duration_seconds, frame.seconds)
                report("decode", frame.seconds, total, unit="s")
            pictures.add(frame)
        return tuple(pictures.finish()), tuple(pictures.bars)
    finally:
        pictures.close()
