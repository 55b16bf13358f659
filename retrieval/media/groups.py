"""The groups of pictures of a film, from its packets alone: where they start and how big they are.

A group is a sync frame with what depends on it. Nothing is decoded, yet much can be told. An
encoder that starts a group before its time saw a cut there, and a hard cut inside a group costs
nearly as many bytes as a sync frame, because nothing before it helps to predict it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.video.stream import VideoStream

from retrieval.media.container import forgiving, open_media
from retrieval.media.limits import MediaLimits
from retrieval.media.streams import film_stream, frame_rate

__all__ = ["Group", "GroupPlan", "plan_groups"]

_CUT_PLACING_CODECS = frozenset({"av1", "h264", "hevc", "libdav1d", "libvpx-vp9", "vp8", "vp9"})
"""Codecs whose encoders put a sync frame on the cut itself; older ones put it soon after."""
_MIN_POINTS, _GRID_SHARE = 3, 0.8
"""Points of a raster that must be, and share of them with a sync frame."""
_MIN_EVEN, _EVEN_SHARE = 5, 0.6
"""Groups of about one length that make it the interval, and share of all that they must be."""
_BIG = 0.3
"""Share of its sync frame's bytes from which a packet is large."""
_LONELY = 2.1
"""How far above the usual size of its group a packet stands that a cut made."""
_MIN_PACKETS = 10
_TOLERANCE_FRAMES = 4.5
"""Order of decoding moves a sync frame by a few frames against order of showing."""


@dataclass(frozen=True)
class Group:
    """A sync frame and the pictures that depend on it."""

    start_seconds: float
    """From the first group, give or take a few frames of reordering."""
    length_seconds: float
    sync_bytes: int
    num_pictures: int = 1
    largest_bytes: int = 0
    """Of the packets after the sync frame; 0 where there are none."""
    usual_bytes: int = 0
    """Size that one packet in ten exceeds, without the sync frame."""
    last_big_seconds: float = 0.0
    """From the start of the group to the last packet that is large against the sync frame."""


@dataclass(frozen=True)
class GroupPlan:
    """All groups of a film."""

    groups: tuple[Group, ...]
    regular_seconds: float
    """Length of a group that nothing interrupts; 0 where there are too few to tell, infinite where
    the encoder begins groups on cuts alone."""
    regular_pictures: float
    """The same in pictures, which differs where the frame rate varies."""
    grid_seconds: float | None
    """Distance of sync frames that stand on a fixed raster whatever the film shows."""
    frame_seconds: float
    places_cuts: bool
    """Whether the codec's encoders start a group exactly on a cut."""

    def is_early(self, number: int, before_seconds: float, seconds: float) -> bool:
        """Whether a group began before its time, so that its encoder saw a cut there.

        Encoders count their interval in pictures or in seconds: it must have run out in neither.

        Args:
            number: Of the group.
            before_seconds: Time of the sync frame before it.
            seconds: Time of its own sync frame.
        """
        slack = _TOLERANCE_FRAMES * self.frame_seconds
        if not self.places_cuts or seconds - before_seconds > self.regular_seconds - slack:
            return False
        if self.groups[number - 1].num_pictures > self.regular_pictures - _TOLERANCE_FRAMES:
            return False
        near = 1.5 * self.frame_seconds
        return self.grid_seconds is None or not _is_on_grid(seconds, self.grid_seconds, near)

    def spike(self, first: int, last: int) -> float:
        """Largest packet inside the groups `[first, last)` over the smaller sync frame around.

        Infinite where that is unknown.
        """
        inside = self.groups[first:last]
        if not inside:
            return math.inf
        sizes = [group.largest_bytes for group in inside]
        sizes += [group.sync_bytes for group in inside[1:]]
        around = [inside[0].sync_bytes]
        around += [group.sync_bytes for group in self.groups[last : last + 1]]
        return max(sizes) / max(1, min(around))

    @property
    def length_seconds(self) -> float:
        """From the first to nearly the end of the last group."""
        return (
            self.groups[-1].start_seconds + self.groups[-1].length_seconds if self.groups else 0.0
        )

    @property
    def is_dense(self) -> bool:
        """Whether sync frames follow each other within half a second or less, nearly always."""
        return 0.0 < self.regular_seconds < 0.5

    def last_big_seconds(self, number: int) -> float:
        """From the start of a group to its last large packet; infinite where that is unknown."""
        return self.groups[number].last_big_seconds if number < len(self.groups) else math.inf

    def stands_out(self, number: int) -> bool:
        """Whether the largest packet of a group is far above all but a few of the others."""
        group = self.groups[number] if number < len(self.groups) else None
        return group is not None and group.largest_bytes > _LONELY * group.usual_bytes


def plan_groups(
    path: Path, *, stream: VideoStream | None = None, limits: MediaLimits | None = None
) -> GroupPlan:
    """Read where the groups of a film are, from its index or else from its packets.

    Args:
        path: A film.
        stream: Its film stream where the file is open already: with a full index in it, which
            MP4 and MOV have, the file is not opened again.
        limits: Bounds on the file.

    Raises:
        NotFoundError, NotMediaError, CorruptMediaError, MediaLimitError: see `open_media`.
    """
    if stream is not None and (indexed := _indexed(stream)):
        return _plan(stream, indexed)
    with open_media(path, limits=limits) as container:
        film = film_stream(container, path)
        return _plan(film, _demuxed(container.demux(film), float(frame_rate(film))))


