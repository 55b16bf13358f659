"""Small libraries written straight into a catalog, with films that do not exist."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalog, VideoRecord
from retrieval.encoders.base import PictureTextEncoder
from retrieval.media.frames import sync_frames
from retrieval.media.hashing import content_id
from retrieval.media.letterbox import crop_bars
from retrieval.media.probe import probe
from retrieval.scenes import group_scenes, longest_shot
from retrieval.types import Segment, Shot, Subtitle, Video
from tests.fakes import FakeSoundEncoder

__all__ = ["add_file", "add_film", "colour", "heard_rows"]

RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "dark": (0, 0, 0),
    "bright": (255, 255, 255),
}
SHOT_SECONDS = 2.0


def colour(name: str) -> NDArray[np.uint8]:
    """A small picture of one colour."""
    return np.full((8, 8, 3), RGB[name], dtype=np.uint8)


def add_film(
    catalog: Catalog,
    encoder: PictureTextEncoder,
    name: str,
    colours: Sequence[str],
    *,
    lines: Sequence[tuple[float, float, str]] = (),
    path: Path | None = None,
    loudness: Sequence[float | None] | None = None,
) -> list[int]:
    """Store a film whose shots of two seconds have these colours; returns the shot ids.

    `loudness` is what `FakeSoundEncoder` heard in each shot, None for silence.
    """
    video_id = f"v{name:0>24}"[:25]
    shots = [
        Shot(
            shot_id=0,
            video_id=video_id,
            number=number,
            segment=Segment(number * SHOT_SECONDS, (number + 1) * SHOT_SECONDS),
            start_frame=number * 50,
            end_frame=(number + 1) * 50,
            keyframe_seconds=number * SHOT_SECONDS + 1.0,
        )
        for number in range(len(colours))
    ]
    vectors = encoder.encode_images([colour(item) for item in colours])
    numbered, scenes = group_scenes(shots, vectors)
    video = Video(
        video_id=video_id,
        path=path or Path(f"/films/{name}.mp4"),
        size_bytes=1,
        modified_ns=1,
        duration_seconds=len(colours) * SHOT_SECONDS or 10.0,
        container="mp4",
        frame_rate=Fraction(25),
        video_codec="h264" if colours else None,
        audio_codec=None if colours else "aac",
    )
    record = VideoRecord(
        video=video,
        shots=numbered,
        scenes=scenes,
        subtitles=[
            Subtitle(video_id, Segment(start, end), text, source="file:film.srt")
            for start, end, text in lines
        ],
        thumbnails=[b"jpeg"] * len(colours),
        shot_vectors=vectors if len(colours) else None,
        frame_times=np.array([shot.keyframe_seconds for shot in shots]) if shots else None,
        frame_vectors=vectors if len(colours) else None,
        encoder=encoder.id if len(colours) else None,
        copy_encoder=encoder.id if len(colours) else None,
        shot_sounds=None if loudness is None else heard_rows(loudness),
        sound_encoder=None if loudness is None else FakeSoundEncoder().id,
        scene_keyframes=[longest_shot(numbered, scene) for scene in scenes],
    )
    return catalog.add_video(record)


def heard_rows(loudness: Sequence[float | None]) -> NDArray[np.float32]:
    """(N, 3) what the fake encoder makes of sounds that are so loud; zeros for None."""
    rows = np.array([(0.0, 0.0) if x is None else (x, 1.0 - x) for x in loudness], np.float32)
    norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return np.pad(rows / norms, ((0, 0), (0, 1))).astype(np.float32)


def add_file(catalog: Catalog, encoder: PictureTextEncoder, path: Path) -> str:
    """Store a real film with its sync frames as shots and frames; returns its video id."""
    info, stat = probe(path), path.stat()
    frames = list(sync_frames(path, max_side=384, min_gap_seconds=0.9))
    vectors = encoder.encode_images(crop_bars([frame.image for frame in frames]))
    video = Video(
        video_id=content_id(path),
        path=path,
        size_bytes=stat.st_size,
        modified_ns=stat.st_mtime_ns,
        duration_seconds=info.duration_seconds,
        container=info.container,
        frame_rate=info.frame_rate,
        video_codec=info.video_codec,
    )
    shot = Shot(0, video.video_id, 0, Segment(0.0, info.duration_seconds), 0, 1, 0.0)
    record = VideoRecord(
        video=video,
        shots=[shot],
        shot_vectors=vectors[:1],
        frame_times=np.array([frame.seconds for frame in frames]),
        frame_vectors=vectors,
        encoder=encoder.id,
        copy_encoder=encoder.id,
    )
    catalog.add_video(record)
    return video.video_id
