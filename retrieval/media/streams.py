"""Which stream of a container is the film, and what its header says."""

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from retrieval.errors import CorruptMediaError, NotMediaError

__all__ = ["film_stream", "frame_rate", "is_cover_art", "pixel_aspect"]

_DEFAULT_RATE = Fraction(25)
_MAX_RATE = 1000


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


def frame_rate(stream: VideoStream) -> Fraction:
    """Average frames per second; 25 where the file tells none."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= _MAX_RATE:
            return rate
    return _DEFAULT_RATE


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height; 1 where the file tells none, or nonsense."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and Fraction(1, 4) <= aspect <= 4 else Fraction(1)
