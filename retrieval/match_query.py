"""Reading a query: two frames a second, described as they are and in frames found within them.

Decoding runs beside the network, and beside looking for inner frames.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.match_layout import light_grids
from retrieval.match_views import QueryView
from retrieval.media.frames import Frame
from retrieval.media.inner_frames import find_inner_frames, overlap
from retrieval.media.letterbox import crop, find_bars
from retrieval.types import Box, FloatArray

__all__ = ["Describe", "QueryPictures", "crop_to", "shows_nothing", "steady_bars"]

Picture = NDArray[np.uint8]
_Item = tuple[int, float, Picture]
"""Place, time and picture of a frame."""
Describe = Callable[[Sequence[Picture]], FloatArray]
"""Pictures to (N, C) float32 descriptors of unit norm."""

BLOCK = 8
"""Frames described at once, and half of those in which inner frames are looked for."""
MAX_WAITING_BLOCKS = 6
SAME_BOX = 0.85
HELD_SECONDS = 5.0
"""How long a box is followed after its edges were last seen."""
HELD_FRAMES = 8
"""Frames before its edges were first seen that are described too."""
SAME_MEAN, SAME_MAX = 0.8, 4.0
"""Grey levels by which the 16 x 9 cells of two frames may differ to count as the same picture."""
SMOOTH_STEP = 3.0
MAX_SMOOTH = 0.95
"""A picture with a larger share of pixels without any structure shows next to nothing."""
MIN_TRACK_FRAMES = 3


@dataclass
class _Track:
    """Frames of one view while they are gathered."""

    box: Box | None
    seen_seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    vectors: list[FloatArray] = field(default_factory=list)
    grids: list[FloatArray] = field(default_factory=list)
    side_grids: list[FloatArray] = field(default_factory=list)
    is_plain: list[bool] = field(default_factory=list)
    last_cells: FloatArray | None = None

    def add(
        self, times: Sequence[float], places: Sequence[int], images: list[Picture], run: Describe
    ) -> None:
        """Describe some frames; one that looks like the last is not described again."""
        is_new = [self._looks_new(image) for image in images]
        fresh = [image for image, new in zip(images, is_new, strict=True) if new]
        rows = iter(run(fresh)) if fresh else iter(())
        for image, new in zip(images, is_new, strict=True):
            self.vectors.append(next(rows) if new else self.vectors[-1])
            self.is_plain.append(shows_nothing(image))
        self.grids.extend(light_grids(images))
        self.side_grids.extend(light_grids([np.rot90(image) for image in images]))
        self.times.extend(times)
        self.places.extend(places)

    def view(self) -> QueryView:
        """All that was gathered."""
        return QueryView(
            np.asarray(self.times, dtype=np.float64),
            np.asarray(self.vectors, dtype=np.float32),
            np.asarray(self.grids, dtype=np.float32),
            np.asarray(self.side_grids, dtype=np.float32),
            np.asarray(self.is_plain, dtype=bool),
            self.box,
        )

    def _looks_new(self, image: Picture) -> bool:
        small = Image.fromarray(image).resize((16, 9), Image.Resampling.BOX)
        cells = np.asarray(small, dtype=np.float32)
        if self.last_cells is not None:
            difference = np.abs(cells - self.last_cells)
            if difference.mean() <= SAME_MEAN and difference.max() <= SAME_MAX:
                return False
        self.last_cells = cells
        return True


class QueryPictures:
    """Takes a query's frames one by one; gives its views.

    Args:
        run: Makes descriptors, on a thread of its own while frames are added.
    """

    def __init__(self, run: Describe) -> None:
        self._run = run
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sceneprint-match")
        self._waiting: deque[Future[None]] = deque()
        self._block: list[Frame] = []
        self._recent: list[_Item] = []
        self._full = _Track(None)
        self._inner: list[_Track] = []
        self.bars: list[Box | None] = []
        """Of each frame so far, the picture without its bars; None where it has none."""

    def close(self) -> None:
        """Stop the thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def add(self, frame: Frame) -> None:
        """Take one frame; waits while too many are in work."""
        self._block.append(frame)
        if len(self._block) == BLOCK:
            self._submit()

    def finish(self) -> list[QueryView]:
        """Wait for everything: the plain view, then those of inner frames."""
        if self._block:
            self._submit()
        while self._waiting:
            self._waiting.popleft().result()
        inner = [track.view() for track in self._inner if len(track.times) >= MIN_TRACK_FRAMES]
        return [self._full.view(), *inner]

    def _submit(self) -> None:
        while len(self._waiting) >= MAX_WAITING_BLOCKS:
            self._waiting.popleft().result()
        self._waiting.append(self._executor.submit(self._work, self._block))
        self._block = []

    def _work(self, block: list[Frame]) -> None:
        """Describe one block; runs on the other thread, one block at a time."""
        first = len(self._full.times)
        images = [frame.image for frame in block]
        places = list(range(first, first + len(block)))
        bars = steady_bars(images)
        cropped = [
            image if box is None else np.ascontiguousarray(crop_to(image, box))
            for image, box in zip(images, bars, strict=True)
        ]
        self.bars += bars
        times = [frame.seconds for frame in block]
        self._full.add(times, places, cropped, self._run)
        self._look_inside([*zip(places, times, images, strict=True)], bars)

    def _look_inside(self, items: list[_Item], bars: list[Box | None]) -> None:
        """Find inner frames in this block, and in its first half with the last half before."""
        half = BLOCK // 2
        tail = self._recent[-half:]
        self._recent = (self._recent + items)[-HELD_FRAMES - BLOCK :]
        for window in (tail + items[:half], items):
            if len({image.shape for _, _, image in window}) != 1:
                continue
            for box in find_inner_frames([image for _, _, image in window]):
                if not any(bar is not None and overlap(bar, box) > SAME_BOX for bar in bars):
                    self._found(box, window[-1][1])
        for track in self._inner:
            if items[-1][1] - track.seen_seconds <= HELD_SECONDS:
                self._follow(track)

    def _found(self, box: Box, seconds: float) -> None:
        """Go on with the track of this box, or begin one."""
        for track in self._inner:
            if (
                track.box is not None
                and overlap(track.box, box) >= SAME_BOX
                and seconds - track.seen_seconds <= 2 * HELD_SECONDS
            ):
                track.seen_seconds = seconds
                return
        self._inner.append(_Track(box, seen_seconds=seconds))

    def _follow(self, track: _Track) -> None:
        """Describe what a box shows in the frames since it was last described.

        Also where its edges did not show for a while, and some seconds before they first did: the
        other film may be dark there.
        """
        after = track.places[-1] if track.places else -1
        new = [item for item in self._recent if item[0] > after]
        if new and track.box is not None:
            images = [np.ascontiguousarray(crop_to(image, track.box)) for _, _, image in new]
            track.add([at for _, at, _ in new], [place for place, _, _ in new], images, self._run)


