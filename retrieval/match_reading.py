"""Reading a suspect whatever state it is in: what can be decoded is used, the rest is named."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from retrieval.errors import CorruptMediaError, MediaError, NotMediaError
from retrieval.media.container import check_file
from retrieval.media.frames import Frame
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from retrieval.media.probe import probe
from retrieval.media.reader import open_pictures
from retrieval.types import Segment

__all__ = ["Suspect", "open_suspect"]

QUERY_STEP_SECONDS = 0.5
MAX_SIDE = 320
"""Pixels of the long side; networks for copies see less than that."""
MIN_UNREADABLE_SECONDS = 0.5
MISSING_SECONDS = 1.0
"""Time after a picture was to go off in which no other comes: something is missing there."""
STILL_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


@dataclass
class Suspect:
    """A query's frames and what was noticed while they were read.

    Attributes:
        path: The file.
        info: What the container says; None for a still image.
        limits: Bounds on the file.
    """

    path: Path
    info: MediaInfo | None
    limits: MediaLimits
    unreadable: list[Segment] = field(default_factory=list)
    last_seconds: float = 0.0

    @property
    def is_still(self) -> bool:
        """Whether it is a still image."""
        return self.info is None

    @property
    def has_picture(self) -> bool:
        """Whether there are pictures to look at."""
        return self.info is None or self.info.has_picture

    @property
    def duration_seconds(self) -> float:
        """Length of the query; 0 for a still image."""
        return 0.0 if self.info is None else max(self.info.duration_seconds, self.last_seconds)

    def frames(self, should_stop: Callable[[], bool] | None) -> Iterator[Frame]:
        """Two frames a second; damaged ones are left out and their time is noted.

        Raises:
            MediaError: nothing can be decoded, or a limit is passed.
            OperationCancelled: `should_stop` said so.
        """
        if self.info is None:
            yield Frame(0.0, _still(self.path, self.limits))
            return
        num_frames, due, last_good, is_bad = 0, 0.0, 0.0, False
        shown_until = 0.0
        try:
            with open_pictures(self.path, limits=self.limits, should_stop=should_stop) as reader:
                damaged = reader.num_damaged
                for picture in reader.pictures():
                    is_bad = is_bad or reader.num_damaged > damaged
                    damaged = reader.num_damaged
                    if picture.frame.is_corrupt:
                        is_bad = True
                        continue
                    if is_bad or picture.seconds > shown_until + MISSING_SECONDS:
                        self._note_gap(last_good, picture.seconds)
                    is_bad, last_good = False, picture.seconds
                    shown_until = picture.seconds + _shown_seconds(picture)
                    if picture.seconds >= due - 1e-6:
                        num_frames += 1
                        yield Frame(picture.seconds, picture.image(max_side=MAX_SIDE))
                        due = (int((picture.seconds + 1e-6) / QUERY_STEP_SECONDS) + 1) * (
                            QUERY_STEP_SECONDS
                        )
                is_bad = is_bad or reader.num_damaged > damaged
        except (CorruptMediaError, NotMediaError):
            if num_frames == 0:
                raise
            is_bad = True
        self.last_seconds = max(self.last_seconds, last_good)
        end = self.info.duration_seconds
        if is_bad or (num_frames and end - last_good > 2.0 and end - last_good > 0.02 * end):
            self._note_gap(last_good, end)
        if num_frames == 0:
            raise MediaError(f"no picture of {self.path.name} can be decoded")

    def _note_gap(self, start: float, end: float) -> None:
        if end - start < MIN_UNREADABLE_SECONDS:
            return
        if self.unreadable and start - self.unreadable[-1].end_seconds < MIN_UNREADABLE_SECONDS:
            start = self.unreadable.pop().start_seconds
        self.unreadable.append(Segment(start, end))


def _shown_seconds(picture: Picture) -> float:
    """How long a picture is shown by its own account; very long where it does not say."""
    frame = picture.frame
    if not frame.duration or frame.time_base is None:
        return math.inf
    return float(frame.duration * frame.time_base)


def open_suspect(path: Path, *, limits: MediaLimits) -> Suspect:
    """Look at what a file is.

    Raises:
        NotFoundError: There is no such file.
        NotMediaError: It is neither a film, nor sound, nor a still image.
        MediaError: It cannot be read.
    """
    if _is_still(path, limits):
        return Suspect(path, None, limits)
    return Suspect(path, probe(path, limits=limits), limits)


def _is_still(path: Path, limits: MediaLimits) -> bool:
    check_file(path, limits=limits)
    try:
        with Image.open(path, formats=STILL_FORMATS) as image:
            return int(getattr(image, "n_frames", 1)) == 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _still(path: Path, limits: MediaLimits) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    try:
        with Image.open(path, formats=STILL_FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                raise MediaError(
                    f"{path.name} has {image.width}x{image.height} pixels, at most"
                    f" {limits.max_pixels:,} are allowed; raise max_pixels to accept it"
                )
            picture = image.convert("RGB")
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise CorruptMediaError(f"{path.name} is an image that cannot be decoded: {exc}") from exc
