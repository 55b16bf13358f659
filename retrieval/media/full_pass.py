"""The precise way through a film: every picture is decoded once and shown to a detector."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from retrieval.media.builder import ShotBuilder
from retrieval.media.detector import ShotDetector, View
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from retrieval.media.reader import PictureReader, ShouldStop, open_pictures

__all__ = ["damage_warnings", "find_cuts", "read_fully"]

SAMPLE_SECONDS = 1.0
"""Distance of the samples that are handed on."""


def read_fully(
    path: Path,
    builder: ShotBuilder,
    detector: ShotDetector,
    *,
    limits: MediaLimits,
    tell: Callable[[float], None],
    should_stop: ShouldStop | None,
) -> tuple[float, list[str]]:
    """Feed a whole film into a builder.

    Returns:
        Where the film ends in seconds (0 without any picture), and warnings.
    """
    end = 0.0
    with open_pictures(path, limits=limits, should_stop=should_stop) as reader:
        for view in find_cuts(reader.pictures(), detector, builder):
            if view.seconds >= builder.last_sample_seconds + SAMPLE_SECONDS - 1e-6:
                builder.sample(view)
            tell(view.seconds)
            end = view.seconds + 1.0 / float(reader.rate)
        return (max(end, reader.end_seconds) if end else 0.0), damage_warnings(reader)


def find_cuts(
    pictures: Iterable[Picture],
    detector: ShotDetector,
    builder: ShotBuilder,
    *,
    until: float = math.inf,
) -> Iterator[View]:
    """Show pictures to a detector, cut where it says so up to `until`, pass them on as views."""
    for number, picture in enumerate(pictures):
        view = View(number, picture)
        cuts = [seconds for seconds in detector.push(view) if seconds <= until]
        for seconds in cuts:
            builder.cut(seconds)
        if cuts:
            builder.keep_spare(view)
        yield view
    for seconds in detector.finish():
        if seconds <= until:
            builder.cut(seconds)


def damage_warnings(reader: PictureReader) -> list[str]:
    """What to say about packets that could not be decoded."""
    if not reader.num_damaged:
        return []
    return [f"{reader.num_damaged} damaged parts of the film were passed over"]
