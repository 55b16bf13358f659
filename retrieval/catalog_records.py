"""What goes into a catalog as one piece, and the translation between its rows and our words."""

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.types import EncoderId, FloatArray, Scene, Segment, Shot, Subtitle, Video

__all__ = [
    "VideoRecord",
    "path_to_bytes",
    "row_to_scene",
    "row_to_shot",
    "row_to_subtitle",
    "row_to_video",
    "video_to_row",
]


@dataclass(frozen=True)
class VideoRecord:
    """Everything about one video, as ingest hands it over; it checks itself.

    The ids inside are still unknown: `Shot.shot_id` and `Scene.keyframe_shot_id` are ignored and
    given by the catalog. So are the counts of `video`; an empty `video.added_at` becomes now.
    """

    video: Video
    shots: Sequence[Shot] = ()
    """In order: shot i has number i."""
    scenes: Sequence[Scene] = ()
    """In order: scene i has number i; together they hold every shot once."""
    subtitles: Sequence[Subtitle] = ()
    thumbnails: Sequence[bytes] = ()
    """One JPEG a shot; empty where there is none."""
    shot_vectors: FloatArray | None = None
    """(N, D) float32 unit norm, one a shot; None without a picture."""
    frame_times: NDArray[np.float64] | None = None
    """(F,) float64 seconds from the start of the video, ascending."""
    frame_vectors: FloatArray | None = None
    """(F, C) float32 unit norm copy descriptors, one a frame time."""
    encoder: EncoderId | None = None
    """Which encoder made the shots' vectors; None where there are none."""
    copy_encoder: EncoderId | None = None
    """Which copy encoder looked at the frames, also where it was given none; None for no picture
    (or for a video that cannot be matched)."""
    sound_print: bytes | None = None
    """Fingerprint of the sound; None where it gave none."""
    sound_print_version: int | None = None
    """Format of the fingerprint; None where the sound was not listened to."""
    shot_sounds: FloatArray | None = None
    """(N, S) float32, one a shot: unit norm where the shot has sound, zeros where it is silent;
    None where no encoder heard the sound."""
    sound_encoder: EncoderId | None = None
    """Which encoder heard the sound, also where there was only silence."""
    scene_keyframes: Sequence[int] = ()
    """For each scene the number of the shot that stands for it; () = the first of each."""

    def __post_init__(self) -> None:
        numbered: dict[str, Sequence[Shot | Scene]] = {"shots": self.shots, "scenes": self.scenes}
        for what, items in numbered.items():
            for place, item in enumerate(items):
                if item.number != place or item.video_id != self.video.video_id:
                    raise ValueError(
                        f"got {what}[{place}] with number {item.number} of {item.video_id}, "
                        f"expected number {place} of {self.video.video_id}"
                    )
        for what, given in (("thumbnails", self.thumbnails), ("shot_vectors", self.shot_vectors)):
            if given is not None and len(given) not in {len(self.shots), 0}:
                raise ValueError(
                    f"got {len(given)} {what}, expected one for {len(self.shots)} shots"
                )
        if len(self.scene_keyframes) not in {len(self.scenes), 0}:
            raise ValueError(
                f"got {len(self.scene_keyframes) = }, expected {len(self.scenes)} or 0"
            )
        self._check_scenes()
        self._check_vectors()
        self._check_sounds()

    @property
    def num_shot_vectors(self) -> int:
        """Number of shot embeddings."""
        return 0 if self.shot_vectors is None else len(self.shot_vectors)

    @property
    def num_frame_vectors(self) -> int:
        """Number of copy descriptors."""
        return 0 if self.frame_vectors is None else len(self.frame_vectors)

    def keyframe_of(self, scene: Scene) -> int:
        """Number of the shot that stands for a scene."""
        return self.scene_keyframes[scene.number] if self.scene_keyframes else scene.first_shot

    def _check_scenes(self) -> None:
        expected_first = 0
        for scene in self.scenes:
            keyframe = self.keyframe_of(scene)
            is_within = scene.first_shot <= keyframe <= scene.last_shot < len(self.shots)
            if scene.first_shot != expected_first or not is_within:
                raise ValueError(
                    f"got {scene} with {keyframe = }, expected first_shot {expected_first} <= "
                    f"keyframe <= last_shot < {len(self.shots)} shots"
                )
            expected_first = scene.last_shot + 1
        if self.scenes and expected_first != len(self.shots):
            raise ValueError(f"got scenes up to shot {expected_first - 1} of {len(self.shots)}")

    def _check_vectors(self) -> None:
        num_times = 0 if self.frame_times is None else len(self.frame_times)
        if num_times != self.num_frame_vectors:
            raise ValueError(f"got {num_times} frame times for {self.num_frame_vectors} vectors")
        if self.frame_times is not None and not np.isfinite(self.frame_times).all():
            raise ValueError("got frame_times that are not finite")
        if self.sound_print is not None and self.sound_print_version is None:
            raise ValueError("got a sound print without the version of its format")
        made = ((self.shot_vectors, self.encoder), (self.frame_vectors, self.copy_encoder))
        for vectors, encoder in made:
            if vectors is None or len(vectors) == 0:
                continue
            if encoder is None:
                raise ValueError("got vectors without the encoder that made them")
            if vectors.ndim != 2 or vectors.shape[1] != encoder.dim:
                raise ValueError(f"got {vectors.shape = }, expected (N, {encoder.dim})")
            norms = np.linalg.norm(vectors, axis=1)
            if not np.all(np.abs(norms - 1.0) < 1e-2):  # also false for NaN
                raise ValueError("got vectors that are not of unit norm (or not finite)")

    def _check_sounds(self) -> None:
        sounds, encoder = self.shot_sounds, self.sound_encoder
        if (sounds is None) != (encoder is None):
            raise ValueError("got sound vectors without their encoder, or the reverse")
        if sounds is None or encoder is None:
            return
        if sounds.shape != (len(self.shots), encoder.dim):
            raise ValueError(f"got {sounds.shape = }, expected ({len(self.shots)}, {encoder.dim})")
        norms = np.linalg.norm(sounds, axis=1)
        if not np.all((norms == 0.0) | (np.abs(norms - 1.0) < 1e-2)):  # also false for NaN
            raise ValueError("got sound vectors that are neither of unit norm nor zero")


