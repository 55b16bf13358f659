"""Embeddings in the catalog: float16 blobs, one row a video, under the encoder that made them.

float16 keeps 11 bits of each component: for a unit vector of any width the error of an inner
product stays below 2^-11, far under what separates two neighbours, at half the space.
"""

import sqlite3
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_records import VideoRecord
from retrieval.errors import CatalogError, EncoderMismatchError
from retrieval.types import EncoderId, FloatArray

__all__ = ["active_encoder", "drop_unused_encoders", "insert_vectors", "read_frames", "read_shots"]


def active_encoder(connection: sqlite3.Connection) -> EncoderId | None:
    """Return the encoder whose vectors the library holds; None while it holds none."""
    row = connection.execute(
        "SELECT name, hash, dim FROM encoders WHERE is_active LIMIT 1"
    ).fetchone()
    return None if row is None else EncoderId(row["name"], row["hash"], row["dim"])


def insert_vectors(
    connection: sqlite3.Connection, record: VideoRecord, *, first_shot_id: int, library: Path
) -> None:
    """Store the vectors of one video; the library's first ones fix its encoder.

    Raises:
        EncoderMismatchError: The library holds vectors of another encoder.
    """
    if record.encoder is None:
        return
    encoder_id = _encoder_row(connection, record.encoder, library=library)
    video_id = record.video.video_id
    if record.shot_vectors is not None and record.num_shot_vectors:
        connection.execute(
            "INSERT INTO shot_vectors VALUES (?, ?, ?, ?, ?)",
            (
                video_id,
                encoder_id,
                first_shot_id,
                record.num_shot_vectors,
                _to_blob(record.shot_vectors),
            ),
        )
    if record.frame_vectors is not None and record.num_frame_vectors:
        seconds = np.asarray(record.frame_times, dtype="<f8").tobytes()
        connection.execute(
            "INSERT INTO frame_vectors VALUES (?, ?, ?, ?, ?)",
            (
                video_id,
                encoder_id,
                record.num_frame_vectors,
                seconds,
                _to_blob(record.frame_vectors),
            ),
        )


def drop_unused_encoders(connection: sqlite3.Connection) -> None:
    """Forget encoders that no vector names, so that an emptied library takes another one."""
    connection.execute(
        """DELETE FROM encoders
           WHERE encoder_id NOT IN (SELECT encoder_id FROM shot_vectors)
             AND encoder_id NOT IN (SELECT encoder_id FROM frame_vectors)"""
    )


def read_shots(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path, video_id: str | None
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the ids (N,) int64 and embeddings (N, D) float32 of shots, of all videos or one."""
    if not _holds(connection, encoder, library=library):
        return np.empty(0, np.int64), np.empty((0, encoder.dim), np.float32)
    condition, values = _of_video(video_id)
    total = _total(connection, "shot_vectors", condition, values)
    ids = np.empty(total, np.int64)
    vectors = np.empty((total, encoder.dim), np.float32)
    place = 0
    for row in connection.execute(
        f"SELECT first_shot_id, num_vectors, vectors FROM shot_vectors {condition} ORDER BY 1",
        values,
    ):
        rows = slice(place, place + row["num_vectors"])
        ids[rows] = row["first_shot_id"] + np.arange(row["num_vectors"])
        vectors[rows] = _from_blob(row["vectors"], row["num_vectors"], encoder.dim, library)
        place = rows.stop
    return ids, vectors


def read_frames(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path, video_id: str | None
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64], FloatArray]:
    """Return the frames of all videos or one: video ids, frames in each, times, embeddings."""
    if not _holds(connection, encoder, library=library):
        nothing = np.empty((0, encoder.dim), np.float32)
        return [], np.empty(0, np.int64), np.empty(0, np.float64), nothing
    condition, values = _of_video(video_id)
    total = _total(connection, "frame_vectors", condition, values)
    video_ids: list[str] = []
    counts: list[int] = []
    times = np.empty(total, np.float64)
    vectors = np.empty((total, encoder.dim), np.float32)
    place = 0
    for row in connection.execute(
        f"SELECT * FROM frame_vectors {condition} ORDER BY video_id", values
    ):
        num = row["num_vectors"]
        if len(row["seconds"]) != num * 8:
            raise _damaged(library)
        times[place : place + num] = np.frombuffer(row["seconds"], dtype="<f8")
        vectors[place : place + num] = _from_blob(row["vectors"], num, encoder.dim, library)
        video_ids.append(row["video_id"])
        counts.append(num)
        place += num
    return video_ids, np.array(counts, np.int64), times, vectors


def _of_video(video_id: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if video_id is None else ("WHERE video_id = ?", (video_id,))


def _total(
    connection: sqlite3.Connection, table: str, condition: str, values: tuple[str, ...]
) -> int:
    query = f"SELECT coalesce(sum(num_vectors), 0) FROM {table} {condition}"
    return int(connection.execute(query, values).fetchone()[0])


def _holds(connection: sqlite3.Connection, encoder: EncoderId, *, library: Path) -> bool:
    """Whether there are vectors of this encoder; those of another one are an error."""
    known = active_encoder(connection)
    if known is not None and known != encoder:
        raise _mismatch(library, known, encoder)
    return known is not None


def _encoder_row(connection: sqlite3.Connection, encoder: EncoderId, *, library: Path) -> int:
    if not _holds(connection, encoder, library=library):
        connection.execute(
            "INSERT INTO encoders (name, hash, dim, is_active) VALUES (?, ?, ?, 1)",
            (encoder.name, encoder.hash, encoder.dim),
        )
    row = connection.execute("SELECT encoder_id FROM encoders WHERE is_active LIMIT 1").fetchone()
    return int(row[0])


def _mismatch(library: Path, known: EncoderId, given: EncoderId) -> EncoderMismatchError:
    if known.name == given.name:
        advice = "the weights or their preprocessing changed: ingest the films into a new library"
    else:
        advice = f"use --encoder {known.name} here, or ingest the films into another library"
    return EncoderMismatchError(
        f"got encoder {_described(given)}, but the vectors in {library} were made by "
        f"{_described(known)}; vectors of two encoders cannot be compared; {advice}"
    )


def _described(encoder: EncoderId) -> str:
    return f"{encoder.name} (hash {encoder.hash[:12]}, {encoder.dim}-d)"


def _to_blob(vectors: FloatArray) -> bytes:
    return np.asarray(vectors, dtype="<f2").tobytes()


def _from_blob(blob: bytes, num: int, dim: int, library: Path) -> FloatArray:
    """Read (num, dim) float32 rows and bring them back to unit norm after their rounding."""
    if len(blob) != num * dim * 2:
        raise _damaged(library)
    vectors = np.frombuffer(blob, dtype="<f2").reshape(num, dim).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _damaged(library: Path) -> CatalogError:
    return CatalogError(
        f"the catalog in {library} is damaged: stored vectors have the wrong size; put back a "
        "copy of the library, or ingest the films into a new one"
    )
