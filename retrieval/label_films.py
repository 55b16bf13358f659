"""Which film of the library a label file means, and the seconds of its frames.

Label files name films by path, file name or stem, and pictures of films by names such as
`bikes/frame_000120.png`, `bikes_000120.jpg` or `bikes@4.8.png`.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from retrieval.errors import MediaError, NotFoundError
from retrieval.label_files.base import Moment
from retrieval.types import Video

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = ["FilmFinder", "FrameClock", "picture_names"]

_SECONDS_NAME = re.compile(r"(.+)@(\d{1,6}(?:\.\d{1,6})?)s?")
_FRAME_NAME = re.compile(
    r"(?:(.*?)[ _.-]*(?:(?<![A-Za-z])(?:frame|frm|f|img|image))?[ _.-]*)(\d{1,9})", re.I
)
_MAX_SHOWN = 5


class FilmFinder:
    """Finds videos by what label files call them.

    Args:
        videos: All of the library.
        base: Folder of the label file, to which its paths are relative.
    """

    def __init__(self, videos: Sequence[Video], *, base: Path) -> None:
        self._base = base
        self._tables: list[dict[str, list[Video]]] = [defaultdict(list) for _ in range(4)]
        for video in videos:
            for table, key in zip(self._tables, _keys(video), strict=True):
                table[key].append(video)
        self._known: dict[str, Video | None] = {}

    def film(self, name: str) -> Video | None:
        """The video of a path, file name, id or stem; None where there is none.

        Raises:
            NotFoundError: Several fit; the message lists them.
        """
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def picture(self, name: str) -> tuple[Video, Moment] | None:
        """Film and time of a picture that is named after its film; None where there is no film."""
        for film, moment in picture_names(name):
            found = self.film(film)
            if found is not None:
                return found, moment
        return None

    def _find(self, name: str) -> Video | None:
        given = name.replace("\\", "/")
        paths, names, ids, stems = self._tables
        last = PurePosixPath(given).name
        ends = [
            video for video in names.get(last, [])
            if "/" in given and str(video.path).endswith(f"/{given.lstrip('./')}")
        ]  # fmt: skip
        for found in (
            paths.get(str(_absolute(self._base, name)), []),
            ends,
            names.get(last, []),
            ids.get(name, []),
            stems.get(last, []),
            stems.get(PurePosixPath(given).stem, []),
        ):
            if len(found) == 1:
                return found[0]
            if found:
                shown = ", ".join(f"{one.path} ({one.video_id})" for one in found[:_MAX_SHOWN])
                raise NotFoundError(f"film {name!r} fits {len(found)} videos: {shown}")
        return None


def picture_names(name: str) -> Iterator[tuple[str, Moment]]:
    """What film and time a picture's name may mean, likeliest first.

    `DIR/FILM@SECONDS.png`, `DIR/FILM_FRAME.png`, then `FILM/FRAME.png` with the folder's name.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    stem = re.sub(r"\.(?:jpe?g|png|bmp|webp|tiff?|gif|txt|xml)$", "", path.name, flags=re.I)
    if found := _SECONDS_NAME.fullmatch(stem):
        yield found[1], Moment(seconds=float(found[2]))
    if found := _FRAME_NAME.fullmatch(stem):
        moment = Moment(frame=int(found[2]))
        if found[1]:
            yield found[1], moment
        folder = path.parent.name
        if folder and _FRAME_NAME.fullmatch(stem):
            yield folder, moment


class FrameClock:
    """Seconds of frames of one video: by the film's own times where its rate varies."""

    def __init__(self, video: Video, *, limits: "MediaLimits | None" = None) -> None:
        self._video = video
        rate = video.frame_rate
        self._rate = 1000.0 if rate is None else float(rate)
        self._limits = limits
        self._times: list[float] | None = None
        self._is_read = False

    def seconds(self, moment: Moment) -> float:
        """When a moment is; frames after the last one lie after the end."""
        if moment.seconds is not None:
            return moment.seconds
        if moment.frame is not None:
            return self._of_frame(moment.frame)
        whole, frames = moment.timecode or (0, 0)
        return (whole * max(1, round(self._rate)) + frames) / self._rate

    def after(self, moment: Moment) -> float:
        """When the frame at a moment is gone."""
        if moment.frame is not None:
            return self._of_frame(moment.frame + 1)
        return self.seconds(moment) + 1 / self._rate

    def frame(self, seconds: float) -> int:
        """Number of the frame that starts nearest to a time."""
        times = self._stored()
        if times is None:
            return round(seconds * self._rate)
        place = bisect_right(times, seconds)
        near = [number for number in (place - 1, place) if 0 <= number < len(times)]
        if seconds >= self._video.duration_seconds - 0.5 / self._rate:
            return len(times)
        return min(near, key=lambda number: abs(times[number] - seconds), default=0)

    def _of_frame(self, number: int) -> float:
        times = self._stored()
        if times is None:
            return number / self._rate
        if number < len(times):
            return times[number]
        return max(self._video.duration_seconds, times[-1]) + (number - len(times)) / self._rate

    def _stored(self) -> list[float] | None:
        """The film's own times; None where it is gone, or counting is as good."""
        if not self._is_read:
            self._is_read = True
            from retrieval.media.frame_times import frame_times

            try:
                times = frame_times(self._video.path, limits=self._limits)
            except (MediaError, NotFoundError):
                times = None
            self._times = None if times is None else times.tolist()
        return self._times


def _keys(video: Video) -> tuple[str, str, str, str]:
    return str(video.path), video.path.name, video.video_id, video.path.stem


def _absolute(base: Path, name: str) -> Path:
    """A path as the library stores it; a name that can be none is left as it is."""
    import os

    return Path(os.path.abspath(base / name)) if "\0" not in name else Path(name)
