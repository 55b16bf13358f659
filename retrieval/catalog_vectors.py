"""Embeddings in the catalog: float16 blobs, one row a video, under the encoder that made them.

float16 keeps 11 bits of each component: for a unit vector of any width the error of an inner
product stays below 2^-11, far under what separates two neighbours, at half the space. A library
uses one encoder of each kind: for search (shots), for copies (frames) and for the shots' sound;
of search encoders it may keep the vectors of several (`catalog_sets`).
"""

import shlex
import sqlite3
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_records import VideoRecord
from retrieval.errors import CatalogError, EncoderMismatchError
from retrieval.types import EncoderId, FloatArray

__all__ = [
    "EncoderKind",
    "active_encoder",
    "blob_to_vectors",
    "check_encoder",
    "damaged_vectors",
    "drop_unused_encoders",
    "encoder_row",
    "find_encoder",
    "insert_shot_vectors",
    "read_shots",
    "vectors_to_blob",
]

EncoderKind = Literal["search", "copy", "sound"]


def active_encoder(connection: sqlite3.Connection, kind: EncoderKind) -> EncoderId | None:
    """Return the encoder whose vectors the library holds; None while it holds none."""
    row = connection.execute(
        "SELECT name, hash, dim, spec FROM encoders WHERE kind = ? AND is_active LIMIT 1", (kind,)
    ).fetchone()
    return None if row is None else EncoderId(*row)


def find_encoder(
    connection: sqlite3.Connection, kind: EncoderKind, encoder: EncoderId
) -> int | None:
    """Return the row id of an encoder, in use or not; None where the library has not met it."""
    row = connection.execute(
        "SELECT encoder_id FROM encoders WHERE kind = ? AND name = ? AND hash = ? AND dim = ?",
        (kind, encoder.name, encoder.hash, encoder.dim),
    ).fetchone()
    return None if row is None else int(row[0])


def check_encoder(
    connection: sqlite3.Connection, kind: EncoderKind, encoder: EncoderId, *, library: Path
) -> bool:
    """Whether there are vectors of this encoder.

    Raises:
        EncoderMismatchError: There are, of another encoder of the same kind.
    """
    known = active_encoder(connection, kind)
    if known is not None and known != encoder:
        raise _mismatch(library, kind, known, encoder)
    return known is not None


def encoder_row(
    connection: sqlite3.Connection, kind: EncoderKind, encoder: EncoderId, *, library: Path
) -> int:
    """Return the row id of an encoder; the library's first vectors of a kind fix its encoder.

    Raises:
        EncoderMismatchError: The library holds vectors of another encoder.
    """
    check_encoder(connection, kind, encoder, library=library)
    row = connection.execute(
        """INSERT INTO encoders (kind, name, hash, dim, is_active, spec) VALUES (?, ?, ?, ?, 1, ?)
           ON CONFLICT (kind, name, hash, dim)
           DO UPDATE SET is_active = 1, spec = coalesce(excluded.spec, spec)
           RETURNING encoder_id""",
        (kind, encoder.name, encoder.hash, encoder.dim, encoder.spec),
    ).fetchone()
    return int(row[0])


def drop_unused_encoders(connection: sqlite3.Connection) -> None:
    """Forget encoders that no vector names, so that an emptied library takes another one."""
    connection.execute(
        """DELETE FROM encoders
           WHERE encoder_id NOT IN (SELECT encoder_id FROM shot_vectors)
             AND encoder_id NOT IN (SELECT encoder_id FROM frame_vectors)
             AND encoder_id NOT IN (SELECT encoder_id FROM shot_sounds)"""
    )


