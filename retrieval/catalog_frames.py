"""What the catalog keeps for copy matching: descriptors of frames, and prints of sound.

One row a video of each. The frames of a video have consecutive ids that no frame ever had before,
so an index over them is brought up to date by the ids that came and went.
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

__all__ = [
    "FrameRow",
    "FrameTimes",
    "StoredFrames",
    "insert_frames",
    "insert_sound_print",
    "read_frame_rows",
    "read_frame_times",
    "read_frames",
    "read_sound_prints",
]


@dataclass(frozen=True)
class FrameRow:
    """Which frame ids are those of one video: [first_frame_id, first_frame_id + num_frames)."""

    video_id: str
    first_frame_id: int
    num_frames: int


@dataclass(frozen=True)
class FrameTimes:
    """The frames of all videos, by their ids.

    Attributes:
        video_ids: (V,) videos with frames, in the order of their frame ids.
        first_ids: (V,) int64 ascending; id of each video's first frame.
        starts: (V + 1,) int64; frames of video v are times[starts[v]:starts[v + 1]].
        times: (F,) float64 seconds.
    """

    video_ids: tuple[str, ...]
    first_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    times: NDArray[np.float64]


@dataclass(frozen=True)
class StoredFrames:
    """The frames of one video.

    Attributes:
        first_frame_id: Id of the first; the others follow.
        times: (F,) float64 seconds, ascending.
        vectors: (F, C) float32 unit norm.
    """

    first_frame_id: int
    times: NDArray[np.float64]
    vectors: FloatArray


def insert_frames(connection: sqlite3.Connection, record: VideoRecord, *, library: Path) -> None:
    """Store the frames of one video under new ids, where a copy encoder looked at it.

    Raises:
        EncoderMismatchError: The library holds descriptors of another copy encoder.
    """
    if record.copy_encoder is None:
        return
    encoder_id = encoder_row(connection, "copy", record.copy_encoder, library=library)
    num_frames = record.num_frame_vectors
    first = int(connection.execute("SELECT next_id FROM frame_ids").fetchone()[0])
    connection.execute("UPDATE frame_ids SET next_id = ?", (first + num_frames,))
    times = () if record.frame_times is None else record.frame_times
    vectors = b"" if record.frame_vectors is None else vectors_to_blob(record.frame_vectors)
    connection.execute(
        "INSERT INTO frame_vectors VALUES (?, ?, ?, ?, ?, ?)",
        (
            record.video.video_id,
            encoder_id,
            first,
            num_frames,
            np.asarray(times, dtype="<f8").tobytes(),
            vectors,
        ),
    )


def insert_sound_print(connection: sqlite3.Connection, record: VideoRecord) -> None:
    """Store the print of one video's sound, where it was listened to."""
    if record.sound_print_version is not None:
        connection.execute(
            "INSERT INTO sound_prints VALUES (?, ?, ?)",
            (record.video.video_id, record.sound_print_version, record.sound_print),
        )


def read_frame_rows(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path
) -> list[FrameRow]:
    """Return which videos have frames, without the frames, in the order of their ids."""
    check_encoder(connection, "copy", encoder, library=library)
    rows = connection.execute(
        """SELECT video_id, first_frame_id, num_vectors FROM frame_vectors
           WHERE num_vectors > 0 ORDER BY first_frame_id"""
    )
    return [FrameRow(*row) for row in rows]


def read_frame_times(
    connection: sqlite3.Connection, encoder: EncoderId, *, library: Path
) -> FrameTimes:
    """Return the times of all frames."""
    check_encoder(connection, "copy", encoder, library=library)
    video_ids: list[str] = []
    first_ids: list[int] = []
    times: list[NDArray[np.float64]] = []
    for row in connection.execute(
        """SELECT video_id, first_frame_id, num_vectors, seconds FROM frame_vectors
           WHERE num_vectors > 0 ORDER BY first_frame_id"""
    ):
        video_ids.append(row["video_id"])
        first_ids.append(row["first_frame_id"])
        times.append(_times(row, library))
    return FrameTimes(
        video_ids=tuple(video_ids),
        first_ids=np.asarray(first_ids, dtype=np.int64),
        starts=np.cumsum([0, *(len(part) for part in times)], dtype=np.int64),
        times=np.concatenate(times) if times else np.empty(0, np.float64),
    )


def read_frames(
    connection: sqlite3.Connection, encoder: EncoderId, video_id: str, *, library: Path
) -> StoredFrames:
    """Return the frames of one video; none where no copy encoder looked at it."""
    check_encoder(connection, "copy", encoder, library=library)
    row = connection.execute(
        "SELECT * FROM frame_vectors WHERE video_id = ?", (video_id,)
    ).fetchone()
    if row is None:
        return StoredFrames(0, np.empty(0), np.empty((0, encoder.dim), np.float32))
    vectors = blob_to_vectors(row["vectors"], row["num_vectors"], encoder.dim, library=library)
    return StoredFrames(row["first_frame_id"], _times(row, library), vectors)


def read_sound_prints(
    connection: sqlite3.Connection, video_id: str | None
) -> list[tuple[str, int, bytes]]:
    """Return video id, format version and print of all videos whose sound gave one, or of one."""
    condition, values = ("", ()) if video_id is None else ("AND video_id = ?", (video_id,))
    rows = connection.execute(
        f"""SELECT video_id, format_version, print FROM sound_prints
            WHERE print IS NOT NULL {condition} ORDER BY rowid""",
        values,
    )
    return [(row["video_id"], row["format_version"], row["print"]) for row in rows]


def _times(row: sqlite3.Row, library: Path) -> NDArray[np.float64]:
    """Read the (F,) seconds of a row."""
    if len(row["seconds"]) != row["num_vectors"] * 8:
        raise damaged_vectors(library)
    return np.frombuffer(row["seconds"], dtype="<f8").astype(np.float64)
