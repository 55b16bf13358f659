"""Decoded pictures of one film, with clean times: what frames and shots are built on.

Times are seconds from the first picture, strictly rising, also where the file stores none, goes
back or leaves gaps. Damaged packets are counted and passed over. Decoding is bounded in time
(`MediaLimits.decode_budget_seconds`) and in memory (one picture at a time).
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count, islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from retrieval.errors import CorruptMediaError, MediaLimitError, NotMediaError, OperationCancelled
from retrieval.media.container import open_media
from retrieval.media.limits import MediaLimits

__all__ = [
    "Picture",
    "PictureReader",
    "film_stream",
    "frame_rate",
    "is_cover_art",
    "open_pictures",
    "to_rgb",
]

ShouldStop = Callable[[], bool]
_DEFAULT_RATE = Fraction(25)
_MAX_RATE = 1000
_NUM_TRIAL = 4
"""Sync frames decoded together at first, to see whether the decoder keeps them all."""
_SEEK_BACK_SECONDS = (0.0, 1.0, 4.0, 15.0)
"""How far before the wanted time a container without an index is searched, in turn."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture before any conversion."""

    seconds: float
    frame: VideoFrame
    pixel_aspect: Fraction = Fraction(1)
    """Width of a pixel over its height."""
    sync_number: int | None = None
    """0-based count of the sync frames in the file, where only those are read."""

    def image(self, *, max_side: int | None = None) -> NDArray[np.uint8]:
        """An upright (H, W, 3) RGB image with square pixels, longest side at most `max_side`."""
        return to_rgb(self.frame, max_side=max_side, pixel_aspect=self.pixel_aspect)


