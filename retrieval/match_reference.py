"""One reference of a match: its stored descriptors, and dense small frames of its file."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.match_layout import HALF, LightSums, Window
from retrieval.match_query import Describe
from retrieval.media.frames import sampled_frames
from retrieval.media.letterbox import common_box, crop
from retrieval.media.limits import MediaLimits
from retrieval.types import FloatArray

__all__ = ["REF_STEP_SECONDS", "ReferenceFrames"]

Times = NDArray[np.float64]
Picture = NDArray[np.uint8]
REF_STEP_SECONDS = 0.25
BLOCK_SECONDS = 10.0
MAX_BLOCKS = 32
NUM_BAR_SAMPLES = 4
LightSumsPart = tuple[LightSums, NDArray[np.int64]]
MAX_SIDE, GREY_SIDE = 256, 160
"""Pixels of the long side of frames to describe, and of those for layouts."""


class _Block:
    """Ten seconds of frames, described when it is asked for."""

    def __init__(self, times: Times, images: list[Picture]) -> None:
        self.times = times
        self.images = images
        self.vectors: dict[int, FloatArray] = {}
        self._sums: LightSums | None = None
        self._layouts: dict[Window, FloatArray] = {}

    @property
    def sums(self) -> LightSums:
        """Their light, summed up; there is at least one frame."""
        if self._sums is None:
            self._sums = LightSums(np.stack([_grey(image) for image in self.images]))
        return self._sums

    def layouts(self, window: Window) -> FloatArray:
        """(N, L) through a window, remembered."""
        if window not in self._layouts:
            self._layouts[window] = self.sums.describe(window)
        return self._layouts[window]


class ReferenceFrames:
    """Dense small frames of one reference file, decoded in blocks and kept while they are near.

    Args:
        path: The file.
        run: Makes descriptors.
        limits: Bounds on the file.
        step_seconds: Between frames.
    """

    def __init__(
        self,
        path: Path,
        run: Describe,
        *,
        limits: MediaLimits | None = None,
        step_seconds: float = REF_STEP_SECONDS,
    ) -> None:
        self._path = path
        self._run = run
        self._limits = limits
        self._step_seconds = step_seconds
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def layouts(self, start: float, end: float, window: Window) -> tuple[Times, FloatArray]:
        """Times (R,) and layouts (R, L) of the frames in `[start, end)`, seen through a window.

        Raises:
            MediaError: The file cannot be read.
        """
        times, rows = [np.empty(0)], [np.empty((0, 2 * HALF), dtype=np.float32)]
        for block in self._blocks_of(start, end):
            inside = (block.times >= start) & (block.times < end)
            times.append(block.times[inside])
            rows.append(block.layouts(window)[inside])
        return np.concatenate(times), np.concatenate(rows)

    def pictures(self, start: float, end: float) -> tuple[Times, list[Picture]]:
        """Times (R,) and pictures without bars of the frames in `[start, end)`.

        Raises:
            MediaError: The file cannot be read.
        """
        times: list[Times] = [np.empty(0)]
        images: list[Picture] = []
        for block in self._blocks_of(start, end):
            inside = np.flatnonzero((block.times >= start) & (block.times < end))
            times.append(block.times[inside])
            images += [block.images[place] for place in inside]
        return np.concatenate(times), images

    def glimpses(self, near: Times, *, within: float) -> tuple[Times, list[LightSumsPart]]:
        """Every second frame within some seconds of some moments, to try windows on.

        Returns:
            Times (R,) and, block by block, the sums and places of these frames.

        Raises:
            MediaError: The file cannot be read.
        """
        times: list[Times] = [np.empty(0)]
        parts: list[LightSumsPart] = []
        for block in self._blocks_of(float(near.min()) - within, float(near.max()) + within):
            off = np.abs(block.times[:, None] - near[None, :]).min(axis=1)
            places = np.flatnonzero(off <= within)[::2]
            if len(places):
                times.append(block.times[places])
                parts.append((block.sums, places))
        return np.concatenate(times), parts

    def vectors(self, start: float, end: float, *, every: int = 2) -> tuple[Times, FloatArray]:
        """Times (R,) and descriptors (R, C) of every second frame in `[start, end)`.

        Raises:
            MediaError: The file cannot be read.
        """
        times: list[float] = []
        rows: list[FloatArray] = []
        for block in self._blocks_of(start, end):
            inside = np.flatnonzero((block.times >= start) & (block.times < end))
            places = [int(place) for place in inside if place % every == 0]
            missing = [place for place in places if place not in block.vectors]
            if missing:
                made = self._run([block.images[place] for place in missing])
                block.vectors.update(zip(missing, made, strict=True))
            times += [float(block.times[place]) for place in places]
            rows += [block.vectors[place] for place in places]
        return np.asarray(times, dtype=np.float64), np.asarray(rows, dtype=np.float32)

    def _blocks_of(self, start: float, end: float) -> Sequence[_Block]:
        first, last = max(0, int(start // BLOCK_SECONDS)), int(max(0.0, end) // BLOCK_SECONDS)
        blocks = [self._block(number) for number in range(first, last + 1)]
        return [block for block in blocks if block.images]

    def _block(self, number: int) -> _Block:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK_SECONDS
        frames = list(
            sampled_frames(
                self._path,
                every_seconds=self._step_seconds,
                start=start,
                end=start + BLOCK_SECONDS,
                max_side=MAX_SIDE,
                limits=self._limits,
            )
        )
        times = np.array([frame.seconds for frame in frames], dtype=np.float64)
        self._blocks[number] = _Block(times, _without_bars([frame.image for frame in frames]))
        if len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]


def _without_bars(images: list[Picture]) -> list[Picture]:
    """Pictures of one size without the bars that a few of them have in common."""
    if not images or len({image.shape for image in images}) != 1:
        return images
    box = common_box(images[:: max(1, len(images) // NUM_BAR_SAMPLES)])
    return [crop(image, box) for image in images]


def _grey(image: Picture) -> Picture:
    picture = Image.fromarray(image).convert("L")
    scale = GREY_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return np.asarray(picture.resize(size, Image.Resampling.BOX))