def crop_to(image: Picture, box: Box) -> Picture:
    """The part of the picture in a box, at least a pixel."""
    height, width = image.shape[:2]
    left, top = min(width - 1, round(box.left * width)), min(height - 1, round(box.top * height))
    right, bottom = (
        max(left + 1, round(box.right * width)),
        max(top + 1, round(box.bottom * height)),
    )
    return image[top:bottom, left:right]


def steady_bars(images: Sequence[Picture]) -> list[Box | None]:
    """The part without bars of each picture, where a neighbour has the same bars."""
    found = [find_bars(image) for image in images]
    boxes: list[Box | None] = []
    for place, (image, bars) in enumerate(zip(images, found, strict=True)):
        height, width = image.shape[:2]
        box = Box(bars.left / width, bars.top / height, bars.right / width, bars.bottom / height)
        is_whole = crop(image, bars).shape == image.shape
        near = [found[at] for at in (place - 1, place + 1) if 0 <= at < len(found)]
        steady = any(
            max(
                abs(one.top - bars.top),
                abs(one.bottom - bars.bottom),
                abs(one.left - bars.left),
                abs(one.right - bars.right),
            )
            <= 2
            for one in near
        )
        boxes.append(box if not is_whole and (steady or not near) else None)
    return boxes


def shows_nothing(image: Picture) -> bool:
    """Whether nearly all of a picture is without structure: black, a test card, a line of text."""
    small = Image.fromarray(image).convert("L").resize((160, 90), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float32)
    down, across = np.abs(np.diff(grey, axis=0))[:, 1:], np.abs(np.diff(grey, axis=1))[1:]
    return float((np.maximum(down, across) < SMOOTH_STEP).mean()) > MAX_SMOOTH
