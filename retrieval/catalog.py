"""The catalog: the one truth of a library, in one SQLite file.

A library is a directory with `catalog.sqlite3`, its lock, and derived things (`index/`, `cache/`)
that can be made again from it. A video goes in and out in one transaction with its shots, scenes,
subtitles, thumbnails and vectors, so a library that was killed while writing opens with every video
either whole or absent. Reading is safe from many threads and beside a writer.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_connection import ConnectionPool
from retrieval.catalog_lock import WriterLock
from retrieval.catalog_names import not_found, resolve
from retrieval.catalog_records import (
    VideoRecord,
    path_to_bytes,
    row_to_scene,
    row_to_shot,
    row_to_subtitle,
    row_to_video,
)
from retrieval.catalog_subtitles import find_subtitles
from retrieval.catalog_vectors import (
    active_encoder,
    drop_unused_encoders,
    insert_vectors,
    read_frames,
    read_shots,
)
from retrieval.catalog_writes import delete_video, insert_video, problems
from retrieval.errors import CatalogError, NotFoundError
from retrieval.types import EncoderId, FloatArray, Scene, Segment, Shot, Subtitle, Video

__all__ = ["Catalog", "CatalogTotals", "VideoRecord"]

CATALOG_NAME = "catalog.sqlite3"
LOCK_NAME = ".lock"
_MAX_VARIABLES = 500


@dataclass(frozen=True)
class CatalogTotals:
    """How much a library holds."""

    num_videos: int
    num_shots: int
    num_scenes: int
    num_subtitles: int
    duration_seconds: float


class Catalog:
    """An open library; make one with `Catalog.open`, and close it or use it in a `with` block."""

    def __init__(self, library: Path, pool: ConnectionPool) -> None:
        self._library = library
        self._pool = pool
        self._lock = WriterLock(library / LOCK_NAME)

    @classmethod
    def open(cls, library: Path, *, create: bool = False) -> "Catalog":
        """Open the catalog of a library directory.

        Raises:
            NotFoundError: There is none and `create` is false.
            CatalogVersionError: It was written by a newer version.
            CatalogError: It is damaged, not ours, or cannot be written.
        """
        if create:
            try:
                library.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CatalogError(
                    f"cannot make the library directory {library}: {error.strerror}; "
                    "name another one with --library"
                ) from error
        return cls(library, ConnectionPool(library / CATALOG_NAME, create=create))

    @property
    def library(self) -> Path:
        """The directory of the library."""
        return self._library

    def close(self) -> None:
        """Close the catalog; later calls raise CatalogError."""
        self._pool.close()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing during a longer work; every write takes this lock too.

        Raises:
            CatalogBusyError: Another process is writing; the message says which.
        """
        with self._lock.held():
            yield

    def add_video(self, record: VideoRecord) -> list[int]:
        """Store a video with all that belongs to it, in one transaction.

        It replaces a video with the same id, and one at the same path: that file was overwritten.

        Returns:
            The ids given to its shots, in order.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
            CatalogBusyError: Another process is writing.
        """
        video = record.video
        with self._transaction() as (connection, counter):
            replaced = connection.execute(
                "SELECT video_id FROM videos WHERE video_id = ? OR path = ?",
                (video.video_id, path_to_bytes(video.path)),
            ).fetchall()
            for row in replaced:
                delete_video(connection, row["video_id"])
            drop_unused_encoders(connection)
            added_at = video.added_at or datetime.now(UTC).isoformat(timespec="seconds")
            shot_ids = insert_video(connection, record, added_at=added_at, counter=counter)
            first = shot_ids[0] if shot_ids else 0
            insert_vectors(connection, record, first_shot_id=first, library=self._library)
        return shot_ids

    def remove_video(self, video_id: str) -> None:
        """Remove a video and all that belongs to it; NotFoundError when there is none."""
        with self._transaction() as (connection, _):
            if not delete_video(connection, video_id):
                raise not_found(video_id, self.videos(), library=self._library)
            drop_unused_encoders(connection)

    def relocate_video(self, video_id: str, path: Path, size: int, mtime_ns: int) -> None:
        """Note where the file of a video is now; NotFoundError when there is no such video."""
        with self._transaction() as (connection, counter):
            cursor = connection.execute(
                """UPDATE videos SET path = ?, size_bytes = ?, modified_ns = ?, located_at = ?
                   WHERE video_id = ?""",
                (path_to_bytes(path), size, mtime_ns, counter, video_id),
            )
            if cursor.rowcount == 0:
                raise not_found(video_id, self.videos(), library=self._library)

    # Videos

    def videos(self) -> list[Video]:
        """Return all videos in the order in which they were added."""
        with self._pool.reader() as connection:
            rows = connection.execute("SELECT * FROM videos ORDER BY added_at, rowid")
            return [row_to_video(row) for row in rows]

    def video(self, video_id: str) -> Video:
        """Return a video; NotFoundError when there is none with this id."""
        found = self._find("video_id = ?", (video_id,))
        if found is None:
            raise not_found(video_id, self.videos(), library=self._library)
        return found

    def videos_by_ids(self, video_ids: Sequence[str]) -> dict[str, Video]:
        """Return videos by their ids in one reading, leaving out those that are gone."""
        ids = list(dict.fromkeys(video_ids))
        found: dict[str, Video] = {}
        with self._pool.reader() as connection:
            for place in range(0, len(ids), _MAX_VARIABLES):
                some = ids[place : place + _MAX_VARIABLES]
                marks = ", ".join("?" * len(some))
                rows = connection.execute(f"SELECT * FROM videos WHERE video_id IN ({marks})", some)
                found.update((row["video_id"], row_to_video(row)) for row in rows)
        return found

    def find_by_stat(self, path: Path, size: int, mtime_ns: int) -> Video | None:
        """Return the video of a file that was not touched since it was added; None otherwise."""
        return self._find(
            "path = ? AND size_bytes = ? AND modified_ns = ?", (path_to_bytes(path), size, mtime_ns)
        )

    def find_by_path(self, path: Path) -> Video | None:
        """Return the video that was last seen at a path; None when there is none."""
        return self._find("path = ?", (path_to_bytes(path),))

    def resolve_video(self, text: str) -> Video:
        """Return the video that a person means by an id, a start of one, a path or a file name.

        Raises:
            NotFoundError: Nothing fits; the message lists what is near.
            InvalidInputError: Several videos fit; the message lists them.
        """
        return resolve(text, self.videos(), library=self._library)

    def totals(self) -> CatalogTotals:
        """Return how much the library holds."""
        with self._pool.reader() as connection:
            row = connection.execute(
                """SELECT count(*), coalesce(sum(num_shots), 0), coalesce(sum(num_scenes), 0),
                   coalesce(sum(num_subtitles), 0), coalesce(sum(duration_seconds), 0.0)
                   FROM videos"""
            ).fetchone()
            return CatalogTotals(*row)

    # Shots, scenes, subtitles, thumbnails

    def shots(self, video_id: str) -> list[Shot]:
        """Return the shots of a video in order; NotFoundError when there is no such video."""
        rows = self._rows_of(video_id, "SELECT * FROM shots WHERE video_id = ? ORDER BY number")
        return [row_to_shot(row) for row in rows]

    def shot(self, shot_id: int) -> Shot:
        """Return one shot; NotFoundError when there is none with this id."""
        found = self.shots_by_ids([shot_id])
        if not found:
            raise NotFoundError(f"got shot {shot_id}, which is not in {self._library}")
        return found[0]

    def shots_by_ids(self, shot_ids: Sequence[int]) -> list[Shot]:
        """Return shots in the order of their ids as given, leaving out those that are gone."""
        ids = [int(shot_id) for shot_id in shot_ids]
        found: dict[int, Shot] = {}
        with self._pool.reader() as connection:
            for place in range(0, len(ids), _MAX_VARIABLES):
                some = [
                    shot_id for shot_id in ids[place : place + _MAX_VARIABLES] if _fits(shot_id)
                ]
                marks = ", ".join("?" * len(some))
                rows = connection.execute(f"SELECT * FROM shots WHERE shot_id IN ({marks})", some)
                found.update((row["shot_id"], row_to_shot(row)) for row in rows)
        return [found[shot_id] for shot_id in ids if shot_id in found]

    def shots_between(self, video_id: str, segment: Segment) -> list[Shot]:
        """Return the shots that a segment touches; the last shot for one after the end."""
        with self._pool.reader() as connection:
            rows = connection.execute(
                """SELECT * FROM shots WHERE video_id = :id AND end_seconds >= :start
                     AND start_seconds <= :end ORDER BY number LIMIT 1000""",
                {"id": video_id, "start": segment.start_seconds, "end": segment.end_seconds},
            ).fetchall()
            rows = (
                rows
                or connection.execute(
                    "SELECT * FROM shots WHERE video_id = ? ORDER BY number DESC LIMIT 1",
                    (video_id,),
                ).fetchall()
            )
            return [row_to_shot(row) for row in rows]

    def scenes(self, video_id: str) -> list[Scene]:
        """Return the scenes of a video in order; NotFoundError when there is no such video."""
        rows = self._rows_of(video_id, "SELECT * FROM scenes WHERE video_id = ? ORDER BY number")
        return [row_to_scene(row) for row in rows]

    def subtitles(self, video_id: str) -> list[Subtitle]:
        """Return the subtitle lines of a video; NotFoundError when there is no such video."""
        rows = self._rows_of(video_id, "SELECT * FROM subtitles WHERE video_id = ? ORDER BY number")
        return [row_to_subtitle(row) for row in rows]

    def search_subtitles(
        self, query: str, *, limit: int, video_ids: Sequence[str] | None = None
    ) -> list[tuple[Subtitle, float]]:
        """Find subtitle lines by their words, in any script (see retrieval.catalog_subtitles).

        Args:
            query: Words as a person writes them; any string is allowed.
            limit: Most lines to return.
            video_ids: Only lines of these videos; None = of all.

        Returns:
            Lines with their BM25 score, best (highest) first.
        """
        with self._pool.reader() as connection:
            return find_subtitles(connection, query, limit=limit, video_ids=video_ids)

    def thumbnail(self, shot_id: int) -> bytes:
        """Return the JPEG of a shot's keyframe; NotFoundError when there is none."""
        if _fits(shot_id):
            with self._pool.reader() as connection:
                row = connection.execute(
                    "SELECT jpeg FROM thumbnails WHERE shot_id = ?", (int(shot_id),)
                ).fetchone()
                if row is not None:
                    return bytes(row["jpeg"])
        raise NotFoundError(f"got shot {shot_id}, which has no thumbnail in {self._library}")

    # Vectors

    def encoder(self) -> EncoderId | None:
        """Return the encoder that made the library's vectors; None while there are none."""
        with self._pool.reader() as connection:
            return active_encoder(connection)

    def shot_vectors(
        self, encoder: EncoderId, video_id: str | None = None
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Return shot ids (N,) ascending and their embeddings (N, D) float32 unit norm.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
        """
        with self._pool.reader() as connection:
            return read_shots(connection, encoder, library=self._library, video_id=video_id)

    def frame_vectors(
        self, encoder: EncoderId, video_id: str
    ) -> tuple[NDArray[np.float64], FloatArray]:
        """Return the frame times (F,) seconds and embeddings (F, D) of one video.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
        """
        with self._pool.reader() as connection:
            _, _, times, vectors = read_frames(
                connection, encoder, library=self._library, video_id=video_id
            )
            return times, vectors

    def all_frame_vectors(
        self, encoder: EncoderId
    ) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64], FloatArray]:
        """Return the frames of all videos, video after video.

        Returns:
            The ids of the videos that have frames (V), how many each has (V,) int64, their times
            (F,) float64 seconds, and their embeddings (F, D) float32 unit norm.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
        """
        with self._pool.reader() as connection:
            return read_frames(connection, encoder, library=self._library, video_id=None)

    # State

    def generation(self) -> str:
        """Return the name of the present state; every committed change gives a new one."""
        with self._pool.reader() as connection:
            row = connection.execute(
                "SELECT counter, token FROM generations ORDER BY counter DESC LIMIT 1"
            ).fetchone()
            if row is None:
                raise CatalogError(f"the catalog in {self._library} is damaged: it has no state")
            return f"{row['counter']}-{row['token']}"

    def was_at(self, generation: str) -> bool:
        """Whether this library is, or once was, in that state.

        Then shot ids mean the same in both: something derived from that state can be brought up
        to date by the ids that came and went. A copy put back from a backup and changed since
        shares only the states before it.
        """
        parts = re.fullmatch(r"(\d{1,18})-([0-9a-f]+)", generation)
        if parts is None:
            return False
        with self._pool.reader() as connection:
            query = "SELECT 1 FROM generations WHERE counter = ? AND token = ?"
            row = connection.execute(query, (int(parts[1]), parts[2])).fetchone()
            return row is not None

    def problems(self) -> list[str]:
        """Check the whole file and return what is wrong with it; an empty list when it is sound."""
        with self._pool.reader() as connection:
            return problems(connection)

    # Inside

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Write under the lock, giving the library a new generation; all or nothing."""
        with self._lock.held(), self._pool.writer() as connection:
            cursor = connection.execute(
                "INSERT INTO generations (token) VALUES (?)", (os.urandom(8).hex(),)
            )
            yield connection, int(cursor.lastrowid or 0)

    def _find(self, condition: str, values: tuple[Any, ...]) -> Video | None:
        with self._pool.reader() as connection:
            row = connection.execute(
                f"SELECT * FROM videos WHERE {condition} ORDER BY located_at DESC LIMIT 1", values
            ).fetchone()
            return None if row is None else row_to_video(row)

    def _rows_of(self, video_id: str, query: str) -> list[sqlite3.Row]:
        with self._pool.reader() as connection:
            rows = connection.execute(query, (video_id,)).fetchall()
        if not rows:
            self.video(video_id)  # raises when there is no such video
        return rows


def _fits(shot_id: int) -> bool:
    """Whether a number can be an id at all: SQLite refuses more than 64 bits."""
    return 0 < shot_id < 1 << 63
