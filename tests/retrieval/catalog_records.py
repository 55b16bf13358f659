"""Video records with predictable content for the catalog tests."""

from pathlib import Path

import numpy as np

from retrieval.catalog import VideoRecord
from retrieval.types import EncoderId, FloatArray, Scene, Segment, Shot, Subtitle, Video

ENCODER = EncoderId("fake:catalog/test", "0123456789abcdef", 8)


def make_vectors(num: int, *, dim: int = 8, seed: int = 0) -> FloatArray:
    rows = np.random.default_rng(seed).standard_normal((num, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def make_record(
    name: str = "one",
    *,
    num_shots: int = 4,
    lines: tuple[str, ...] = ("first line", "second line"),
    path: Path | None = None,
    encoder: EncoderId = ENCODER,
) -> VideoRecord:
    """Shots of one second at 25 frames/s, two to a scene, two frame embeddings a shot."""
    video_id = f"v{name}"
    seed = sum(name.encode())
    segments = [Segment(float(start), float(start + 1)) for start in range(num_shots)]
    shots = [
        Shot(0, video_id, i, part, i * 25, i * 25 + 25, i + 0.5, scene_number=i // 2)
        for i, part in enumerate(segments)
    ]
    scenes = [
        Scene(video_id, i // 2, Segment(float(i), min(i + 2.0, float(num_shots))), i, last)
        for i in range(0, num_shots, 2)
        for last in [min(i + 1, num_shots - 1)]
    ]
    return VideoRecord(
        Video(
            video_id=video_id,
            path=path or Path(f"/films/{name}.mp4"),
            size_bytes=1000,
            modified_ns=5,
            duration_seconds=float(num_shots),
            container="mov,mp4",
        ),
        shots=shots,
        scenes=scenes,
        subtitles=[
            Subtitle(video_id, Segment(float(i), i + 1.0), line, "en", "file:one.srt")
            for i, line in enumerate(lines)
        ],
        thumbnails=[f"jpeg {name} {i}".encode() for i in range(num_shots)],
        shot_vectors=make_vectors(num_shots, dim=encoder.dim, seed=seed),
        frame_times=np.arange(num_shots * 2) / 2,
        frame_vectors=make_vectors(num_shots * 2, dim=encoder.dim, seed=seed + 1),
        encoder=encoder,
        copy_encoder=encoder,
    )
