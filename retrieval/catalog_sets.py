"""Vector sets: the shots' vectors of one search encoder each, of which one set is in use.

`reindex` fills a new set beside the one in use, one transaction a video, then exchanges them in
one. What is written of a set that is not in use changes nothing that others see: it gives the
library no new state and needs no lock against an ingest, SQLite orders the transactions. Scenes
are grouped by embeddings, so each set has its own and they change with it.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_lock import WriterLock
from retrieval.catalog_records import row_to_video
from retrieval.catalog_vectors import (
    active_encoder,
    check_encoder,
    find_encoder,
    read_shots,
    vectors_to_blob,
)
from retrieval.catalog_writing import CatalogWriting, begin_generation
from retrieval.errors import CatalogError, InvalidInputError, NotFoundError
from retrieval.types import EncoderId, FloatArray, Video

__all__ = ["CatalogSets", "SetRow", "Source", "VectorSet"]

Source = Literal["films", "keyframes"]
"""What an encoder looked at: frames of the film, or the keyframes that the library keeps."""


@dataclass(frozen=True)
class VectorSet:
    """The vectors of one search encoder in a library."""

    encoder: EncoderId
    is_used: bool
    """Whether search goes by it."""
    num_videos: int
    """Videos that have vectors in it."""
    num_shots: int
    """Shots that have a vector in it."""
    num_missing: int
    """Videos with a picture that have none: their shots are listed, but not found by it."""
    num_from_keyframes: int
    """Videos of which it saw the kept keyframes, not the film."""
    size_bytes: int


@dataclass(frozen=True, eq=False)
class SetRow:
    """What one set holds of one video; it checks itself.

    Attributes:
        video_id: The video.
        first_shot_id: Of its N shots; if the video was read again since, they are others.
        vectors: (N, D) float32 unit norm.
        scene_starts: Number of the first shot of each scene, rising from 0.
        source: What the encoder looked at.
    """

    video_id: str
    first_shot_id: int
    vectors: FloatArray
    scene_starts: Sequence[int]
    source: Source

    def __post_init__(self) -> None:
        starts = list(self.scene_starts)
        is_rising = starts == sorted(set(starts)) and starts[:1] == [0]
        if self.vectors.ndim != 2 or not is_rising or starts[-1] >= len(self.vectors):
            raise ValueError(
                f"got {self.vectors.shape = } with scenes from {starts[:5]}…, expected (N, D) and "
                "rising shot numbers from 0 to below N"
            )
        norms = np.linalg.norm(self.vectors, axis=1)
        if not np.all(np.abs(norms - 1.0) < 1e-2):  # also false for NaN
            raise ValueError("got vectors that are not of unit norm (or not finite)")


class CatalogSets(CatalogWriting):
    """A catalog with its vector sets."""

    def vector_sets(self) -> list[VectorSet]:
        """Return the sets of search vectors, the one in use first."""
        with self._pool.reader() as connection:
            seen = connection.execute("SELECT count(*) FROM videos WHERE num_shots > 0").fetchone()
            encoders = connection.execute(
                "SELECT * FROM encoders WHERE kind = 'search' ORDER BY is_active DESC, encoder_id"
            )
            return [_described(connection, row, seen[0]) for row in encoders.fetchall()]

    def set_vectors(self, encoder: EncoderId) -> tuple[NDArray[np.int64], FloatArray]:
        """Return shot ids (N,) ascending and embeddings (N, D) of a set, in use or not.

        Raises:
            EncoderMismatchError: The library has vectors, but no such set.
        """
        with self._pool.reader() as connection:
            return read_shots(connection, encoder, library=self._library, video_id=None)

    def require_encoder(self, encoder: EncoderId) -> None:
        """Refuse an encoder whose vectors are not in use, while any are.

        Raises:
            EncoderMismatchError: The vectors in use are of another; says what to do.
        """
        with self._pool.reader() as connection:
            check_encoder(connection, "search", encoder, library=self._library)

    def videos_without_vectors(self, encoder: EncoderId) -> list[Video]:
        """Return the videos with shots that a set has no vectors of, in the order of adding."""
        with self._pool.reader() as connection:
            return _videos_without(connection, encoder)

    @contextmanager
    def reindexing(self) -> Iterator[None]:
        """Keep other processes from filling sets meanwhile; an ingest may go on.

        Raises:
            CatalogBusyError: Another process does; the message says which.
        """
        with WriterLock(self._library / ".reindex.lock", "reindexed").held():
            yield

    def add_to_set(self, encoder: EncoderId, row: SetRow) -> bool:
        """Store what a set holds of one video, in one transaction, in place of what it held.

        Returns:
            Whether it was stored: not where the video went, or was read again, meanwhile.
        """
        with self._pool.writer() as connection:
            shots = connection.execute(
                "SELECT min(shot_id), count(*) FROM shots WHERE video_id = ?", (row.video_id,)
            ).fetchone()
            if tuple(shots) != (row.first_shot_id, len(row.vectors)):
                return False
            is_used = active_encoder(connection, "search") == encoder
            _insert_row(connection, _set_id(connection, encoder), row)
            if is_used:
                _apply_scenes(connection, row.video_id, list(row.scene_starts))
                begin_generation(connection)
        return True

    def use_set(self, encoder: EncoderId, *, without: Collection[str] = ()) -> None:
        """Make a set the one in use, with its scenes, in one transaction.

        Args:
            encoder: Whose set.
            without: Ids of videos that may have no vectors in it: their shots stay listed, and no
                search by picture finds them.

        Raises:
            NotFoundError: The library has no such set.
            CatalogError: It is not whole.
            CatalogBusyError: Another process is writing.
        """
        with self._transaction() as (connection, _):
            encoder_id = find_encoder(connection, "search", encoder)
            if encoder_id is None:
                raise NotFoundError(f"{self._library} has no vectors of {encoder.name}")
            self._check_whole(connection, encoder, encoder_id, without)
            before = active_encoder(connection, "search")
            used_id = None if before is None else find_encoder(connection, "search", before)
            _exchange_scenes(connection, used_id, encoder_id)
            connection.execute("UPDATE encoders SET is_active = 0 WHERE kind = 'search'")
            connection.execute(
                """UPDATE encoders SET is_active = 1, spec = coalesce(?, spec)
                   WHERE encoder_id = ?""",
                (encoder.spec, encoder_id),
            )

    def note_spec(self, encoder: EncoderId) -> None:
        """Remember by which name an encoder was loaded, where the library has vectors of it."""
        with self._pool.writer() as connection:
            connection.execute(
                """UPDATE encoders SET spec = coalesce(?, spec)
                   WHERE kind = 'search' AND name = ? AND hash = ? AND dim = ?""",
                (encoder.spec, encoder.name, encoder.hash, encoder.dim),
            )

    def drop_set(self, encoder: EncoderId) -> None:
        """Forget a set that is not in use.

        Raises:
            InvalidInputError: It is the one in use.
        """
        with self._pool.writer() as connection:
            if active_encoder(connection, "search") == encoder:
                raise InvalidInputError(
                    f"got {encoder.name}, whose vectors are in use; change to another encoder first"
                )
            encoder_id = find_encoder(connection, "search", encoder)
            connection.execute("DELETE FROM shot_vectors WHERE encoder_id = ?", (encoder_id,))
            connection.execute("DELETE FROM encoders WHERE encoder_id = ?", (encoder_id,))

    def _check_whole(
        self,
        connection: sqlite3.Connection,
        encoder: EncoderId,
        encoder_id: int,
        without: Collection[str],
    ) -> None:
        """Refuse a set in which a video has no vectors, or not one for each of its shots."""
        lacking = [
            video.name
            for video in _videos_without(connection, encoder)
            if video.video_id not in without
        ]
        rows = connection.execute(
            """SELECT video_id FROM shot_vectors JOIN videos USING (video_id)
               WHERE encoder_id = ? AND (num_vectors != num_shots OR
                 first_shot_id != (SELECT min(shot_id) FROM shots AS s
                                   WHERE s.video_id = videos.video_id) OR
                 length(shot_vectors.vectors) != num_vectors * ? * 2)""",
            (encoder_id, encoder.dim),
        )
        lacking += [row["video_id"] for row in rows]
        if lacking:
            raise CatalogError(
                f"the vectors of {encoder.name} in {self._library} are not whole: {len(lacking)} "
                f"films lack some, {lacking[0]} is one; run the reindex again"
            )


def _described(connection: sqlite3.Connection, row: sqlite3.Row, num_videos: int) -> VectorSet:
    """Count what a set holds, without touching the vectors: they are most of the file."""
    encoder_id = row["encoder_id"]
    held, num_shots = connection.execute(
        "SELECT count(*), coalesce(sum(num_vectors), 0) FROM shot_vectors WHERE encoder_id = ?",
        (encoder_id,),
    ).fetchone()
    (num_from_keyframes,) = connection.execute(
        "SELECT count(*) FROM set_films WHERE encoder_id = ? AND source = 'keyframes'",
        (encoder_id,),
    ).fetchone()
    return VectorSet(
        encoder=EncoderId(row["name"], row["hash"], row["dim"], row["spec"]),
        is_used=bool(row["is_active"]),
        num_videos=held,
        num_shots=num_shots,
        num_missing=num_videos - held,
        num_from_keyframes=num_from_keyframes,
        size_bytes=num_shots * row["dim"] * 2,
    )


def _videos_without(connection: sqlite3.Connection, encoder: EncoderId) -> list[Video]:
    rows = connection.execute(
        """SELECT * FROM videos WHERE num_shots > 0 AND video_id NOT IN
             (SELECT video_id FROM shot_vectors WHERE encoder_id = ?)
           ORDER BY added_at, rowid""",
        (find_encoder(connection, "search", encoder),),
    )
    return [row_to_video(row) for row in rows]


def _set_id(connection: sqlite3.Connection, encoder: EncoderId) -> int:
    """The row of a set's encoder, made where it is new; what is in use stays in use."""
    row = connection.execute(
        """INSERT INTO encoders (kind, name, hash, dim, is_active, spec)
           VALUES ('search', ?, ?, ?, 0, ?) ON CONFLICT (kind, name, hash, dim)
           DO UPDATE SET spec = coalesce(excluded.spec, spec) RETURNING encoder_id""",
        (encoder.name, encoder.hash, encoder.dim, encoder.spec),
    ).fetchone()
    return int(row[0])