def path_to_bytes(path: str | Path) -> bytes:
    """Return the absolute path as the file system's bytes: names need not be valid text."""
    return os.fsencode(os.path.abspath(path))  # resolve() would follow links


def video_to_row(record: VideoRecord, *, added_at: str, located_at: int) -> dict[str, Any]:
    """Return the values of the videos table, by column."""
    video = record.video
    return {
        "video_id": video.video_id,
        "path": path_to_bytes(video.path),
        "size_bytes": video.size_bytes,
        "modified_ns": video.modified_ns,
        "duration_seconds": video.duration_seconds,
        "container": video.container,
        "width": video.width,
        "height": video.height,
        "rotation_degrees": video.rotation_degrees,
        "frame_rate": None if video.frame_rate is None else str(video.frame_rate),
        "video_codec": video.video_codec,
        "audio_codec": video.audio_codec,
        "sample_rate_hz": video.sample_rate_hz,
        "shot_mode": video.shot_mode,
        "num_shots": len(record.shots),
        "num_scenes": len(record.scenes),
        "num_subtitles": len(record.subtitles),
        "added_at": added_at,
        "warnings": json.dumps(video.warnings),  # ASCII, so that any text can be stored
        "located_at": located_at,
        "match_threshold": video.match_threshold,
    }


def row_to_video(row: sqlite3.Row) -> Video:
    """Read a row of the videos table."""
    return _video(tuple(row.keys()), tuple(row))


@lru_cache(maxsize=4096)
def _video(names: tuple[str, ...], values: tuple[Any, ...]) -> Video:
    """The video of a row; every search shows the same few films, and a path is slow to make."""
    fields = dict(zip(names, values, strict=True))
    del fields["located_at"]
    rate = fields["frame_rate"]
    fields["path"] = Path(os.fsdecode(fields["path"]))
    fields["frame_rate"] = None if rate is None else Fraction(rate)
    fields["warnings"] = tuple(json.loads(fields["warnings"]))
    return Video(**fields)


def row_to_shot(row: sqlite3.Row) -> Shot:
    """Read a row of the shots table."""
    return Shot(
        shot_id=row["shot_id"],
        video_id=row["video_id"],
        number=row["number"],
        segment=Segment(row["start_seconds"], row["end_seconds"]),
        start_frame=row["start_frame"],
        end_frame=row["end_frame"],
        keyframe_seconds=row["keyframe_seconds"],
        scene_number=row["scene_number"],
        is_exact=bool(row["is_exact"]),
    )


def row_to_scene(row: sqlite3.Row) -> Scene:
    """Read a row of the scenes table."""
    return Scene(
        video_id=row["video_id"],
        number=row["number"],
        segment=Segment(row["start_seconds"], row["end_seconds"]),
        first_shot=row["first_shot"],
        last_shot=row["last_shot"],
        keyframe_shot_id=row["keyframe_shot_id"],
    )


def row_to_subtitle(row: sqlite3.Row) -> Subtitle:
    """Read a row of the subtitles table."""
    return Subtitle(
        video_id=row["video_id"],
        segment=Segment(row["start_seconds"], row["end_seconds"]),
        text=row["text"],
        language=row["language"],
        source=row["source"],
    )
