"""The sound of a film as mono samples, for encoders of sound.

Sound is decoded chunk by chunk: memory is bounded whatever the length of the film.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from retrieval.errors import (
    InvalidInputError,
    MediaLimitError,
    NotMediaError,
    OperationCancelled,
)
from retrieval.media.container import forgiving, open_media
from retrieval.media.limits import MediaLimits
from retrieval.types import FloatArray

__all__ = ["decode_mono"]


def decode_mono(
    path: Path,
    *,
    sample_rate_hz: int = 48_000,
    start: float = 0.0,
    end: float | None = None,
    limits: MediaLimits | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[FloatArray]:
    """Decode the first sound stream to mono.

    Args:
        path: A film or a sound file.
        sample_rate_hz: Of the output.
        start: Seconds from the start of the stream; sound before is left out.
        end: Exclusive; None for the end of the stream.
        limits: Bounds on the file.
        should_stop: Asked once a packet.

    Yields:
        (T,) float32 chunks in [-1, 1], in order and without gaps. Damaged packets are passed over.

    Raises:
        InvalidInputError: a rate or a time out of range.
        NotMediaError: there is no sound in the file.
        MediaLimitError: decoding takes longer than the limits allow.
        OperationCancelled: `should_stop` said so.
    """
    if not 1_000 <= sample_rate_hz <= 192_000:
        raise InvalidInputError(f"got {sample_rate_hz = }, expected 1,000 to 192,000")
    if start < 0 or (end is not None and end < start):
        raise InvalidInputError(f"got {start = } and {end = }, expected 0 <= start <= end")
    position, first = 0, round(start * sample_rate_hz)
    last = None if end is None else round(end * sample_rate_hz)
    for chunk in _mono_chunks(path, sample_rate_hz, limits or MediaLimits(), should_stop):
        low, high = max(0, first - position), len(chunk)
        if last is not None:
            high = min(high, last - position)
        if low < high:
            yield chunk[low:high]
        position += len(chunk)
        if last is not None and position >= last:
            return


def _mono_chunks(
    path: Path,
    sample_rate_hz: int,
    limits: MediaLimits,
    should_stop: Callable[[], bool] | None,
) -> Iterator[FloatArray]:
    """The whole stream from its beginning; seeking would shift the time of many formats."""
    with open_media(path, limits=limits) as container:
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            raise NotMediaError(f"{path.name} has no sound that can be decoded")
        declared = (container.duration or 0) / av.time_base
        deadline = time.monotonic() + limits.decode_budget_seconds(max(0.0, declared))
        resampler = _Resampler(sample_rate_hz)
        for packet in forgiving(container.demux(stream)):
            if should_stop is not None and should_stop():
                raise OperationCancelled(f"stopped while reading the sound of {path.name}")
            if time.monotonic() > deadline:
                raise MediaLimitError(
                    f"decoding the sound of {path.name} takes too long; raise max_decode_seconds"
                    " or max_decode_ratio to accept it"
                )
            try:
                frames = packet.decode()
            except av.error.FFmpegError:  # a damaged packet
                continue
            for frame in frames:
                yield from resampler.add(frame)
        yield from resampler.rest()


class _Resampler:
    """Frames of any format to mono samples of one rate.

    A codec's frames of some 20 ms are joined to seconds first: resampling each alone costs as much
    as decoding it.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._kind: tuple[str, str, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._fifo = av.AudioFifo()
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=self._rate_hz)

    def add(self, frame: av.AudioFrame) -> Iterator[FloatArray]:
        """Take the next frame; a stream may change its format on the way."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.rest()
            self._kind = kind
        frame.pts = None  # gaps are closed
        self._fifo.write(frame)
        second = self._fifo.read(frame.sample_rate)
        if second is not None:
            yield from self._resampled(second)

    def rest(self) -> Iterator[FloatArray]:
        """Give what is left and begin anew."""
        if self._kind is not None:
            left = self._fifo.read(0, partial=True)
            if left is not None:
                yield from self._resampled(left)
            yield from self._resampled(None)
        self._begin()

    def _resampled(self, frame: av.AudioFrame | None) -> Iterator[FloatArray]:
        for part in self._resampler.resample(frame):
            samples = np.ascontiguousarray(part.to_ndarray(), dtype=np.float32).reshape(-1)
            if samples.size:
                yield samples
