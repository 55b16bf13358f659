"""Embeddings of the shots' sound in the catalog: one row a video, silent shots left out.

A shot without sound has no direction to point in, so it has no vector: the mask says which have.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_records import VideoRecord
from retrieval.catalog_vectors import (
    blob_to_vectors,
    check_encoder,
    damaged_vectors,
    encoder_row,
    vectors_to_blob,
)
from retrieval.types import EncoderId, FloatArray

__all__ = ["ShotSounds", "insert_shot_sounds", "read_shot_sounds"]


@dataclass(frozen=True)
class ShotSounds:
    """The sound of shots, aligned: row i of each array is the same shot.

    Attributes:
        shot_ids: (N,) int64 ascending: all shots, of all videos or of one.
        vectors: (N, S) float32; unit norm where `has_sound`, zeros elsewhere.
        has_sound: (N,) bool; False for a silent shot, a silent film, and a film whose sound was
            not heard by an encoder yet.
    """

    shot_ids: NDArray[np.int64]
    vectors: FloatArray
    has_sound: NDArray[np.bool_]


def insert_shot_sounds(
    connection: sqlite3.Connection, record: VideoRecord, *, first_shot_id: int, library: Path
) -> None:
    """Store the sound of one video's shots, where an encoder heard it.

    Raises:
        EncoderMismatchError: The library holds vectors of another sound encoder.
    """
    if record.sound_encoder is None or record.shot_sounds is None:
        return
    encoder_id = encoder_row(connection, "sound", record.sound_encoder, library=library)
    has_sound = np.any(record.shot_sounds != 0.0, axis=1)
    connection.execute(
        "INSERT INTO shot_sounds VALUES (?, ?, ?, ?, ?, ?)",
        (
            record.video.video_id,
            encoder_id,
            first_shot_id,
            len(has_sound),
            has_sound.astype(np.uint8).tobytes(),
            vectors_to_blob(record.shot_sounds[has_sound]),
        ),
    )


def read_shot_sounds(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path, video_id: str | None
) -> ShotSounds:
    """Return the sound of all shots, of all videos or one."""
    check_encoder(connection, "sound", encoder, library=library)
    condition, values = ("", ()) if video_id is None else ("WHERE video_id = ?", (video_id,))
    found = connection.execute(f"SELECT shot_id FROM shots {condition} ORDER BY shot_id", values)
    ids = np.array([row[0] for row in found], dtype=np.int64)
    vectors = np.zeros((len(ids), encoder.dim), np.float32)
    has_sound = np.zeros(len(ids), np.bool_)
    for row in connection.execute(f"SELECT * FROM shot_sounds {condition}", values):
        place = int(np.searchsorted(ids, row["first_shot_id"]))
        rows = slice(place, place + row["num_shots"])
        mask = np.frombuffer(row["has_sound"], np.uint8) == 1
        if len(mask) != row["num_shots"] or rows.stop > len(ids):
            raise damaged_vectors(library)
        has_sound[rows] = mask
        vectors[rows][mask] = blob_to_vectors(
            row["vectors"], int(mask.sum()), encoder.dim, library=library
        )
    return ShotSounds(ids, vectors, has_sound)
