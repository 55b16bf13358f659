"""The tables of a library's catalog, and the check that a file is one.

`prepare` is called once for a library: it makes the tables, carries an older file forward, and
refuses what is not ours. A new version of the schema is one more entry at the end of MIGRATIONS.
"""

import sqlite3
from pathlib import Path

from retrieval.errors import CatalogError, CatalogVersionError, NotFoundError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "prepare"]

APPLICATION_ID = 0x53434E50  # "SCNP", in the header of the SQLite file

# One tuple of statements per version, from the empty file on. Never edit one that was released.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Every state the library was ever in; the last row is the present one.
        """CREATE TABLE generations (
            counter INTEGER PRIMARY KEY AUTOINCREMENT,
            token TEXT NOT NULL)""",
        """CREATE TABLE encoders (
            encoder_id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            hash TEXT NOT NULL,
            dim INTEGER NOT NULL CHECK (dim > 0),
            is_active INTEGER NOT NULL,
            UNIQUE (name, hash, dim))""",
        """CREATE TABLE videos (
            video_id TEXT PRIMARY KEY,
            path BLOB NOT NULL,
            size_bytes INTEGER NOT NULL,
            modified_ns INTEGER NOT NULL,
            duration_seconds REAL NOT NULL,
            container TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            rotation_degrees INTEGER NOT NULL,
            frame_rate TEXT,
            video_codec TEXT,
            audio_codec TEXT,
            sample_rate_hz INTEGER,
            shot_mode TEXT NOT NULL,
            num_shots INTEGER NOT NULL,
            num_scenes INTEGER NOT NULL,
            num_subtitles INTEGER NOT NULL,
            added_at TEXT NOT NULL,
            warnings TEXT NOT NULL,
            located_at INTEGER NOT NULL)""",
        "CREATE INDEX videos_by_path ON videos (path)",
        # AUTOINCREMENT: an id is never used twice, so a vector index can be updated by ids.
        """CREATE TABLE shots (
            shot_id INTEGER PRIMARY KEY AUTOINCREMENT,
            video_id TEXT NOT NULL REFERENCES videos ON DELETE CASCADE,
            number INTEGER NOT NULL,
            start_seconds REAL NOT NULL,
            end_seconds REAL NOT NULL,
            start_frame INTEGER NOT NULL,
            end_frame INTEGER NOT NULL,
            keyframe_seconds REAL NOT NULL,
            scene_number INTEGER NOT NULL,
            is_exact INTEGER NOT NULL,
            UNIQUE (video_id, number))""",
        """CREATE TABLE scenes (
            video_id TEXT NOT NULL REFERENCES videos ON DELETE CASCADE,
            number INTEGER NOT NULL,
            start_seconds REAL NOT NULL,
            end_seconds REAL NOT NULL,
            first_shot INTEGER NOT NULL,
            last_shot INTEGER NOT NULL,
            keyframe_shot_id INTEGER NOT NULL,
            PRIMARY KEY (video_id, number)) WITHOUT ROWID""",
        """CREATE TABLE thumbnails (
            shot_id INTEGER PRIMARY KEY REFERENCES shots ON DELETE CASCADE,
            jpeg BLOB NOT NULL)""",
        """CREATE TABLE subtitles (
            subtitle_id INTEGER PRIMARY KEY,
            video_id TEXT NOT NULL REFERENCES videos ON DELETE CASCADE,
            number INTEGER NOT NULL,
            start_seconds REAL NOT NULL,
            end_seconds REAL NOT NULL,
            text TEXT NOT NULL,
            language TEXT,
            source TEXT NOT NULL,
            UNIQUE (video_id, number))""",
        # Holds its own copy of the words (rowid = subtitle_id), so that rows can be deleted
        # without knowing how an earlier version cut the text into words.
        """CREATE VIRTUAL TABLE subtitle_index USING fts5(
            words, tokenize = 'porter unicode61 remove_diacritics 2')""",
        # One row a video: its vectors one after the other. The shots of a video have
        # consecutive ids from first_shot_id on.
        """CREATE TABLE shot_vectors (
            video_id TEXT NOT NULL REFERENCES videos ON DELETE CASCADE,
            encoder_id INTEGER NOT NULL REFERENCES encoders,
            first_shot_id INTEGER NOT NULL,
            num_vectors INTEGER NOT NULL,
            vectors BLOB NOT NULL,
            PRIMARY KEY (video_id, encoder_id))""",
        """CREATE TABLE frame_vectors (
            video_id TEXT NOT NULL REFERENCES videos ON DELETE CASCADE,
            encoder_id INTEGER NOT NULL REFERENCES encoders,
            num_vectors INTEGER NOT NULL,
            seconds BLOB NOT NULL,
            vectors BLOB NOT NULL,
            PRIMARY KEY (video_id, encoder_id))""",
        "INSERT INTO generations (token) VALUES (lower(hex(randomblob(8))))",
    ),
    # 2: frames are kept for copy matching alone, as descriptors made for it, under ids of their
    # own; sound is fingerprinted. What version 1 held of frames was made by the search encoder
    # and goes: films are read again by the next ingest.
    (
        "DROP TABLE frame_vectors",
        """CREATE TABLE new_encoders (
            encoder_id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('search', 'copy')),
            name TEXT NOT NULL,
            hash TEXT NOT NULL,
            dim INTEGER NOT NULL CHECK (dim > 0),
            is_active INTEGER NOT NULL,
            UNIQUE (kind, name, hash, dim))""",
        """INSERT INTO new_encoders
            SELECT encoder_id, 'search', name, hash, dim, is_active FROM encoders
            WHERE encoder_id IN (SELECT encoder_id FROM shot_vectors)""",
        "DROP TABLE encoders",
        "ALTER TABLE new_encoders RENAME TO encoders",
        # One row a video, also for one that was read and gave no frame. The frames of a video
        # have consecutive ids; the small columns come first, so that they are read alone.
        """CREATE TABLE frame_vectors (
            video_id TEXT PRIMARY KEY REFERENCES videos ON DELETE CASCADE,
            encoder_id INTEGER NOT NULL REFERENCES encoders,
            first_frame_id INTEGER NOT NULL,
            num_vectors INTEGER NOT NULL,
            seconds BLOB NOT NULL,
            vectors BLOB NOT NULL)""",
        # Like AUTOINCREMENT for the ids of frames: none is used twice.
        "CREATE TABLE frame_ids (next_id INTEGER NOT NULL)",
        "INSERT INTO frame_ids VALUES (1)",
        # One row a video whose sound was listened to; NULL where it gave nothing.
        """CREATE TABLE sound_prints (
            video_id TEXT PRIMARY KEY REFERENCES videos ON DELETE CASCADE,
            format_version INTEGER NOT NULL,
            print BLOB)""",
        "ALTER TABLE videos ADD COLUMN match_threshold REAL",
        "INSERT INTO generations (token) VALUES (lower(hex(randomblob(8))))",
    ),
    # 3: labels of people's own. They name a video by the id of its content and stay when it goes,
    # so that a film that is read again has its labels.
    (
        """CREATE TABLE label_groups (
            group_id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            is_exclusive INTEGER NOT NULL)""",
        """CREATE TABLE label_classes (
            class_id INTEGER PRIMARY KEY,
            group_id INTEGER NOT NULL REFERENCES label_groups ON DELETE CASCADE,
            name TEXT NOT NULL,
            UNIQUE (group_id, name))""",
        """CREATE TABLE labels (
            label_id INTEGER PRIMARY KEY AUTOINCREMENT,
            class_id INTEGER NOT NULL REFERENCES label_classes ON DELETE CASCADE,
            video_id TEXT NOT NULL,
            video_name TEXT NOT NULL,
            start_seconds REAL NOT NULL,
            end_seconds REAL NOT NULL CHECK (end_seconds > start_seconds),
            boxes BLOB,
            track TEXT,
            text TEXT,
            split TEXT CHECK (split IN ('train', 'val', 'test')),
            source TEXT NOT NULL,
            line INTEGER,
            added_at TEXT NOT NULL)""",
        "CREATE INDEX labels_by_class ON labels (class_id)",
        "CREATE INDEX labels_by_video ON labels (video_id, start_seconds)",
        "INSERT INTO generations (token) VALUES (lower(hex(randomblob(8))))",
    ),
    # 4: the sound of each shot is embedded. Films from before are read again by the next ingest.
    (
        """CREATE TABLE new_encoders (
            encoder_id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('search', 'copy', 'sound')),
            name TEXT NOT NULL,
            hash TEXT NOT NULL,
            dim INTEGER NOT NULL CHECK (dim > 0),
            is_active INTEGER NOT NULL,
            UNIQUE (kind, name, hash, dim))""",
        "INSERT INTO new_encoders SELECT * FROM encoders",
        "DROP TABLE encoders",
        "ALTER TABLE new_encoders RENAME TO encoders",
        # One row a video whose sound an encoder heard, also where all of it is silent. has_sound
        # has one byte a shot; vectors has one row for each shot that has sound, in order.
        """CREATE TABLE shot_sounds (
            video_id TEXT PRIMARY KEY REFERENCES videos ON DELETE CASCADE,
            encoder_id INTEGER NOT NULL REFERENCES encoders,
            first_shot_id INTEGER NOT NULL,
            num_shots INTEGER NOT NULL,
            has_sound BLOB NOT NULL,
            vectors BLOB NOT NULL)""",
        "INSERT INTO generations (token) VALUES (lower(hex(randomblob(8))))",
    ),
    # 5: a library may hold the shots' vectors of several search encoders, of which one is in use;
    # the active one of its kind. An earlier version would read all of them as one set.
    (
        # What the encoder was loaded by, where its name does not say it (a folder).
        "ALTER TABLE encoders ADD COLUMN spec TEXT",
        "CREATE UNIQUE INDEX one_active_encoder ON encoders (kind) WHERE is_active",
        # Beside vectors that a reindex made or left: what the encoder looked at, the film or the
        # kept keyframes, and the numbers of the first shot of each scene, as little-endian int32:
        # scenes are grouped by embeddings, so each set has its own. Those of the set in use are in
        # the table scenes. Apart from the vectors, so that it is read without them.
        """CREATE TABLE set_films (
            video_id TEXT NOT NULL,
            encoder_id INTEGER NOT NULL,
            source TEXT NOT NULL CHECK (source IN ('films', 'keyframes')),
            scene_starts BLOB NOT NULL,
            PRIMARY KEY (video_id, encoder_id),
            FOREIGN KEY (video_id, encoder_id) REFERENCES shot_vectors ON DELETE CASCADE)
            WITHOUT ROWID""",
        "INSERT INTO generations (token) VALUES (lower(hex(randomblob(8))))",
    ),
)

