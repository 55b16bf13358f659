"""Small libraries written straight into a catalog, with films that do not exist."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalog, VideoRecord
from retrieval.encoders.base import PictureTextEncoder
from retrieval.scenes import group_scenes, longest_shot
from retrieval.types import Segment, Shot, Subtitle, Video

__all__ = ["add_film", "colour"]

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
) -> list[int]:
    """Store a film whose shots of two seconds have these colours; returns the shot ids."""
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
        scene_keyframes=[longest_shot(numbered, scene) for scene in scenes],
    )
    return catalog.add_video(record)
