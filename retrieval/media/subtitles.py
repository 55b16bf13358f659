"""Subtitle lines of a film: files beside it and text streams inside it.

A damaged subtitle file never costs the film: it is left out, and a warning says so.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pysubs2
from av.container import InputContainer
from av.error import InvalidDataError
from av.subtitles.stream import SubtitleStream

from retrieval.errors import MediaError
from retrieval.media.container import map_av_errors, open_media
from retrieval.media.info import MediaInfo, StreamInfo
from retrieval.media.limits import MediaLimits
from retrieval.types import Segment, Subtitle

__all__ = [
    "SUBTITLE_SUFFIXES",
    "decode_text",
    "embedded_subtitles",
    "find_subtitles",
    "sidecar_subtitles",
    "sidecars",
]

SUBTITLE_SUFFIXES = (".ass", ".srt", ".ssa", ".vtt")
MAX_SIDECARS = 32
MAX_SIDECAR_BYTES = 20 * 1024**2
MAX_LINES = 200_000
MAX_LINE_CHARS = 2_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}")
_ASS_FIELDS = 8
"""Fields of an embedded ASS line before its text."""
_SPACE = re.compile(r"\s+")

Found = tuple[list[Subtitle], list[str]]
"""Lines in order of time, and warnings for a person."""


def find_subtitles(
    path: Path, info: MediaInfo, *, video_id: str = "", limits: MediaLimits | None = None
) -> Found:
    """All subtitle lines of a film, those beside it first, each source in order of time."""
    beside, problems = sidecar_subtitles(path, video_id=video_id)
    inside, more = embedded_subtitles(path, info, video_id=video_id, limits=limits)
    return beside + inside, problems + more


def sidecar_subtitles(path: Path, *, video_id: str = "") -> Found:
    """Read `film.srt`, `film.en.srt`, `film.zh-CN.ass` … beside `film.mp4`."""
    lines: list[Subtitle] = []
    problems: list[str] = []
    for file, language in sidecars(path):
        try:
            lines += _read_sidecar(file, language, video_id)
        except (OSError, ValueError, pysubs2.exceptions.Pysubs2Error) as exc:
            problems.append(f"subtitle file {file.name} was left out: {exc}")
    return lines, problems


def embedded_subtitles(
    path: Path, info: MediaInfo, *, video_id: str = "", limits: MediaLimits | None = None
) -> Found:
    """Read the text subtitle streams of a container; streams of pictures are named and left out."""
    lines: list[Subtitle] = []
    problems = [
        f"subtitle stream {item.index} is made of pictures and was left out"
        for item in info.streams
        if item.kind == "subtitle" and not item.is_text
    ]
    if not info.subtitle_streams:
        return lines, problems
    try:
        with open_media(path, limits=limits) as container:
            origin = _origin_seconds(container, info)
            by_index = {item.index: item for item in info.subtitle_streams}
            wanted = [item for item in container.streams.subtitles if item.index in by_index]
            for seconds, length, index, text in _stream_lines(container, wanted):
                item = by_index[index]
                line = _line(seconds - origin, length, text, video_id, item.language, _name(item))
                if line is not None and len(lines) < MAX_LINES:
                    lines.append(line)
    except MediaError as exc:
        problems.append(f"embedded subtitles end early: {exc}")
    return sorted(lines, key=lambda line: (line.source, line.segment.start_seconds)), problems


# --- files beside the film


def sidecars(path: Path, files: Iterable[Path] | None = None) -> list[tuple[Path, str | None]]:
    """Subtitle files whose name begins with the film's, with the language in their name.

    Args:
        path: The film.
        files: Of its folder; None to list it.

    Raises:
        OSError: The folder cannot be read.
    """
    prefix = path.stem.casefold()
    found: list[tuple[Path, str | None]] = []
    for file in path.parent.iterdir() if files is None else files:
        stem = file.stem.casefold()
        if file.suffix.lower() not in SUBTITLE_SUFFIXES or not stem.startswith(prefix):
            continue
        if stem == prefix and file.is_file():
            found.append((file, None))
        elif stem.startswith(f"{prefix}.") and file.is_file():
            tags = [tag for tag in file.stem[len(prefix) :].split(".") if tag]
            language = next((tag for tag in tags if _LANGUAGE.fullmatch(tag)), None)
            found.append((file, language))
    return sorted(found, key=lambda item: item[0].name)[:MAX_SIDECARS]


def _read_sidecar(file: Path, language: str | None, video_id: str) -> list[Subtitle]:
    size = file.stat().st_size
    if size > MAX_SIDECAR_BYTES:
        raise ValueError(f"it has {size:,} bytes, at most {MAX_SIDECAR_BYTES:,} are read")
    text = decode_text(file.read_bytes())
    lines = []
    for event in _parse(text, file.suffix.lower().lstrip("."))[:MAX_LINES]:
        if event.is_comment or event.is_drawing:
            continue
        seconds = event.start / 1000
        line = _line(
            seconds, event.end / 1000 - seconds, event.plaintext, video_id, language,
            f"file:{file.name}",
        )  # fmt: skip
        if line is not None:
            lines.append(line)
    if not lines and text.strip():
        raise ValueError("no subtitle line was found in it")
    return sorted(lines, key=lambda line: line.segment.start_seconds)


def _parse(text: str, suffix: str) -> list[pysubs2.SSAEvent]:
    """Events of a file; what it holds decides, and its suffix where that is not clear."""
    if not text.strip():
        return []
    try:
        return list(pysubs2.SSAFile.from_string(text).events)
    except pysubs2.exceptions.FormatAutodetectionError:
        return list(pysubs2.SSAFile.from_string(text, format_=suffix).events)


def decode_text(data: bytes) -> str:
    """Text of a subtitle file: UTF-8, UTF-16 by its mark, GB18030 by its bytes, else Windows-1252.

    GB18030 is taken where nearly all bytes above ASCII come in the pairs of GB2312 (both
    0xA1–0xFE), which Western texts never do: there a letter with an accent stands alone.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    high = sum(byte >= 0x80 for byte in data)
    paired = 2 * len(re.findall(rb"[\xa1-\xfe][\xa1-\xfe]", data))
    encoding = "gb18030" if paired >= 0.9 * high else "cp1252"
    return data.decode(encoding, errors="replace")


