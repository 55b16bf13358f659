"""Reading one film: shots, thumbnails and embeddings in a single pass over its pictures.

`ingest` stores what comes out; `classify` uses it for a film that is not in a library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding import FrameEmbedder
from retrieval.media.frames import Frame
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe
from retrieval.media.shots import detect_shots
from retrieval.media.thumbnails import jpeg_thumbnail
from retrieval.types import FloatArray, ProgressCallback, Shot, ShotMode

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = ["Film", "read_film"]


@dataclass(frozen=True)
class Film:
    """What one pass over a film gives; all empty where there is no picture.

    Attributes:
        info: What the container says.
        shots: In order, without ids (`video_id` is as given to `read_film`).
        thumbnails: One JPEG a shot.
        shot_vectors: (N, D) of the keyframes.
        frame_times: (F,) seconds of the sampled frames, rising.
        frame_vectors: (F, D) embeddings for search.
        frame_copies: (F, C) copy descriptors; (F, 0) without a copy encoder.
        warnings: What was repaired or left out.
    """

    info: MediaInfo
    shots: Sequence[Shot]
    thumbnails: Sequence[bytes]
    shot_vectors: FloatArray
    frame_times: NDArray[np.float64]
    frame_vectors: FloatArray
    frame_copies: FloatArray
    warnings: tuple[str, ...]


def read_film(
    path: Path,
    *,
    encoder: "PictureTextEncoder",
    copy_encoder: "CopyEncoder | None" = None,
    limits: MediaLimits | None = None,
    info: MediaInfo | None = None,
    video_id: str = "",
    shots: ShotMode = "fast",
    detector: str = "sync",
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Film:
    """Find the shots of a film and embed its frames while it is decoded.

    Args:
        path: A media file.
        encoder: Makes the embeddings, on a thread of its own.
        copy_encoder: Makes copy descriptors of the same frames; None for none.
        limits: Bounds on the file; None for the defaults.
        info: What `probe` said, where it is known already.
        video_id: Goes into the shots.
        shots: How exact cuts must be.
        detector: Name of the shot detector.
        progress: Told how many seconds of the film are decoded.
        should_stop: Asked often.

    Raises:
        MediaError: The file cannot be read.
        InvalidInputError: There is no such detector.
        OperationCancelled: `should_stop` said so.
    """
    bounds = limits or MediaLimits()
    known = info or probe(path, limits=bounds)
    if not known.has_picture:
        empty = np.empty((0, encoder.dim), dtype=np.float32)
        no_copies = np.empty((0, 0 if copy_encoder is None else copy_encoder.dim), np.float32)
        return Film(known, (), (), empty, np.empty(0), empty, no_copies, known.warnings)
    thumbnails: dict[int, bytes] = {}

    def take_keyframe(number: int, frame: Frame) -> None:
        thumbnails[number] = jpeg_thumbnail(frame.image)

    with FrameEmbedder(encoder, copy_encoder=copy_encoder) as embedder:
        result = detect_shots(
            path,
            known,
            mode=shots,
            detector=detector,
            limits=bounds,
            on_frame=lambda frame: embedder.add(frame.seconds, frame.image),
            on_keyframe=take_keyframe,
            progress=progress,
            should_stop=should_stop,
        )
        frames = embedder.finish()
    found = [replace(shot, video_id=video_id) for shot in result.shots]
    return Film(
        info=known,
        shots=found,
        thumbnails=[thumbnails[shot.number] for shot in found],
        shot_vectors=frames.at([shot.keyframe_seconds for shot in found]),
        frame_times=frames.times,
        frame_vectors=frames.vectors,
        frame_copies=frames.copies,
        warnings=(*known.warnings, *result.warnings),
    )
