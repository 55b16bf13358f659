"""Decoded pictures of one film, with clean times: what frames and shots are built on.

Times are seconds from the first picture, strictly rising, also where the file stores none, goes
back or leaves gaps. Damaged packets are counted and passed over. Decoding is bounded in time
(`MediaLimits.decode_budget_seconds`) and in memory (one picture at a time).
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from itertools import chain, count, islice
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from retrieval.errors import MediaLimitError, OperationCancelled
from retrieval.media.clock import PictureClock
from retrieval.media.container import open_media
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from retrieval.media.streams import film_stream, frame_rate, pixel_aspect

__all__ = ["PictureReader", "ShouldStop", "open_pictures"]

ShouldStop = Callable[[], bool]
_NUM_TRIAL = 4
"""Sync frames decoded together at first, to see whether the decoder keeps them all."""
_SEEK_BACK_SECONDS = (0.0, 1.0, 4.0, 15.0)
"""How far before the wanted time a container without an index is searched, in turn."""


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
        self._clock = PictureClock(self._stream, self.rate)
        self._num_syncs = 0
        self._resumed: Iterator[Packet[VideoStream]] | None = None
        self._sync_numbers: dict[int | None, int] = {}
        self._pixel_aspect = pixel_aspect(self._stream)
        self._declared_seconds = max(0.0, (container.duration or 0) / av.time_base)
        self._budget = self._limits.decode_budget_seconds(self._declared_seconds)

    @property
    def stream(self) -> VideoStream:
        """The film stream."""
        return self._stream

    @property
    def origin_seconds(self) -> float:
        """Start of the film on the clock of the container."""
        return self._clock.origin_seconds

    @property
    def end_seconds(self) -> float:
        """Where the last packet that was read so far ends."""
        return self._clock.end_seconds

    @property
    def has_times(self) -> bool:
        """Whether the file stores any times; else all are counted, and seeking is of no use."""
        return self._stream.start_time is not None

    @property
    def has_exact_times(self) -> bool:
        """Whether pictures after a seek have the very times that they have from the start."""
        return self.has_times and not self._clock.counts

    def seek(self, seconds: float) -> None:
        """Go to the sync frame at or before `seconds`; to the start where the file cannot.

        Every loop over pictures goes on from where the last one or a seek left off.
        """
        if not self.has_times:
            return
        self._show_first_packet()
        wanted = min(seconds, self._declared_seconds) if self._declared_seconds else seconds
        for back in _SEEK_BACK_SECONDS:
            if self._try_seek(wanted - back, wanted):
                return
        self._rewind()

    def _rewind(self) -> None:
        """Go to the start, by bytes where the container is one that is searched by guessing."""
        self._resumed = None
        try:
            self._container.seek(0, unsupported_byte_offset=True)
        except av.error.FFmpegError:
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
        try:
            stamp = self._clock.stamp(max(0.0, target))
            self._container.seek(stamp, stream=self._stream, backward=True)
            packets = self._container.demux(self._stream)
            for packet in packets:
                if packet.is_keyframe and packet.size:
                    self._resumed = chain([packet], packets)
                    found = self._clock.packet_seconds(packet)
                    return found is not None and found <= wanted + 0.5 / float(self.rate)
        except av.error.FFmpegError:
            pass
        return False

    def pictures(self) -> Iterator[Picture]:
        """Every picture from here to the end, in order of time.

        Raises:
            MediaLimitError: a picture or the decode time is over the limits.
            OperationCancelled: `should_stop` said so.
        """
        self._clock.restart()
        for frame in self._decoded():
            yield Picture(self._clock.show(frame), frame, self._pixel_aspect)

    def sync_pictures(self, *, min_gap_seconds: float = 0.0) -> Iterator[Picture]:
        """Sync frames from here to the end, decoded alone, at least `min_gap_seconds` apart.

        Raises:
            MediaLimitError, OperationCancelled: see `pictures`.
        """
        self._stream.codec_context.skip_frame = "NONKEY"
        last = -1.0
        for frame in self._decoded_syncs(self._sync_packets(min_gap_seconds)):
            self._check_size(frame.width, frame.height)
            seconds = self._clock.stamped(frame, max(0.0, last))
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
                packet.pts = self._clock.stamp(seconds)
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
            yield packet, self._clock.packet(packet, ordinal)

    def _decode(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        started = time.monotonic()
        try:
            return packet.decode()
        except EOFError:
            return []
        except av.error.FFmpegError:
            self.num_damaged += 1
            self._clock.drop(packet)
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