def _insert_row(connection: sqlite3.Connection, encoder_id: int, row: SetRow) -> None:
    connection.execute(
        """INSERT OR REPLACE INTO shot_vectors
             (video_id, encoder_id, first_shot_id, num_vectors, vectors)
           VALUES (?, ?, ?, ?, ?)""",
        (
            row.video_id,
            encoder_id,
            row.first_shot_id,
            len(row.vectors),
            vectors_to_blob(row.vectors),
        ),
    )
    connection.execute(
        "INSERT INTO set_films VALUES (?, ?, ?, ?)",
        (row.video_id, encoder_id, row.source, _starts_to_blob(row.scene_starts)),
    )


# --- scenes


def _exchange_scenes(connection: sqlite3.Connection, before: int | None, encoder_id: int) -> None:
    """Keep the present scenes with the set in use, and put those of another set in their place."""
    for row in connection.execute(
        "SELECT video_id, scene_starts FROM set_films WHERE encoder_id = ?", (encoder_id,)
    ).fetchall():
        present = connection.execute(
            "SELECT first_shot FROM scenes WHERE video_id = ? ORDER BY number", (row["video_id"],)
        )
        starts = [int(scene[0]) for scene in present]
        connection.execute(
            """INSERT INTO set_films SELECT video_id, encoder_id, 'films', ? FROM shot_vectors
               WHERE video_id = ? AND encoder_id = ?
               ON CONFLICT DO UPDATE SET scene_starts = excluded.scene_starts""",
            (_starts_to_blob(starts), row["video_id"], before),
        )
        wanted = _blob_to_starts(row["scene_starts"])
        if wanted and wanted != starts:  # a film without scenes stays so
            _apply_scenes(connection, row["video_id"], wanted)


