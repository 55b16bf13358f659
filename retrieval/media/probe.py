"""What is in a media file, and whether it can be used at all.

Reads headers and one picture (one stretch of sound without film): a file that passes can be
decoded, at least at its start.
"""

from itertools import islice
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from retrieval.errors import CorruptMediaError, MediaLimitError, NotMediaError
from retrieval.media.container import open_media
from retrieval.media.info import MediaInfo, StreamInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.reader import PictureReader
from retrieval.media.streams import film_stream, is_cover_art

__all__ = ["MediaInfo", "MediaLimits", "StreamInfo", "probe"]

_TEXT_SUBTITLES = frozenset(
    """ass microdvd mov_text realtext sami srt ssa subrip subviewer text ttml
    webvtt""".split()  # noqa: SIM905
)
_MAX_FIRST_PACKETS = 2000
_TRUNCATION_SECONDS = 0.5


def probe(path: Path, *, limits: MediaLimits | None = None) -> MediaInfo:
    """Look into a media file.

    Raises:
        NotFoundError: there is no such file.
        NotMediaError: not a media file, a still picture, or nothing but cover art.
        CorruptMediaError: a media file in which nothing can be decoded.
        MediaLimitError: larger, longer or wider than `limits`.
    """
    limits = limits or MediaLimits()
    with open_media(path, limits=limits) as container:
        streams = tuple(_stream_info(stream) for stream in container.streams)
        film, sound = _film(container, path), _sound(container)
        if film is None and sound is None:
            raise _nothing_usable(path, streams)
        first, warnings = _first_picture(container, path, limits) if film else (None, [])
        if first is None:
            if sound is None:
                raise CorruptMediaError(f"{path.name}: no picture in it can be decoded")
            _check_sound(path, limits)
        duration = _duration(container, path, limits)
        warnings += _truncation(container, path, duration)
        turn = 0 if first is None else round(-first.rotation / 90) % 4 * 90
        width, height = (0, 0) if first is None else (first.width, first.height)
        is_film = film is not None and first is not None
        rate = None if film is None or not is_film else film.average_rate or film.guessed_rate
        return MediaInfo(
            path=path,
            size_bytes=path.stat().st_size,
            container=container.format.name,
            duration_seconds=duration,
            streams=streams,
            width=height if turn % 180 else width,
            height=width if turn % 180 else height,
            rotation_degrees=turn,
            frame_rate=rate if rate and rate > 0 else None,
            video_index=film.index if film is not None and is_film else None,
            audio_index=None if sound is None else sound.index,
            video_codec=film.codec_context.name if film is not None and is_film else None,
            audio_codec=None if sound is None else sound.codec_context.name,
            sample_rate_hz=None if sound is None else sound.codec_context.sample_rate,
            warnings=tuple(warnings),
        )


def _stream_info(stream: Stream) -> StreamInfo:
    context = cast("av.CodecContext | None", stream.codec_context)
    codec = None if context is None else context.name
    language = stream.language
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec,
        language=None if language in (None, "", "und") else language,
        is_cover_art=isinstance(stream, VideoStream) and is_cover_art(stream),
        is_text=stream.type == "subtitle" and codec in _TEXT_SUBTITLES,
    )


def _film(container: InputContainer, path: Path) -> VideoStream | None:
    try:
        return film_stream(container, path)
    except (NotMediaError, CorruptMediaError):
        return None


def _sound(container: InputContainer) -> AudioStream | None:
    known = [s for s in container.streams.audio if s.codec_context is not None]
    return known[0] if known else None


def _nothing_usable(path: Path, streams: tuple[StreamInfo, ...]) -> NotMediaError:
    if any(item.is_cover_art for item in streams):
        return NotMediaError(f"{path.name} holds a still picture, no film and no sound")
    if any(item.kind in ("video", "audio") for item in streams):
        return NotMediaError(f"{path.name} has only codecs that this FFmpeg cannot decode")
    kinds = ", ".join(sorted({item.kind for item in streams})) or "nothing"
    return NotMediaError(f"{path.name} has neither film nor sound (it holds: {kinds})")


def _first_picture(
    container: InputContainer, path: Path, limits: MediaLimits
) -> tuple[VideoFrame | None, list[str]]:
    """The first picture that can be decoded, and what to say about the film stream."""
    reader = PictureReader(container, path=path, limits=limits)
    for picture in reader.pictures():
        return picture.frame, []
    return None, ["the film stream cannot be decoded; only the sound is used"]


def _check_sound(path: Path, limits: MediaLimits) -> None:
    with open_media(path, limits=limits) as container:
        stream = container.streams.audio[0]
        for packet in islice(container.demux(stream), _MAX_FIRST_PACKETS):
            try:
                if packet.decode():
                    return
            except av.error.FFmpegError:
                continue
    raise CorruptMediaError(f"{path.name}: no sound in it can be decoded")


def _duration(container: InputContainer, path: Path, limits: MediaLimits) -> float:
    """Declared length in seconds; measured by reading all packets where none is declared."""
    declared = (container.duration or 0) / av.time_base
    seconds = declared if declared > 0 else _measured_seconds(path, limits)
    if seconds > limits.max_duration_seconds:
        raise MediaLimitError(
            f"{path.name} is {seconds:,.0f} s long, at most {limits.max_duration_seconds:,.0f} s"
            " are allowed; raise max_duration_seconds to accept it"
        )
    return seconds


def _measured_seconds(path: Path, limits: MediaLimits) -> float:
    with open_media(path, limits=limits) as container:
        film, sound = _film(container, path), _sound(container)
        if film is not None:
            reader = PictureReader(container, path=path, limits=limits)
            return reader.measure_seconds()
        end, start = 0.0, None
        for packet in container.demux(cast(AudioStream, sound)):
            if packet.pts is not None:
                start = packet.pts if start is None else start
                length = packet.pts + (packet.duration or 0) - start
                end = max(end, float(length * packet.time_base))
        return end


def _truncation(container: InputContainer, path: Path, duration: float) -> list[str]:
    """Say where the data of a file with an index ends early."""
    if not container.streams.video:
        return []
    entries = container.streams.video[0].index_entries
    size, count = path.stat().st_size, len(entries)
    keep = count
    while keep > 0 and entries[keep - 1].pos + entries[keep - 1].size > size:
        keep -= 1
    if keep == count or count == 0:
        return []
    base = container.streams.video[0].time_base or 1
    end = float(entries[max(0, keep - 1)].timestamp * base)
    if duration - end < _TRUNCATION_SECONDS:
        return []
    return [f"the file ends early: about {end:.1f} of {duration:.1f} s are there"]