def insert_shot_vectors(
    connection: sqlite3.Connection, record: VideoRecord, *, first_shot_id: int, library: Path
) -> None:
    """Store the shots' vectors of one video, where it has any.

    Raises:
        EncoderMismatchError: The library holds vectors of another encoder.
    """
    if record.encoder is None:
        return
    encoder_id = encoder_row(connection, "search", record.encoder, library=library)
    if record.shot_vectors is not None and record.num_shot_vectors:
        connection.execute(
            """INSERT INTO shot_vectors
                 (video_id, encoder_id, first_shot_id, num_vectors, vectors)
               VALUES (?, ?, ?, ?, ?)""",
            (
                record.video.video_id,
                encoder_id,
                first_shot_id,
                record.num_shot_vectors,
                vectors_to_blob(record.shot_vectors),
            ),
        )


def read_shots(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path, video_id: str | None
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the ids (N,) int64 and embeddings (N, D) float32 of shots, of all videos or one.

    Raises:
        EncoderMismatchError: The library has vectors, but none of this encoder.
    """
    encoder_id = find_encoder(connection, "search", encoder)
    if encoder_id is None:
        check_encoder(connection, "search", encoder, library=library)
        return np.empty(0, np.int64), np.empty((0, encoder.dim), np.float32)
    condition = "WHERE encoder_id = ?" + ("" if video_id is None else " AND video_id = ?")
    values = (encoder_id,) if video_id is None else (encoder_id, video_id)
    query = f"SELECT coalesce(sum(num_vectors), 0) FROM shot_vectors {condition}"
    total = int(connection.execute(query, values).fetchone()[0])
    ids = np.empty(total, np.int64)
    vectors = np.empty((total, encoder.dim), np.float32)
    place = 0
    for row in connection.execute(
        f"SELECT first_shot_id, num_vectors, vectors FROM shot_vectors {condition} ORDER BY 1",
        values,
    ):
        rows = slice(place, place + row["num_vectors"])
        ids[rows] = row["first_shot_id"] + np.arange(row["num_vectors"])
        vectors[rows] = blob_to_vectors(
            row["vectors"], row["num_vectors"], encoder.dim, library=library
        )
        place = rows.stop
    return ids, vectors


def vectors_to_blob(vectors: FloatArray) -> bytes:
    """Round (N, D) rows to float16."""
    return np.asarray(vectors, dtype="<f2").tobytes()


def blob_to_vectors(blob: bytes, num: int, dim: int, *, library: Path) -> FloatArray:
    """Read (num, dim) float32 rows and bring them back to unit norm after their rounding.

    Raises:
        CatalogError: The blob has another size.
    """
    if len(blob) != num * dim * 2:
        raise damaged_vectors(library)
    vectors = np.frombuffer(blob, dtype="<f2").reshape(num, dim).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def damaged_vectors(library: Path) -> CatalogError:
    """Make the error for stored vectors that do not fit."""
    return CatalogError(
        f"the catalog in {library} is damaged: stored vectors have the wrong size; put back a "
        "copy of the library, or ingest the films into a new one"
    )


def _mismatch(
    library: Path, kind: EncoderKind, known: EncoderId, given: EncoderId
) -> EncoderMismatchError:
    option, what = _WORDS[kind]
    change = "ingest the films into another library"
    if kind == "search":
        spec = shlex.quote(given.spec or given.name)
        change = (
            f"change the library with `sceneprint reindex --encoder {spec} --library {library}`"
        )
    if known.name == given.name:
        advice = f"the weights or their preprocessing changed: {change}"
    else:
        advice = f"use {option} {known.spec or known.name} here, or {change}"
    return EncoderMismatchError(
        f"got {what} {_described(given)}, but the vectors in {library} were made by "
        f"{_described(known)}; vectors of two encoders cannot be compared; {advice}"
    )


_WORDS: dict[EncoderKind, tuple[str, str]] = {
    "search": ("--encoder", "encoder"),
    "copy": ("copy encoder", "copy encoder"),
    "sound": ("--sound-encoder", "sound encoder"),
}


def _described(encoder: EncoderId) -> str:
    return f"{encoder.name} (hash {encoder.hash[:12]}, {encoder.dim}-d)"