SCHEMA_VERSION = len(MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Check that an open file is a catalog that this version knows; make or migrate its tables.

    Args:
        connection: In autocommit mode; nothing is written before the file is known to be ours.
        path: Of the file, for messages.
        create: Whether an empty file becomes a new catalog.

    Raises:
        NotFoundError: The file is empty and `create` is false.
        CatalogVersionError: The file was written by a newer version.
        CatalogError: The file is another program's database.
    """
    version = _known_version(connection, path)
    if version == 0 and not create:
        raise NotFoundError(
            f"got {path.parent}, which holds no library yet; add films to it with "
            f"`sceneprint ingest PATH --library {path.parent}`"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    if version < SCHEMA_VERSION:
        _migrate(connection, path)


def _known_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of the file; 0 for an empty one."""
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    num_tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if application_id == 0 and version == 0 and num_tables == 0:
        return 0
    if application_id != APPLICATION_ID:
        raise CatalogError(
            f"got {path}, an SQLite database of another program; expected a Sceneprint library; "
            "name another directory with --library"
        )
    if version > SCHEMA_VERSION:
        raise CatalogVersionError(
            f"got {path} with catalog version {version}; this Sceneprint knows versions up to "
            f"{SCHEMA_VERSION}; upgrade Sceneprint, or ingest the films into a new library"
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Carry the file to SCHEMA_VERSION in one transaction; safe when two processes race.

    References are not checked meanwhile: dropping a table that is made anew would empty others.
    """
    connection.execute("PRAGMA foreign_keys = OFF")  # only outside of a transaction
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in MIGRATIONS[_known_version(connection, path) :]:
            for statement in statements:
                connection.execute(statement)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise CatalogError(
                f"got {path}, in which rows belong to nothing; put back a copy of the library"
            )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
