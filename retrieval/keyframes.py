"""The keyframes of a film's shots once more: as the library keeps them, or decoded from the film.

What is kept is a JPEG of at most `MAX_SIDE` pixels. It stands in for a film that is missing where
an encoder sees no more of a picture than that, yet is not the same: JPEG shows in the embedding.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from retrieval.catalog import Catalog
from retrieval.errors import CorruptMediaError, MediaError, NotFoundError
from retrieval.media.frames import Frame
from retrieval.media.hashing import content_id
from retrieval.media.limits import MediaLimits
from retrieval.media.reader import PictureReader, open_pictures
from retrieval.media.shots import MAX_SIDE as FILM_SIDE
from retrieval.media.thumbnails import MAX_SIDE
from retrieval.types import Shot, Video

__all__ = ["are_kept_large", "check_film", "film_keyframes", "kept_keyframes"]

_TOLERANCE_SECONDS = 1e-3
"""By which a time may differ between two ways through a film."""


def are_kept_large(catalog: Catalog, shots: Sequence[Shot], *, side: int | None) -> bool:
    """Whether kept keyframes have as many pixels as an encoder would see of the film.

    They have where they were not shrunk, or where their shorter side has all that it sees. All of
    a film have one size, so the first is looked at.

    Args:
        catalog: The library.
        shots: Of one film.
        side: Pixels of the shorter side of what the encoder sees; None where that is not known.
    """
    try:
        with _opened(catalog.thumbnail(shots[0].shot_id), shots[0]) as picture:
            is_whole = max(picture.size) < MAX_SIDE
            return is_whole or (side is not None and min(picture.size) >= side)
    except (NotFoundError, CorruptMediaError):
        return False


def kept_keyframes(catalog: Catalog, shots: Sequence[Shot]) -> Iterator[Frame]:
    """The keyframes that the library keeps of some shots, in order.

    Raises:
        CorruptMediaError: One is not kept, or cannot be decoded.
    """
    for shot in shots:
        try:
            jpeg = catalog.thumbnail(shot.shot_id)
        except NotFoundError as exc:
            raise CorruptMediaError(f"no keyframe is kept of shot {shot.number}") from exc
        try:
            with _opened(jpeg, shot) as picture:
                yield Frame(shot.keyframe_seconds, np.asarray(picture.convert("RGB")))
        except (OSError, ValueError, SyntaxError) as exc:
            raise _damaged(shot) from exc


def film_keyframes(
    path: Path,
    shots: Sequence[Shot],
    *,
    limits: MediaLimits,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Frame]:
    """The keyframes of a film's shots, decoded at their times, of the size that ingest embeds.

    The frames have the shots' `keyframe_seconds`. Only what lies between a keyframe and the sync
    frame before it is decoded.

    Raises:
        MediaError: The file cannot be read, or has no picture there.
        OperationCancelled: `should_stop` said so.
    """
    with open_pictures(path, limits=limits, should_stop=should_stop) as reader:
        for shot in sorted(shots, key=lambda shot: shot.keyframe_seconds):
            picture = _picture_at(reader, shot.keyframe_seconds)
            if picture is None:
                raise CorruptMediaError(
                    f"{path.name} has no picture at {shot.keyframe_seconds:.3f} s that can be "
                    "decoded"
                )
            yield Frame(shot.keyframe_seconds, picture)


def _picture_at(reader: PictureReader, seconds: float) -> np.ndarray | None:
    """The picture of that time, the last one where the film ends before; None where there is none.

    A file without times cannot be searched: there a reader only goes on.
    """
    reader.seek(seconds)
    last = None
    for picture in reader.pictures():
        last = picture
        if picture.seconds >= seconds - _TOLERANCE_SECONDS:
            break
    return None if last is None else last.image(max_side=FILM_SIDE)


def check_film(
    video: Video, *, limits: MediaLimits, should_stop: Callable[[], bool] | None = None
) -> None:
    """Refuse a file that is gone, or no longer the film that was ingested.

    Raises:
        NotFoundError: Nothing is where the film was.
        MediaError: Another file is there.
    """
    try:
        stat = video.path.stat()
    except OSError as exc:
        raise NotFoundError(f"it is not at {video.path}") from exc
    if stat.st_mtime_ns == video.modified_ns and stat.st_size == video.size_bytes:
        return
    is_same = stat.st_size == video.size_bytes and (
        content_id(video.path, limits=limits, should_stop=should_stop) == video.video_id
    )
    if not is_same:
        raise MediaError(f"another file is at {video.path}")


def _opened(jpeg: bytes, shot: Shot) -> Image.Image:
    try:
        return Image.open(io.BytesIO(jpeg), formats=["JPEG"])
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as exc:
        raise _damaged(shot) from exc


def _damaged(shot: Shot) -> CorruptMediaError:
    return CorruptMediaError(f"the kept keyframe of shot {shot.number} cannot be decoded")
