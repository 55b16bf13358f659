"""What a media file holds, as its container and its first picture tell."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

__all__ = ["MediaInfo", "StreamInfo"]

StreamKind = Literal["video", "audio", "subtitle", "data", "attachment", "unknown"]


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a container."""

    index: int
    kind: StreamKind
    codec: str | None
    """None where this FFmpeg has no decoder for it."""
    language: str | None = None
    is_cover_art: bool = False
    """A still that decorates the file, not film."""
    is_text: bool = False
    """A subtitle stream made of text, not of pictures."""


@dataclass(frozen=True)
class MediaInfo:
    """One media file; times count from its first picture (from its first sound without one)."""

    path: Path
    size_bytes: int
    container: str
    """FFmpeg's name of the format, such as `mov,mp4,m4a,3gp,3g2,mj2`."""
    duration_seconds: float
    streams: tuple[StreamInfo, ...]
    width: int = 0
    """Of the upright picture, in coded pixels."""
    height: int = 0
    rotation_degrees: int = 0
    """Clockwise turn that makes the coded picture upright: 0, 90, 180 or 270."""
    frame_rate: Fraction | None = None
    """Average frames per second; None where there is no picture or it is unknown."""
    video_index: int | None = None
    """Stream of the film; None for sound alone."""
    audio_index: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate_hz: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def has_picture(self) -> bool:
        """Whether a picture could be decoded."""
        return self.video_index is not None

    @property
    def has_sound(self) -> bool:
        """Whether there is a sound stream with a known decoder."""
        return self.audio_index is not None

    @property
    def subtitle_streams(self) -> tuple[StreamInfo, ...]:
        """Text subtitle streams."""
        return tuple(item for item in self.streams if item.kind == "subtitle" and item.is_text)
