"""The one door through which FFmpeg opens a file.

Only regular local files, only the `file` protocol, and none of the formats that make FFmpeg open
further files or devices (playlists, image sequences, scripts): see CVE-2016-1897, CVE-2017-9993.
Errors of libav become the errors of `retrieval.errors` here, once.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer

from retrieval.errors import (
    CorruptMediaError,
    MediaError,
    MediaLimitError,
    NotFoundError,
    NotMediaError,
)
from retrieval.media.limits import MediaLimits

__all__ = ["check_file", "forgiving", "map_av_errors", "open_media"]

# Formats that name other files, read devices or networks, or draw text as pictures.
_DENIED_FORMATS = frozenset(
    # Formats that name other files or networks, then those that read devices or draw text.
    """concat concatf dash dvdvideo hls image2 image2pipe imf rtp rtsp sap sdp vobsub
    webm_dash_manifest
    adf bin data fbdev ffmetadata idf kmsgrab lavfi libopenmpt tedcaptions tty x11grab
    xbin""".split()  # noqa: SIM905 (a list of thirty lines is no easier to read)
)
_MAGIC = (
    # (offset, bytes, name): containers that are recognised even when FFmpeg cannot open them.
    (4, b"ftyp", "an MP4 or MOV"),
    (4, b"moov", "a MOV"),
    (4, b"mdat", "a MOV"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM"),
    (8, b"AVI ", "an AVI"),
    (8, b"WAVE", "a WAV"),
    (0, b"FLV\x01", "an FLV"),
    (0, b"OggS", "an Ogg"),
    (0, b"\x30\x26\xb2\x75", "an ASF or WMV"),
    (0, b"fLaC", "a FLAC"),
    (0, b"\x00\x00\x01\xba", "an MPEG"),
)
_READ_TIMEOUT_SECONDS = 60.0
_Packet = TypeVar("_Packet")


def check_file(path: Path, *, limits: MediaLimits) -> os.stat_result:
    """Check that `path` is a regular file of an allowed size, and return its stat.

    Raises:
        NotFoundError: nothing is there.
        NotMediaError: a folder, device, pipe or an empty file.
        MediaLimitError: larger than `limits.max_bytes`.
        MediaError: the system does not let us read it.
    """
    try:
        result = path.stat()
    except FileNotFoundError as exc:
        raise NotFoundError(f"got {path}, which does not exist") from exc
    except (OSError, ValueError) as exc:
        raise MediaError(f"{path} cannot be read: {exc}") from exc
    if not stat.S_ISREG(result.st_mode):
        raise NotMediaError(f"{path} is not a regular file; give a media file")
    if result.st_size == 0:
        raise NotMediaError(f"{path.name} is empty (0 bytes)")
    if result.st_size > limits.max_bytes:
        raise MediaLimitError(
            f"{path.name} has {result.st_size:,} bytes, at most {limits.max_bytes:,} are allowed;"
            " raise max_bytes to accept it"
        )
    return result


@contextlib.contextmanager
def open_media(path: Path, *, limits: MediaLimits | None = None) -> Iterator[InputContainer]:
    """Open a local media file for reading; libav errors inside the block are mapped too.

    Raises:
        NotFoundError, NotMediaError, CorruptMediaError, MediaLimitError, MediaError: see
            `check_file` and `map_av_errors`.
    """
    limits = limits or MediaLimits()
    check_file(path, limits=limits)
    with map_av_errors(path):
        container = _open(path)
        with container:
            num_streams = len(container.streams)
            if num_streams > limits.max_streams:
                raise MediaLimitError(
                    f"{path.name} has {num_streams} streams, at most {limits.max_streams} are"
                    " allowed; raise max_streams to accept it"
                )
            yield container


def _open(path: Path) -> InputContainer:
    try:
        return av.open(
            f"file:{path.absolute()}",
            mode="r",
            options={"protocol_whitelist": "file", "format_whitelist": _allowed_formats()},
            metadata_errors="replace",
            timeout=_READ_TIMEOUT_SECONDS,
        )
    except av.error.InvalidDataError as exc:
        raise _unreadable(path) from exc
    except av.error.ArgumentError as exc:  # how the format whitelist refuses
        raise NotMediaError(
            f"{path.name} is a playlist, a picture or another format that is not read as film"
            " or sound; give the media file itself (pictures go to the image query)"
        ) from exc


@contextlib.contextmanager
def map_av_errors(path: Path) -> Iterator[None]:
    """Turn whatever libav raises inside the block into an error of `retrieval.errors`."""
    try:
        yield
    except av.error.FFmpegError as exc:
        if isinstance(exc, OSError) and not isinstance(exc, EOFError):
            raise MediaError(f"{path.name} cannot be read: {exc.strerror}") from exc
        raise CorruptMediaError(f"{path.name} cannot be decoded: {exc}") from exc


def _unreadable(path: Path) -> MediaError:
    """Tell a damaged container from something that never was one, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        head = b""
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return CorruptMediaError(
                f"{path.name} looks like {name} file but cannot be opened: it is damaged or"
                " incomplete (an interrupted download or recording?)"
            )
    return NotMediaError(f"{path.name} is not a media file that FFmpeg knows")


@cache
def _allowed_formats() -> str:
    """Every demuxer of this FFmpeg that reads nothing but the one file, comma separated."""
    names = []
    for name in sorted(av.formats_available):
        parts = set(name.split(","))
        if parts & _DENIED_FORMATS or name.endswith("_pipe") or name.startswith("image"):
            continue
        names.append(name)
    return ",".join(names)


def forgiving(packets: Iterator[_Packet]) -> Iterator[_Packet]:
    """Packets up to the end of what can be read: a damaged end is an end."""
    with contextlib.suppress(av.error.FFmpegError):
        yield from packets
