"""What uploaded files must be before anything works on them."""

from app.http.bodies import Upload
from retrieval.errors import MediaLimitError, NotMediaError
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe

__all__ = ["check_film", "check_sound"]


def check_film(upload: Upload, *, limits: MediaLimits, max_seconds: float) -> MediaInfo:
    """Probe an uploaded film.

    Raises:
        MediaError: It cannot be read, has no picture, or is longer than `max_seconds`.
    """
    info = _probe(upload, limits, max_seconds)
    if not info.has_picture:
        raise NotMediaError("the upload has no picture; expected a film")
    return info


def check_sound(upload: Upload, *, limits: MediaLimits, max_seconds: float) -> MediaInfo:
    """Probe an uploaded sound.

    Raises:
        MediaError: It cannot be read, has no sound, or is longer than `max_seconds`.
    """
    info = _probe(upload, limits, max_seconds)
    if not info.has_sound:
        raise NotMediaError("the upload has no sound; expected audio, or a film with it")
    return info


def _probe(upload: Upload, limits: MediaLimits, max_seconds: float) -> MediaInfo:
    info = probe(upload.path, limits=limits)
    if info.duration_seconds > max_seconds:
        raise MediaLimitError(
            f"the upload lasts {info.duration_seconds:.1f} s, at most {max_seconds:g} s are allowed"
        )
    return info