class PictureReader:
    """Decodes the film stream of an open container."""

    def __init__(
        self,
        container: InputContainer,
        *,
        path: Path,
        limits: MediaLimits | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        self._container = container
        self._stream = film_stream(container, path)
        self._path = path
        self._limits = limits or MediaLimits()
        self._should_stop = should_stop or (lambda: False)
        self._spent_seconds = 0.0
        self._check_size(self._stream.width, self._stream.height)
        context = self._stream.codec_context
        context.thread_type = "AUTO"
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        self.rate = frame_rate(self._stream)
        """Average frames per second; 25 where the file tells none."""
        self.num_damaged = 0
        """Packets that could not be decoded so far."""
        self.end_seconds = 0.0
        """Where the last packet seen so far ends."""
        self._num_syncs = 0
        self._resumed: Iterator[Packet[VideoStream]] | None = None
        self._sync_numbers: dict[int | None, int] = {}
        self._pixel_aspect = _pixel_aspect(self._stream)
        start = self._stream.start_time
        self._origin = None if start is None else float(start * self._time_base)
        self._budget = self._limits.decode_budget_seconds(_declared_seconds(container))

    @property
    def stream(self) -> VideoStream:
        """The film stream."""
        return self._stream

    @property
    def origin_seconds(self) -> float:
        """Time of the first picture on the clock of the container."""
        return self._origin or 0.0

    @property
    def _time_base(self) -> Fraction:
        return self._stream.time_base or Fraction(1, 90_000)

    @property
    def has_times(self) -> bool:
        """Whether the file stores times; else they are counted, and seeking is of no use."""
        return self._stream.start_time is not None

    def seek(self, seconds: float) -> None:
        """Go to the sync frame at or before `seconds`; to the start where the file cannot.

        Every loop over pictures goes on from where the last one or a seek left off.
        """
        if not self.has_times:
            return
        self._show_first_packet()
        for back in _SEEK_BACK_SECONDS:
            if self._try_seek(seconds - back, seconds):
                return
        self._resumed = None
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(self._stream.start_time or 0, stream=self._stream)

    def _show_first_packet(self) -> None:
        """Let the decoder of 4:4:4 H.264 see which encoder made the stream, before the first seek.

        Old x264 wrote such films in a way of its own, which FFmpeg undoes once it has read the
        build number; only the first packet of a film has it. Without, all pictures are garbage.
        """
        context = self._stream.codec_context
        if context.is_open or context.name != "h264" or "444" not in (context.pix_fmt or ""):
            return
        with contextlib.suppress(av.error.FFmpegError, EOFError):
            packet = next(self._container.demux(self._stream), None)
            if packet is not None:
                self._decode(packet)

    def _try_seek(self, target: float, wanted: float) -> bool:
        """Go to `target`; False where no sync frame follows up to the time that is wanted.

        Containers without an index are searched by guessing, and may land anywhere nearby.
        """
        stamp = int((max(0.0, target) + self.origin_seconds) / self._time_base)
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
            packets = self._container.demux(self._stream)
            for packet in packets:
                stamped = packet.dts if packet.pts is None else packet.pts
                if packet.is_keyframe and stamped is not None:
                    self._resumed = chain([packet], packets)
                    found = float(stamped * self._time_base) - self.origin_seconds
                    return found <= wanted + 0.5 / float(self.rate)
        except av.error.FFmpegError:
            pass
        return False

    def pictures(self) -> Iterator[Picture]:
        """Every picture from here to the end, in order of time.

        Raises:
            MediaLimitError: a picture or the decode time is over the limits.
            OperationCancelled: `should_stop` said so.
        """
        last = -1.0
        step = 1.0 / float(self.rate)
        for frame in self._decoded():
            seconds = self._seconds(frame, max(0.0, last + step))
            if seconds <= last:
                seconds = last + step
            last = seconds
            yield Picture(seconds, frame, self._pixel_aspect)

    def sync_pictures(self, *, min_gap_seconds: float = 0.0) -> Iterator[Picture]:
        """Sync frames from here to the end, decoded alone, at least `min_gap_seconds` apart.

        Raises:
            MediaLimitError, OperationCancelled: see `pictures`.
        """
        self._stream.codec_context.skip_frame = "NONKEY"
        last = -1.0
        for frame in self._decoded_syncs(self._sync_packets(min_gap_seconds)):
            self._check_size(frame.width, frame.height)
            seconds = self._seconds(frame, max(0.0, last))
            if seconds > last:
                last = seconds
                number = self._sync_numbers.pop(frame.pts, self._num_syncs - 1)
                yield Picture(seconds, frame, self._pixel_aspect, number)

    def measure_seconds(self) -> float:
        """Read all packets without decoding and return where the last one ends."""
        for _ in self._packets():
            pass
        return self.end_seconds

    def _sync_packets(self, min_gap_seconds: float) -> "Iterator[Packet[VideoStream]]":
        next_sync = -1.0
        for packet, seconds in self._packets():
            if not packet.is_keyframe or not packet.size:
                continue
            self._num_syncs += 1
            if seconds < next_sync:
                continue
            next_sync = seconds + min_gap_seconds
            if packet.pts is None:
                packet.pts = round((seconds + self.origin_seconds) / self._time_base)
            self._sync_numbers[packet.pts] = self._num_syncs - 1
            yield packet

    def _decoded_syncs(self, packets: "Iterator[Packet[VideoStream]]") -> Iterator[VideoFrame]:
        """Decode sync packets, several at once where the stream allows it.

        With what lies between them left out, a decoder may throw away a picture that it holds
        back for reordering (HEVC, and H.264 with open groups). A few are tried together; if any
        is lost, each is drained from the decoder before the next goes in.
        """
        trial = list(islice(packets, _NUM_TRIAL))
        frames = [frame for packet in trial for frame in self._decode(packet)] + self._drain()
        keeps_all = len(frames) >= len(trial)
        if keeps_all:
            yield from frames
        else:
            packets = chain(trial, packets)
        del trial, frames
        for packet in packets:
            yield from self._decode(packet)
            if not keeps_all:
                yield from self._drain()
        yield from self._drain()

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet, _ in self._packets():
            for frame in self._decode(packet):
                self._check_size(frame.width, frame.height)
                yield frame

    def _packets(self) -> "Iterator[tuple[Packet[VideoStream], float]]":
        """Packets with their seconds; the last one is empty and flushes the decoder."""
        packets = self._resumed or self._container.demux(self._stream)
        self._resumed = None
        for ordinal in count():
            self._spend_check(ordinal)
            started = time.monotonic()
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # a damaged end is an end
                self.num_damaged += 1
                return
            finally:
                self._spent_seconds += time.monotonic() - started
            if packet is None:
                return
            yield packet, self._packet_seconds(packet, ordinal)

    def _packet_seconds(self, packet: "Packet[VideoStream]", ordinal: int) -> float:
        """Time of a packet, counted by the rate where the file stores none."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if not packet.size:
            return self.end_seconds
        if stamp is None:
            seconds = float(ordinal / self.rate)
        else:
            if self._origin is None:
                self._origin = float(stamp * self._time_base)
            seconds = float(stamp * self._time_base) - self.origin_seconds
        length = float((packet.duration or 0) * self._time_base) or 1.0 / float(self.rate)
        self.end_seconds = max(self.end_seconds, seconds + length)
        return seconds

    def _decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        started = time.monotonic()
        try:
            return packet.decode()
        except EOFError:
            return []
        except av.error.FFmpegError:
            self.num_damaged += 1
            return []
        finally:
            self._spent_seconds += time.monotonic() - started

    def _drain(self) -> list[VideoFrame]:
        """Take the pictures that the decoder holds back, and begin anew."""
        context = self._stream.codec_context
        if not context.is_open:
            return []
        started = time.monotonic()
        try:
            return context.decode(None)
        except (EOFError, av.error.FFmpegError):
            return []
        finally:
            context.flush_buffers()
            self._spent_seconds += time.monotonic() - started

    def _seconds(self, frame: VideoFrame, fallback: float) -> float:
        stamp = frame.dts if frame.pts is None else frame.pts
        if stamp is None:
            return fallback
        return max(0.0, float(stamp * self._time_base) - self.origin_seconds)

    def _spend_check(self, ordinal: int) -> None:
        if ordinal % 8 == 0 and self._should_stop():
            raise OperationCancelled(f"stopped while reading {self._path.name}")
        if self._spent_seconds > self._budget:
            raise MediaLimitError(
                f"decoding {self._path.name} took more than {self._budget:.0f} s; raise"
                " max_decode_seconds or max_decode_ratio to accept it"
            )

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise MediaLimitError(
                f"{self._path.name} has pictures of {width}x{height}, at most"
                f" {self._limits.max_pixels:,} pixels are allowed; raise max_pixels to accept it"
            )


@contextlib.contextmanager
def open_pictures(
    path: Path, *, limits: MediaLimits | None = None, should_stop: ShouldStop | None = None
) -> Iterator[PictureReader]:
    """Open a film for decoding its pictures.

    Raises:
        NotFoundError, NotMediaError, CorruptMediaError, MediaLimitError: see `open_media`.
    """
    with open_media(path, limits=limits) as container:
        yield PictureReader(container, path=path, limits=limits, should_stop=should_stop)


def film_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream to watch: not cover art, with a decoder; the largest picture wins.

    Raises:
        NotMediaError: there is none.
        CorruptMediaError: there is one without a decoder.
    """
    streams = [s for s in container.streams.video if not is_cover_art(s)]
    known = [s for s in streams if s.codec_context is not None]
    if streams and not known:
        raise CorruptMediaError(f"{path.name} has film of a codec that this FFmpeg cannot decode")
    if not known:
        raise NotMediaError(f"{path.name} has no film stream")
    return max(known, key=lambda s: (s.width * s.height, -s.index))


def is_cover_art(stream: VideoStream) -> bool:
    """Whether a video stream is a still that decorates a sound file."""
    still = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    return bool(stream.disposition & still)


def to_rgb(
    frame: VideoFrame, *, max_side: int | None = None, pixel_aspect: Fraction = Fraction(1)
) -> NDArray[np.uint8]:
    """An upright (H, W, 3) RGB picture with square pixels, longest side at most `max_side`.

    Square pixels are made by shrinking the longer direction: nothing is enlarged.
    """
    width = frame.width * min(1.0, float(pixel_aspect))
    height = frame.height / max(1.0, float(pixel_aspect))
    scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
    small = frame.reformat(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        format="rgb24",
        interpolation="AREA" if scale < 0.5 else "BILINEAR",
    )
    image = small.to_ndarray().astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _pixel_aspect(stream: VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and Fraction(1, 4) <= aspect <= 4 else Fraction(1)


def frame_rate(stream: VideoStream) -> Fraction:
    """Average frames per second; 25 where the file tells none."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= _MAX_RATE:
            return rate
    return _DEFAULT_RATE


def _declared_seconds(container: InputContainer) -> float:
    return max(0.0, (container.duration or 0) / av.time_base)
