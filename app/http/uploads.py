"""What uploaded files must be before anything works on them."""

from app.http.bodies import Upload
from retrieval.errors import MediaLimitError, NotMediaError
from retrieval.match_reading import open_suspect
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe

__all__ = ["check_film", "check_sound", "check_suspect"]


def check_film(upload: Upload, *, limits: MediaLimits, max_seconds: float) -> MediaInfo:
    """Probe an uploaded film.

    Raises:
        MediaError: It cannot be read, has no picture, or is longer than `max_seconds`.
    """
    info = _probe(upload, limits, max_seconds)
    if not info.has_picture:
        raise NotMediaError("the upload has no picture; expected a film")
    return info


def check_suspect(upload: Upload, *, limits: MediaLimits, max_seconds: float) -> None:
    """Look at an upload in which copies are to be found: a film, a sound file or a still image.

    Raises:
        MediaError: It is none of them, cannot be read, or is longer than `max_seconds`.
    """
    suspect = open_suspect(upload.path, limits=limits)
    _check_length(suspect.duration_seconds, max_seconds)


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
    _check_length(info.duration_seconds, max_seconds)
    return info


def _check_length(seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise MediaLimitError(
            f"the upload lasts {seconds:.1f} s, at most {max_seconds:g} s are allowed"
        )