def _apply_scenes(connection: sqlite3.Connection, video_id: str, starts: Sequence[int]) -> None:
    """Group the shots of a video anew: a scene goes from each start to the next."""
    shots = connection.execute(
        """SELECT shot_id, start_seconds, end_seconds FROM shots
           WHERE video_id = ? ORDER BY number""",
        (video_id,),
    ).fetchall()
    rows = []
    for number, (first, end) in enumerate(zip(starts, [*starts[1:], len(shots)], strict=True)):
        inside = shots[first:end]
        longest = max(inside, key=lambda shot: shot["end_seconds"] - shot["start_seconds"])
        bounds = inside[0]["start_seconds"], inside[-1]["end_seconds"]
        rows.append((video_id, number, *bounds, first, end - 1, longest["shot_id"]))
    connection.execute("DELETE FROM scenes WHERE video_id = ?", (video_id,))
    connection.executemany("INSERT INTO scenes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.executemany(
        "UPDATE shots SET scene_number = ? WHERE shot_id BETWEEN ? AND ?",
        [(row[1], shots[row[4]]["shot_id"], shots[row[5]]["shot_id"]) for row in rows],
    )
    connection.execute(
        "UPDATE videos SET num_scenes = ? WHERE video_id = ?", (len(starts), video_id)
    )


def _starts_to_blob(starts: Sequence[int]) -> bytes:
    return np.asarray(starts, dtype="<i4").tobytes()


def _blob_to_starts(blob: bytes) -> list[int]:
    return [int(item) for item in np.frombuffer(blob, dtype="<i4")]
