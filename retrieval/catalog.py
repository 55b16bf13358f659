"""The catalog: the one truth of a library, in one SQLite file.

A library is a directory with `catalog.sqlite3`, its lock, and derived things (`index/`, `cache/`)
that can be made again from it. A video goes in and out in one transaction with its shots, scenes,
subtitles, thumbnails and vectors, so a library that was killed while writing opens with every video
either whole or absent. Reading is safe from many threads and beside a writer.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog_connection import ConnectionPool
from retrieval.catalog_frames import (
    FrameRow,
    FrameTimes,
    StoredFrames,
    insert_frames,
    insert_sound_print,
    read_frame_rows,
    read_frame_times,
    read_frames,
    read_sound_prints,
)
from retrieval.catalog_labels import (
    Decision,
    change_labels,
    delete_labels,
    insert_labels,
    read_groups,
    read_label,
    read_labels,
)
from retrieval.catalog_names import not_found
from retrieval.catalog_reader import CatalogTotals
from retrieval.catalog_records import VideoRecord, path_to_bytes, row_to_video
from retrieval.catalog_sets import CatalogSets, VectorSet
from retrieval.catalog_sounds import ShotSounds, insert_shot_sounds, read_shot_sounds
from retrieval.catalog_subtitles import replace_subtitles
from retrieval.catalog_vectors import (
    EncoderKind,
    active_encoder,
    check_encoder,
    drop_unused_encoders,
    insert_shot_vectors,
    read_shots,
)
from retrieval.catalog_writes import delete_video, insert_video, kept_threshold, problems
from retrieval.errors import CatalogError, InvalidInputError
from retrieval.label_types import Label, LabelledGroup
from retrieval.types import EncoderId, FloatArray, Subtitle, Video

__all__ = ["Catalog", "CatalogTotals", "VectorSet", "VideoRecord"]

CATALOG_NAME = "catalog.sqlite3"


class Catalog(CatalogSets):
    """An open library; make one with `Catalog.open`, and close it or use it in a `with` block."""

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

    def add_video(self, record: VideoRecord) -> list[int]:
        """Store a video with all that belongs to it, in one transaction.

        It replaces a video with the same id, and one at the same path: that file was overwritten.
        A match threshold that was set for the same id is kept where the record has none.

        Returns:
            The ids given to its shots, in order.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
            CatalogBusyError: Another process is writing.
        """
        video = record.video
        with self._transaction() as (connection, counter):
            record = kept_threshold(connection, record)
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
            insert_shot_vectors(connection, record, first_shot_id=first, library=self._library)
            insert_frames(connection, record, library=self._library)
            insert_sound_print(connection, record)
            insert_shot_sounds(connection, record, first_shot_id=first, library=self._library)
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

    def set_match_threshold(self, video_id: str, threshold: float | None) -> None:
        """Set the least score of a match of this video; None for that of the match.

        Raises:
            NotFoundError: There is no such video.
            InvalidInputError: The threshold is not in [0, 1].
        """
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise InvalidInputError(f"got match threshold {threshold}, expected 0 to 1 or none")
        with self._transaction() as (connection, _):
            cursor = connection.execute(
                "UPDATE videos SET match_threshold = ? WHERE video_id = ?", (threshold, video_id)
            )
            if cursor.rowcount == 0:
                raise not_found(video_id, self.videos(), library=self._library)

    def set_subtitles(self, video_id: str, subtitles: Sequence[Subtitle]) -> None:
        """Put subtitle lines in the place of those a video has.

        Raises:
            NotFoundError: There is no such video.
            CatalogBusyError: Another process is writing.
        """
        with self._transaction() as (connection, _):
            if not replace_subtitles(connection, video_id, subtitles):
                raise not_found(video_id, self.videos(), library=self._library)

    # Vectors and prints

    def encoder(self, kind: EncoderKind = "search") -> EncoderId | None:
        """Return the encoder whose vectors the library uses; None while there are none."""
        with self._pool.reader() as connection:
            return active_encoder(connection, kind)

    def shot_vectors(
        self, encoder: EncoderId, video_id: str | None = None
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Return shot ids (N,) ascending and their embeddings (N, D) float32 unit norm.

        Raises:
            EncoderMismatchError: The library holds vectors of another encoder.
        """
        with self._pool.reader() as connection:
            check_encoder(connection, "search", encoder, library=self._library)
            return read_shots(connection, encoder, library=self._library, video_id=video_id)

    def shot_sounds(self, encoder: EncoderId, video_id: str | None = None) -> ShotSounds:
        """Return the sound embeddings of all shots, or of one video's, with a mask of silence.

        Raises:
            EncoderMismatchError: The library holds vectors of another sound encoder.
        """
        with self._pool.reader() as connection:
            return read_shot_sounds(connection, encoder, library=self._library, video_id=video_id)

    def frames(self, encoder: EncoderId, video_id: str) -> StoredFrames:
        """Return ids, times and copy descriptors of one video's frames; none where it has none.

        Raises:
            EncoderMismatchError: The library holds descriptors of another copy encoder.
        """
        with self._pool.reader() as connection:
            return read_frames(connection, encoder, video_id, library=self._library)

    def frame_vectors(
        self, encoder: EncoderId, video_id: str
    ) -> tuple[NDArray[np.float64], FloatArray]:
        """Return the frame times (F,) seconds and copy descriptors (F, C) of one video.

        Raises:
            EncoderMismatchError: The library holds descriptors of another copy encoder.
        """
        stored = self.frames(encoder, video_id)
        return stored.times, stored.vectors

    def frame_rows(self, encoder: EncoderId) -> list[FrameRow]:
        """Return which frame ids each video has, in the order of the ids; reads no vector.

        Raises:
            EncoderMismatchError: The library holds descriptors of another copy encoder.
        """
        with self._pool.reader() as connection:
            return read_frame_rows(connection, encoder, library=self._library)

    def frame_times(self, encoder: EncoderId) -> FrameTimes:
        """Return videos and times of all frames, by their ids; reads no vector.

        Raises:
            EncoderMismatchError: The library holds descriptors of another copy encoder.
        """
        with self._pool.reader() as connection:
            return read_frame_times(connection, encoder, library=self._library)

    def sound_prints(self, video_id: str | None = None) -> list[tuple[str, int, bytes]]:
        """Return video id, format version and sound print of all videos that have one, or of one.

        A print is what `retrieval.sound_print` wrote.
        """
        with self._pool.reader() as connection:
            return read_sound_prints(connection, video_id)

    def videos_without_copies(self, *, sound_print_version: int = 0) -> list[Video]:
        """Return the videos that match cannot compare whole, in the order of adding.

        Those with a picture whose frames no copy encoder looked at, and those with sound that was
        not listened to: they were ingested by an earlier version, and the next ingest of their
        files reads them again.

        Args:
            sound_print_version: An earlier format of a sound print counts as none.
        """
        with self._pool.reader() as connection:
            rows = connection.execute(
                """SELECT * FROM videos AS v WHERE video_codec IS NOT NULL AND NOT EXISTS
                     (SELECT 1 FROM frame_vectors AS f WHERE f.video_id = v.video_id)
                   OR audio_codec IS NOT NULL AND NOT EXISTS
                     (SELECT 1 FROM sound_prints AS s WHERE s.video_id = v.video_id
                        AND format_version >= ?)
                   ORDER BY added_at, rowid""",
                (sound_print_version,),
            )
            return [row_to_video(row) for row in rows]

    def videos_without_sounds(self) -> list[Video]:
        """Return the videos with sound that no sound encoder heard, in the order of adding.

        An earlier version ingested them; the next ingest of their files reads them again.
        """
        with self._pool.reader() as connection:
            rows = connection.execute(
                """SELECT * FROM videos AS v WHERE audio_codec IS NOT NULL AND NOT EXISTS
                     (SELECT 1 FROM shot_sounds AS s WHERE s.video_id = v.video_id)
                   ORDER BY added_at, rowid"""
            )
            return [row_to_video(row) for row in rows]

    # Labels

    def add_labels(self, groups: Sequence[LabelledGroup], labels: Sequence[Label]) -> None:
        """Store labels, all of them or none; groups and classes that are new are made."""
        with self._transaction() as (connection, _):
            insert_labels(connection, groups, labels)

    def change_labels(
        self, *, group: str, video_id: str, decide: Decision
    ) -> tuple[list[Label], list[Label]]:
        """Replace labels of one group on one film in one step; see `catalog_labels`.

        Returns:
            The labels that came, with their ids, and those that went.
        """
        with self._transaction() as (connection, _):
            return change_labels(connection, group=group, video_id=video_id, decide=decide)

    def label(self, label_id: int) -> Label | None:
        """Return one label by its id; None where there is none."""
        if not 0 < label_id < 1 << 63:  # SQLite refuses more than 64 bits
            return None
        with self._pool.reader() as connection:
            return read_label(connection, label_id)

    def remove_labels(self, *, group: str, name: str | None = None) -> int:
        """Delete a class, or a whole group, with its labels; return how many labels went."""
        with self._transaction() as (connection, _):
            return delete_labels(connection, group=group, name=name)

    def label_groups(self) -> list[LabelledGroup]:
        """Return all groups of labels with their classes."""
        with self._pool.reader() as connection:
            return read_groups(connection)

    def labels(self, *, group: str | None = None, video_id: str | None = None) -> list[Label]:
        """Return labels, of one group or video where named, by group, film and time."""
        with self._pool.reader() as connection:
            return read_labels(connection, group=group, video_id=video_id)

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
