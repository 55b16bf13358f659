"""Seconds of packets and pictures, whatever a file says about them.

Most files store the time at which each picture is shown. AVI and bare streams do not: AVI stores
the order of decoding, bare streams nothing, and libav's guesses for what lies between then come
out of order. There, sync frames are placed by the order of their packets, and the pictures
between them are counted by the frame rate.
"""

from collections import deque
from fractions import Fraction

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = ["PictureClock"]


class PictureClock:
    """The clock of one film stream; 0 is where the stream starts."""

    def __init__(self, stream: VideoStream, rate: Fraction) -> None:
        self._base = float(stream.time_base or Fraction(1, 90_000))
        self._step = 1.0 / float(rate)
        start = stream.start_time
        self._origin = None if start is None else start * self._base
        self._counts: bool | None = True if stream.container.format.name == "avi" else None
        self._sync_seconds: deque[float] = deque()
        self._last = -1.0
        self.end_seconds = 0.0
        """Where the last packet seen so far ends."""

    @property
    def counts(self) -> bool:
        """Whether pictures between sync frames are counted, because their times are not stored."""
        return bool(self._counts)

    @property
    def origin_seconds(self) -> float:
        """Start of the stream on the clock of the container."""
        return self._origin or 0.0

    def stamp(self, seconds: float) -> int:
        """Seconds as a time stamp of the stream."""
        return round((seconds + self.origin_seconds) / self._base)

    def restart(self) -> None:
        """Forget what was seen: reading goes on from another place."""
        self._sync_seconds.clear()
        self._last = -1.0

    def packet(self, packet: "Packet[VideoStream]", ordinal: int) -> float:
        """Seconds of a packet, the `ordinal`-th that was read."""
        if not packet.size:
            return self.end_seconds
        seconds = self.packet_seconds(packet)
        if seconds is None:
            seconds = ordinal * self._step
        if self._counts and packet.is_keyframe:
            packet.pts = self.stamp(seconds)
            self._sync_seconds.append(max(0.0, seconds))
        length = (packet.duration or 0) * self._base or self._step
        self.end_seconds = max(self.end_seconds, seconds + length)
        return seconds

    def packet_seconds(self, packet: "Packet[VideoStream]") -> float | None:
        """Seconds of a packet by its own stamp; None where it has none."""
        if self._counts is None and packet.is_keyframe:
            self._counts = packet.pts is None
        stamp = packet.dts if self._counts or packet.pts is None else packet.pts
        if stamp is None:
            return None
        if self._origin is None:
            self._origin = stamp * self._base
        return stamp * self._base - self.origin_seconds

    def drop(self, packet: "Packet[VideoStream]") -> None:
        """A packet could not be decoded."""
        if self._counts and packet.is_keyframe and self._sync_seconds:
            self._sync_seconds.pop()

    def show(self, frame: VideoFrame) -> float:
        """Seconds of the next picture in order of showing; they always rise."""
        following = max(0.0, self._last + self._step)
        if not self._counts:
            seconds = self.stamped(frame, following)
        elif frame.key_frame and self._sync_seconds:
            seconds = self._sync_seconds.popleft()
        else:
            seconds = following
        self._last = seconds if seconds > self._last else self._last + self._step
        return self._last

    def stamped(self, frame: VideoFrame, fallback: float) -> float:
        """Seconds by the frame's own stamp."""
        stamp = frame.dts if frame.pts is None else frame.pts
        if stamp is None:
            return fallback
        return max(0.0, stamp * self._base - self.origin_seconds)
