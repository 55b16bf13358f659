"""Embeddings of a film's sound while it is decoded: a window at a time, gathered by shot later.

The shots of a film are known only when its pictures are read, which happens beside the sound. So
windows are embedded on a fixed grid, half a window apart, and a shot gets the mean of those that
overlap it, weighted by how much. An hour at 128 numbers and a window a second takes 1.8 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import SoundEncoder, unit_rows
from retrieval.errors import NotMediaError
from retrieval.media.audio import decode_mono
from retrieval.media.limits import MediaLimits
from retrieval.types import FloatArray, Segment

__all__ = ["SoundWindows", "WindowEmbedder", "embed_file"]

PIECE_SECONDS = 0.1
"""Grain at which sound is told from silence."""
SILENCE = 1e-3
"""Root mean square below which a piece is silent: -60 dB of full scale."""
LEAST_SECONDS = 0.2
"""A shot with less sound than this has none, unless that is half of it."""


@dataclass(frozen=True)
class SoundWindows:
    """The sound of one film.

    Attributes:
        starts: (W,) float64 seconds, of windows with sound in them.
        ends: (W,) float64 seconds.
        vectors: (W, D) float32 unit norm.
        is_heard: (P,) bool, for each tenth of a second whether it sounds.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    vectors: FloatArray
    is_heard: NDArray[np.bool_]

    def by_segment(self, segments: Sequence[Segment]) -> FloatArray:
        """The sound of each segment: (N, D) unit norm, zeros where it is silent."""
        rows = np.zeros((len(segments), self.vectors.shape[1]), dtype=np.float32)
        for row, segment in zip(rows, segments, strict=True):
            if self._sounds(segment):
                shared = np.minimum(self.ends, segment.end_seconds)
                shared = shared - np.maximum(self.starts, segment.start_seconds)
                row[:] = np.maximum(shared, 0.0) @ self.vectors
        return unit_rows(rows)

    def whole(self) -> FloatArray | None:
        """One vector (1, D) for all of it; None where all is silent."""
        if not len(self.vectors):
            return None
        return unit_rows(self.vectors.mean(axis=0, keepdims=True))

    def _sounds(self, segment: Segment) -> bool:
        """Whether there is enough sound in a segment."""
        first = round(segment.start_seconds / PIECE_SECONDS)
        last = max(first + 1, round(segment.end_seconds / PIECE_SECONDS))
        heard_seconds = float(self.is_heard[first:last].sum()) * PIECE_SECONDS
        least = min(LEAST_SECONDS, (segment.end_seconds - segment.start_seconds) / 2)
        return heard_seconds > 0 and heard_seconds >= least - 1e-9


class WindowEmbedder:
    """Embeds sound from chunks of any size, in order; the result does not depend on the chunks."""

    def __init__(self, encoder: SoundEncoder) -> None:
        self._encoder = encoder
        self._rate = encoder.sample_rate_hz
        self._piece = round(PIECE_SECONDS * self._rate)
        self._size = max(2, round(encoder.window_seconds * self._rate))
        self._pending: list[FloatArray] = []
        self._first = 0  # number of the first pending sample
        self._total = 0  # samples that came
        self._next = 0  # where the next window starts
        self._batch: list[FloatArray] = []
        self._starts: list[int] = []
        self._vectors: list[FloatArray] = []
        self._heard: list[NDArray[np.bool_]] = []
        self._rest = np.zeros(0, np.float32)  # of a piece that is not whole yet

    def add(self, chunk: FloatArray) -> None:
        """Take the next (T,) float32 mono samples at the encoder's rate; NaN counts as silence."""
        samples = np.clip(np.nan_to_num(chunk, posinf=0.0, neginf=0.0), -8.0, 8.0)
        self._weigh(samples)
        self._pending.append(samples)
        self._total += len(samples)
        if self._total >= self._next + 8 * self._size:
            self._cut()

    def finish(self) -> SoundWindows:
        """End the sound and give its windows."""
        samples = self._cut()
        if 0 < self._total < self._size:
            self._take(0, np.resize(samples, self._size))
        elif self._total >= self._next + self._size // 2 + self._piece:
            last = self._total - self._size  # the end, in a window that reaches back
            self._take(last, samples[last - self._first :])
        self._weigh(np.zeros(-len(self._rest) % self._piece, np.float32))
        self._encode()
        starts = np.array(self._starts, dtype=np.float64) / self._rate
        return SoundWindows(
            starts=starts,
            ends=np.minimum(starts + self._size / self._rate, self._total / self._rate),
            vectors=np.concatenate([np.empty((0, self._encoder.dim), np.float32), *self._vectors]),
            is_heard=np.concatenate([np.zeros(0, np.bool_), *self._heard]),
        )

    def _weigh(self, samples: FloatArray) -> None:
        """Tell sound from silence, piece by piece."""
        joined = np.concatenate([self._rest, samples])
        count = len(joined) // self._piece
        self._heard.append(_is_heard(joined[: count * self._piece], self._piece))
        self._rest = joined[count * self._piece :]

    def _cut(self) -> FloatArray:
        """Cut whole windows off what is pending; returns what stays, from the last window on."""
        samples = np.concatenate([np.zeros(0, np.float32), *self._pending])
        while self._next + self._size <= self._total:
            at = self._next - self._first
            self._take(self._next, samples[at : at + self._size])
            self._next += self._size // 2
        keep = max(self._first, self._next - self._size // 2)
        samples = samples[keep - self._first :].copy()
        self._pending, self._first = [samples], keep
        return samples

    def _take(self, start: int, window: FloatArray) -> None:
        """Keep a window, unless it is silent throughout."""
        if not _is_heard(window, self._piece).any():
            return
        self._starts.append(start)
        self._batch.append(window)
        if len(self._batch) == self._encoder.batch_size:
            self._encode()

    def _encode(self) -> None:
        if self._batch:
            self._vectors.append(self._encoder.encode_sounds(self._batch, self._rate))
            self._batch = []


def embed_file(
    path: Path, encoder: SoundEncoder, *, limits: MediaLimits | None = None
) -> FloatArray:
    """Embed the sound of a file as a query: (1, D) unit norm.

    Raises:
        NotFoundError: There is no such file.
        NotMediaError: It has no sound, or all of it is silent.
        MediaError: It cannot be read.
    """
    embedder = WindowEmbedder(encoder)
    for chunk in decode_mono(path, sample_rate_hz=encoder.sample_rate_hz, limits=limits):
        embedder.add(chunk)
    row = embedder.finish().whole()
    if row is None:
        raise NotMediaError(f"{path.name} holds only silence; give a sound that can be heard")
    return row


def _is_heard(samples: FloatArray, piece: int) -> NDArray[np.bool_]:
    """For each whole piece of some samples whether it sounds."""
    pieces = samples[: len(samples) // piece * piece].reshape(-1, piece)
    return np.asarray(np.sqrt(np.mean(pieces**2, axis=1)) >= SILENCE)
