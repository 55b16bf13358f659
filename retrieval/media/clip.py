"""Cut a segment out of a film into a small MP4 that every browser plays.

H.264 and AAC, at most 720 lines, index at the front. The file appears whole or not at all.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from retrieval.errors import CorruptMediaError, InvalidInputError, NotMediaError
from retrieval.media.container import forgiving, map_av_errors, open_media
from retrieval.media.limits import MediaLimits
from retrieval.media.reader import PictureReader, open_pictures
from retrieval.types import Segment

__all__ = ["MAX_CLIP_SECONDS", "cut_clip"]

MAX_CLIP_SECONDS = 120.0
MAX_HEIGHT = 720
MAX_WIDTH = 1280
_CLOCK = Fraction(1, 90_000)
_SOUND_RATE_HZ = 48_000


def cut_clip(path: Path, segment: Segment, out: Path, *, limits: MediaLimits | None = None) -> Path:
    """Write `segment` of the film or sound file `path` to the MP4 file `out`.

    Args:
        path: A media file.
        segment: At most two minutes.
        out: Where to write; its folder exists. An older file is replaced.
        limits: Bounds on the file.

    Returns:
        `out`.

    Raises:
        InvalidInputError: the segment is empty or too long.
        CorruptMediaError: nothing in the segment can be decoded.
        MediaError: the file cannot be read.
    """
    if not 0 < segment.duration_seconds <= MAX_CLIP_SECONDS:
        raise InvalidInputError(
            f"got a segment of {segment.duration_seconds:.3f} s, expected more than 0 and at most"
            f" {MAX_CLIP_SECONDS:.0f} s"
        )
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=".clip-", suffix=".mp4")
    os.close(handle)
    part = Path(name)
    try:
        with (
            map_av_errors(path),
            av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as output,
        ):
            _write(path, segment, output, limits or MediaLimits())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _write(path: Path, segment: Segment, output: OutputContainer, limits: MediaLimits) -> None:
    """Open both sides, then copy pictures and sound; each has its own reader, so any may lack."""
    with open_media(path, limits=limits) as sound:
        source = next((s for s in sound.streams.audio if s.codec_context is not None), None)
        try:
            with open_pictures(path, limits=limits) as reader:
                origin = reader.origin_seconds
                picture = _Pictures(reader, segment, output)
                track = None if source is None else _sound_track(output)
                num_pictures = picture.copy()
        except NotMediaError:
            if source is None:
                raise
            origin = _start_seconds(source)
            track, num_pictures = _sound_track(output), 0
        num_sounds = 0
        if source is not None and track is not None:
            num_sounds = _copy_sound(sound, source, output, track, segment, origin)
    if not num_pictures and not num_sounds:
        raise CorruptMediaError(
            f"nothing can be decoded in {path.name} from {segment.start_seconds:.3f} to"
            f" {segment.end_seconds:.3f} s"
        )


class _Pictures:
    """Copies the pictures of a segment; the stream opens before the first one is known."""

    def __init__(self, reader: PictureReader, segment: Segment, output: OutputContainer) -> None:
        self._reader = reader
        self._segment = segment
        self._output = output
        self._stream: VideoStream = output.add_stream(
            "libx264", rate=min(reader.rate, Fraction(60)), options={"preset": "veryfast"}
        )
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = _CLOCK
        self._stream.codec_context.time_base = _CLOCK
        self._is_sized = False

    def copy(self) -> int:
        """Number of pictures written."""
        self._reader.seek(self._segment.start_seconds)
        number, last = 0, -1
        for item in self._reader.pictures():
            if item.seconds >= self._segment.end_seconds - 1e-6:
                break
            if item.seconds < self._segment.start_seconds - 1e-6:
                continue
            frame = self._shown(item.image(max_side=MAX_WIDTH))
            frame.pts = max(last + 1, round((item.seconds - self._segment.start_seconds) / _CLOCK))
            frame.time_base = _CLOCK
            last = frame.pts
            self._output.mux(self._stream.encode(frame))
            number += 1
        if number:
            self._output.mux(self._stream.encode(None))
        return number

    def _shown(self, image: NDArray[np.uint8]) -> VideoFrame:
        height, width = image.shape[:2]
        scale = min(1.0, MAX_HEIGHT / height)
        if not self._is_sized:
            self._stream.width = max(2, round(width * scale) // 2 * 2)
            self._stream.height = max(2, round(height * scale) // 2 * 2)
            self._is_sized = True
        return VideoFrame.from_ndarray(image, format="rgb24").reformat(
            width=self._stream.width, height=self._stream.height, format="yuv420p"
        )


def _sound_track(output: OutputContainer) -> AudioStream:
    return output.add_stream("aac", rate=_SOUND_RATE_HZ, layout="stereo")


def _start_seconds(stream: AudioStream) -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _copy_sound(
    container: InputContainer,
    source: AudioStream,
    output: OutputContainer,
    track: AudioStream,
    segment: Segment,
    origin: float,
) -> int:
    """Write the sound of the segment; returns the number of sound frames."""
    start, end = segment.start_seconds + origin, segment.end_seconds + origin
    if source.time_base is not None:
        container.seek(int(max(0.0, start) / source.time_base), stream=source, backward=True)
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_SOUND_RATE_HZ)
    number, first = 0, None
    for frame in _sounds(container, source):
        if frame.time is None or frame.time + frame.samples / frame.sample_rate <= start:
            continue
        if frame.time >= end:
            break
        if first is None:
            first = frame.time
        frame.pts = None
        for part in resampler.resample(frame):
            _encode(output, track, part, number, max(0.0, first - start))
            number += part.samples
    for part in resampler.resample(None):
        _encode(output, track, part, number, max(0.0, (first or start) - start))
        number += part.samples
    if number:
        output.mux(track.encode(None))
    return number


def _sounds(container: InputContainer, source: AudioStream) -> Iterator[AudioFrame]:
    """Decoded sound; damaged packets are passed over."""
    for packet in forgiving(container.demux(source)):
        with contextlib.suppress(av.error.FFmpegError):
            yield from packet.decode()


def _encode(
    output: OutputContainer, track: AudioStream, part: av.AudioFrame, number: int, lead: float
) -> None:
    """Encode one piece that begins `number` samples after the first one."""
    part.pts = number + round(lead * _SOUND_RATE_HZ)
    part.time_base = Fraction(1, _SOUND_RATE_HZ)
    output.mux(track.encode(part))