def _plan(stream: VideoStream, entries: "Iterable[_Entry]") -> GroupPlan:
    groups = tuple(_groups(entries))
    frame_seconds = 1.0 / float(frame_rate(stream))
    # The last group ends with the film and tells nothing.
    regular = _interval([group.length_seconds for group in groups[:-1]], 1.0, frame_seconds)
    counts = [float(group.num_pictures) for group in groups[:-1]]
    return GroupPlan(
        groups=groups,
        regular_seconds=regular,
        regular_pictures=_interval(counts, 1.0 / frame_seconds, 1.0),
        grid_seconds=_grid(groups, regular, frame_seconds),
        frame_seconds=frame_seconds,
        places_cuts=stream.codec_context.name in _CUT_PLACING_CODECS,
    )


_Entry = tuple[float, int, bool]
"""Seconds (of decoding, where the index has no others), bytes, and whether it is a sync frame."""


def _indexed(stream: VideoStream) -> list[_Entry]:
    """The packets by the container's own index; empty where it does not list all of them."""
    entries = stream.index_entries
    if not 0 < stream.frames == len(entries) or stream.time_base is None:
        return []
    base = float(stream.time_base)
    return [(entry.timestamp * base, entry.size, entry.is_keyframe) for entry in entries]


def _demuxed(packets: "Iterator[av.packet.Packet[VideoStream]]", rate: float) -> Iterator[_Entry]:
    number = 0
    for packet in forgiving(packets):
        if packet.size:
            stamp = packet.dts if packet.pts is None else packet.pts
            seconds = number / rate if stamp is None else float(stamp * packet.time_base)
            yield seconds, packet.size, packet.is_keyframe
            number += 1


def _groups(entries: Iterable[_Entry]) -> Iterator[Group]:
    origin: float | None = None
    start = end = 0.0
    sync_bytes = 0
    rest: list[tuple[float, int]] = []
    for seconds, size, is_sync in entries:
        if is_sync:
            if origin is not None:
                yield _group(start - origin, seconds - start, sync_bytes, rest)
            origin = seconds if origin is None else origin
            start, sync_bytes, rest = seconds, size, []
        elif origin is not None:
            rest.append((seconds - start, size))
        end = max(end, seconds)
    if origin is not None:
        yield _group(start - origin, end - start, sync_bytes, rest)


def _group(start: float, length: float, sync_bytes: int, rest: list[tuple[float, int]]) -> Group:
    sizes = sorted(size for _, size in rest)
    big = [seconds for seconds, size in rest if size >= _BIG * sync_bytes]
    return Group(
        start_seconds=start,
        length_seconds=max(0.0, length),
        sync_bytes=sync_bytes,
        num_pictures=1 + len(rest),
        largest_bytes=sizes[-1] if sizes else 0,
        usual_bytes=sizes[int(0.9 * len(sizes))] if len(sizes) >= _MIN_PACKETS else 0,
        last_big_seconds=big[-1] if big else 0.0,
    )


def _interval(lengths: Sequence[float], second: float, frame: float) -> float:
    """Nearly the longest of group lengths, if it is an interval that ran out.

    Where it did, another group has the same length, or the length is one that people set: 250
    frames (x264's own) or whole seconds. A longest group that is neither was ended by a cut like
    all others, and says only that the interval is longer.

    Args:
        lengths: Of all groups but the last, in any unit.
        second: One second in that unit.
        frame: One frame in that unit.

    Returns:
        0 where there are no groups, infinity where no interval ran out.
    """
    if not lengths:
        return 0.0
    lengths = sorted(lengths)
    middle = lengths[len(lengths) // 2]
    alike = [n for n in lengths if abs(n - middle) <= _TOLERANCE_FRAMES * frame]
    if len(lengths) >= _MIN_EVEN and len(alike) >= _EVEN_SHARE * len(lengths):
        return alike[-1]  # nearly all are of one length, but for the order of decoding
    longest = lengths[math.ceil(0.98 * len(lengths)) - 1]
    is_shared = sum(abs(length - longest) <= 0.6 * frame for length in lengths) > 1
    from_usual = min(abs(longest - 250 * frame), abs(longest - round(longest / second) * second))
    return longest if is_shared or from_usual <= 1.5 * frame else math.inf


def _grid(groups: Sequence[Group], regular: float, frame_seconds: float) -> float | None:
    """The regular length, if nearly every multiple of it has a sync frame, cut or not."""
    if regular <= 2 * frame_seconds:
        return None
    slack = _TOLERANCE_FRAMES * frame_seconds
    points = int(groups[-1].start_seconds / regular + 0.5)
    hit = {
        round(group.start_seconds / regular)
        for group in groups[1:]
        if _is_on_grid(group.start_seconds, regular, slack)
    }
    return regular if points >= _MIN_POINTS and len(hit) >= _GRID_SHARE * points else None


def _is_on_grid(seconds: float, grid: float, slack: float) -> bool:
    phase = seconds % grid
    return min(phase, grid - phase) <= slack
