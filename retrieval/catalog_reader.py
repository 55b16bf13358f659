"""Reading the catalog's words: videos, shots, scenes, subtitles and thumbnails.

The half of `Catalog` that needs neither the writer's lock nor vectors.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_connection import ConnectionPool
from retrieval.catalog_names import not_found, resolve
from retrieval.catalog_records import (
    path_to_bytes,
    row_to_scene,
    row_to_shot,
    row_to_subtitle,
    row_to_video,
)
from retrieval.catalog_subtitles import find_subtitles
from retrieval.errors import NotFoundError
from retrieval.types import Scene, Segment, Shot, Subtitle, Video

__all__ = ["CatalogReader", "CatalogTotals", "ShotTable"]

_MAX_VARIABLES = 500


@dataclass(frozen=True)
class CatalogTotals:
    """How much a library holds."""

    num_videos: int
    num_shots: int
    num_scenes: int
    num_subtitles: int
    duration_seconds: float


@dataclass(frozen=True, eq=False)
class ShotTable:
    """All shots of a library in arrays, by rising id; those of one film stand together."""

    shot_ids: NDArray[np.int64]
    """(N,)"""
    video_ids: tuple[str, ...]
    """(N,)"""
    start_seconds: NDArray[np.float64]
    """(N,)"""
    end_seconds: NDArray[np.float64]
    """(N,)"""


class CatalogReader:
    """Reads an open library.

    Args:
        library: Its directory.
        pool: Connections to its catalog.
    """

    def __init__(self, library: Path, pool: ConnectionPool) -> None:
        self._library = library
        self._pool = pool

    @property
    def library(self) -> Path:
        """The directory of the library."""
        return self._library

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

    def shots_state(self) -> tuple[int, int]:
        """Return number and greatest id of the shots: equal only while no shot came or went.

        An id is never used twice, so that both are equal for the same shots alone.
        """
        with self._pool.reader() as connection:
            row = connection.execute("SELECT count(*), coalesce(max(shot_id), 0) FROM shots")
            count, last = row.fetchone()
            return int(count), int(last)

    def shot_table(self) -> ShotTable:
        """Return all shots of all videos in arrays, a hundred times faster than one by one."""
        with self._pool.reader() as connection:
            cursor = connection.cursor()
            cursor.row_factory = None
            rows = cursor.execute(
                "SELECT shot_id, video_id, start_seconds, end_seconds FROM shots ORDER BY shot_id"
            ).fetchall()
        ids, videos, starts, ends = zip(*rows, strict=True) if rows else ((), (), (), ())
        return ShotTable(
            np.array(ids, np.int64), videos, np.array(starts, float), np.array(ends, float)
        )

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

    # Inside

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