# --- streams inside the film


def _origin_seconds(container: InputContainer, info: MediaInfo) -> float:
    """Where the clock of the container stands when the film begins."""
    index = info.audio_index if info.video_index is None else info.video_index
    stream = None if index is None else container.streams[index]
    if stream is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _stream_lines(
    container: InputContainer, streams: list[SubtitleStream]
) -> Iterator[tuple[float, float, int, str]]:
    """Start and length in seconds, stream index and text of each line."""
    if not streams:
        return
    with map_av_errors(Path(container.name)):
        for packet in container.demux(*streams):
            if packet.pts is None or packet.time_base is None or not packet.size:
                continue
            start = float(packet.pts * packet.time_base)
            length = float((packet.duration or 0) * packet.time_base)
            try:
                texts = [_dialogue(item) for item in packet.decode()]
            except InvalidDataError:  # one damaged line
                continue
            yield start, length, packet.stream.index, "\n".join(filter(None, texts))


def _dialogue(subtitle: object) -> str:
    """Plain text of a decoded line, which libav gives as one ASS event."""
    raw = getattr(subtitle, "ass", None) or getattr(subtitle, "text", None) or b""
    text = raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else str(raw)
    parts = text.split(",", _ASS_FIELDS)
    return str(pysubs2.SSAEvent(text=parts[-1]).plaintext)


def _name(item: StreamInfo) -> str:
    return f"stream:{item.index}"


# --- both


def _line(
    start: float, length: float, text: str, video_id: str, language: str | None, source: str
) -> Subtitle | None:
    """One clean line; None where there is no text or it ends before the film begins."""
    plain = _SPACE.sub(" ", _printable(text)).strip()[:MAX_LINE_CHARS]
    end = start + max(0.0, length)
    if not plain or end < 0 or not end < 1e7:
        return None
    return Subtitle(video_id, Segment(max(0.0, start), max(0.0, end)), plain, language, source)


def _printable(text: Iterable[str]) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
