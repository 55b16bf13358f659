"""From decoded frames to embeddings, while the decoder goes on.

Decoding and encoding both release Python's lock, so a thread of its own encodes batch after batch
beside the decoder; a few batches may wait, no more, which bounds the memory.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.media.letterbox import Box, common_box, crop, crop_bars
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = ["EmbeddedFrames", "FrameEmbedder"]

Picture = NDArray[np.uint8]
_Rows = tuple[FloatArray, FloatArray]  # embeddings (N, D) and copy descriptors (N, C)

BATCH_SIZE = 8
"""Small, so that the first frames are encoded while the next are decoded; larger ones are no
faster on a CPU."""
MAX_WAITING_BATCHES = 6
NUM_BAR_SAMPLES = 2
"""Pictures of a batch in which bars are looked for."""
NUM_BAR_BATCHES = 4
"""Latest batches whose smallest bars count: one odd picture is not enough to cut."""
DARK = 32
"""Level up to which a picture is black."""
SAME_MEAN, SAME_MAX = 0.8, 4.0
"""Grey levels by which the 16 x 9 cells of two frames may differ to count as the same picture:
coder noise on a still stays below, anything that moves visibly does not."""


@dataclass(frozen=True)
class EmbeddedFrames:
    """Frames as points in the encoders' spaces.

    Attributes:
        times: (F,) float64 seconds, rising, each once.
        vectors: (F, D) float32, unit norm, for search; (F, 0) without a search encoder.
        copies: (F, C) float32, unit norm copy descriptors; (F, 0) without a copy encoder.
    """

    times: NDArray[np.float64]
    vectors: FloatArray
    copies: FloatArray

    def at(self, seconds: Sequence[float]) -> FloatArray:
        """Embeddings (N, D) of the frames nearest to these times."""
        wanted = np.asarray(seconds, dtype=np.float64)
        after = np.clip(np.searchsorted(self.times, wanted), 0, len(self.times) - 1)
        before = np.maximum(after - 1, 0)
        is_before = np.abs(self.times[before] - wanted) <= np.abs(self.times[after] - wanted)
        return self.vectors[np.where(is_before, before, after)]


class FrameEmbedder:
    """Takes frames one by one and encodes them in batches on another thread.

    Letterbox bars are cropped off. A frame that looks like the one before it is not encoded again,
    nor is a time that was seen before.

    Args:
        encoder: Makes the embeddings for search; None for copy descriptors alone.
        copy_encoder: Makes the copy descriptors, in the same pass where it shares the network;
            None for embeddings alone.
        on_batch: Called with the cropped pictures of each batch, in order, on that other thread.
    """

    def __init__(
        self,
        encoder: "PictureTextEncoder | None",
        *,
        copy_encoder: "CopyEncoder | None" = None,
        on_batch: Callable[[Sequence[Picture]], None] | None = None,
    ) -> None:
        self._encoder = encoder
        self._copy_encoder = copy_encoder
        self._on_batch = on_batch
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sceneprint-encode")
        self._waiting: deque[Future[_Rows]] = deque()
        self._batch: list[Picture] = []
        self._times: list[float] = []
        self._seen: set[float] = set()
        self._done: list[_Rows] = []
        self._boxes: deque[tuple[tuple[int, ...], Box]] = deque(maxlen=NUM_BAR_BATCHES)
        self._last_cells: FloatArray | None = None
        self._last: _Rows | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def add(self, seconds: float, image: Picture) -> None:
        """Take one frame, (H, W, 3) uint8 RGB; waits while too many are in work.

        Raises:
            Exception: Whatever the encoder raised on earlier frames.
        """
        if seconds in self._seen:
            return
        self._seen.add(seconds)
        self._times.append(seconds)
        self._batch.append(image)
        if len(self._batch) >= BATCH_SIZE:
            self._submit()

    def finish(self) -> EmbeddedFrames:
        """Wait for everything and return it in the order of time."""
        if self._batch:
            self._submit()
        while self._waiting:
            self._done.append(self._waiting.popleft().result())
        times = np.asarray(self._times, dtype=np.float64)
        vectors, copies = _joined([self._encode_both([]), *self._done])
        order = np.argsort(times, kind="stable")
        return EmbeddedFrames(times[order], vectors[order], copies[order])

    def _submit(self) -> None:
        while len(self._waiting) >= MAX_WAITING_BATCHES:
            self._done.append(self._waiting.popleft().result())
        self._waiting.append(self._executor.submit(self._encode, self._batch))
        self._batch = []

    def _encode(self, images: list[Picture]) -> _Rows:
        """Rows (N, …) of one batch; runs on the other thread, one batch at a time."""
        cropped = self._without_bars(images)
        if self._on_batch is not None:
            self._on_batch(cropped)
        is_new = np.array([self._looks_new(image) for image in cropped])
        fresh = self._encode_both([cropped[place] for place in np.flatnonzero(is_new)])
        known = fresh if self._last is None else _joined([self._last, fresh])
        places = np.cumsum(is_new) - (1 if self._last is None else 0)
        self._last = known[0][-1:], known[1][-1:]
        return known[0][places], known[1][places]

    def _encode_both(self, images: Sequence[Picture]) -> _Rows:
        """Embeddings and copy descriptors of pictures, as far as there are encoders."""
        nothing = np.empty((len(images), 0), dtype=np.float32)
        if self._encoder is not None and self._copy_encoder is not None:
            return self._copy_encoder.encode_beside(self._encoder, images)
        if self._copy_encoder is not None:
            return nothing, self._copy_encoder.encode_pictures(images)
        return nothing if self._encoder is None else self._encoder.encode_images(images), nothing

    def _without_bars(self, images: list[Picture]) -> list[Picture]:
        """Cut off the bars that the latest pictures have in common; looking at all is slow."""
        if len({image.shape for image in images}) != 1:
            return crop_bars(images)
        if self._boxes and self._boxes[-1][0] != images[0].shape:
            self._boxes.clear()
        samples = images[:: max(1, len(images) // NUM_BAR_SAMPLES)]
        telling = [image for image in samples if not _is_dark(image)]
        if telling:
            self._boxes.append((images[0].shape, common_box(telling)))
        if not self._boxes:
            return images
        boxes = [box for _, box in self._boxes]
        smallest = Box(
            top=min(box.top for box in boxes),
            bottom=max(box.bottom for box in boxes),
            left=min(box.left for box in boxes),
            right=max(box.right for box in boxes),
        )
        return [crop(image, smallest) for image in images]

    def _looks_new(self, image: Picture) -> bool:
        """Whether the picture differs from the last new one; remembers it if so."""
        small = Image.fromarray(image).resize((16, 9), Image.Resampling.BOX)
        cells = np.asarray(small, dtype=np.float32)
        if self._last_cells is not None:
            difference = np.abs(cells - self._last_cells)
            if difference.mean() <= SAME_MEAN and difference.max() <= SAME_MAX:
                return False
        self._last_cells = cells
        return True


def _joined(parts: Sequence[_Rows]) -> _Rows:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _is_dark(image: Picture) -> bool:
    """Whether nearly all of a picture is black, which tells nothing about bars."""
    return float(np.percentile(image[::4, ::4].max(axis=2), 90)) <= DARK
