"""How a video's rows go into the catalog, out of it, and how they are checked."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from retrieval.catalog_records import VideoRecord, video_to_row
from retrieval.catalog_subtitles import delete_subtitles, insert_subtitles

__all__ = ["delete_video", "insert_video", "kept_threshold", "problems"]

_CHECKS = {
    "shots missing in": """SELECT video_id FROM videos AS v WHERE num_shots !=
        (SELECT count(*) FROM shots AS s WHERE s.video_id = v.video_id)""",
    "scenes missing in": """SELECT video_id FROM videos AS v WHERE num_scenes !=
        (SELECT count(*) FROM scenes AS s WHERE s.video_id = v.video_id)""",
    "subtitles missing in": """SELECT video_id FROM videos AS v WHERE num_subtitles !=
        (SELECT count(*) FROM subtitles AS s WHERE s.video_id = v.video_id)""",
    "subtitle words missing of": """SELECT subtitle_id FROM subtitles
        WHERE subtitle_id NOT IN (SELECT rowid FROM subtitle_index)""",
    "subtitle words left over of": """SELECT rowid FROM subtitle_index
        WHERE rowid NOT IN (SELECT subtitle_id FROM subtitles)""",
    "shot vectors missing in": """SELECT video_id FROM videos JOIN shot_vectors USING (video_id)
        WHERE num_vectors != num_shots""",
    "shot sounds missing in": """SELECT s.video_id FROM videos JOIN shot_sounds AS s
        USING (video_id) WHERE s.num_shots != videos.num_shots""",
    "frame ids used twice in": """SELECT video_id FROM (SELECT video_id,
        first_frame_id + num_vectors AS following,
        lead(first_frame_id) OVER (ORDER BY first_frame_id) AS next
        FROM frame_vectors WHERE num_vectors > 0)
        WHERE following > coalesce(next, (SELECT next_id FROM frame_ids))""",
    "a row belongs to nothing in": 'SELECT "table" FROM pragma_foreign_key_check',
}


def insert_video(
    connection: sqlite3.Connection, record: VideoRecord, *, added_at: str, counter: int
) -> list[int]:
    """Store all of a record except its vectors; return the ids given to its shots."""
    row = video_to_row(record, added_at=added_at, located_at=counter)
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO videos ({names}) VALUES ({values})", row)
    shot_ids = _insert_shots(connection, record)
    _insert_scenes(connection, record, shot_ids)
    insert_subtitles(connection, record.video.video_id, record.subtitles)
    return shot_ids


def kept_threshold(connection: sqlite3.Connection, record: VideoRecord) -> VideoRecord:
    """Give a record the match threshold that was set for its video, unless it has its own."""
    video = record.video
    row = connection.execute(
        "SELECT match_threshold FROM videos WHERE video_id = ?", (video.video_id,)
    ).fetchone()
    if row is None or video.match_threshold is not None:
        return record
    return replace(record, video=replace(video, match_threshold=row["match_threshold"]))


def problems(connection: sqlite3.Connection) -> list[str]:
    """Check the file and whether every video is whole; return what is wrong."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    found = [] if found == ["ok"] else found
    for name, query in _CHECKS.items():
        found += [f"{name} {row[0]}" for row in connection.execute(query)]
    return found


def delete_video(connection: sqlite3.Connection, video_id: str) -> bool:
    """Delete a video and all that belongs to it; return whether there was one."""
    delete_subtitles(connection, video_id)
    return connection.execute("DELETE FROM videos WHERE video_id = ?", (video_id,)).rowcount > 0


def _insert_shots(connection: sqlite3.Connection, record: VideoRecord) -> list[int]:
    """Store shots and thumbnails under consecutive ids that no shot ever had."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'shots'").fetchone()
    first = 1 if row is None else int(row[0]) + 1
    shot_ids = list(range(first, first + len(record.shots)))
    connection.executemany(
        "INSERT INTO shots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                shot_id,
                shot.video_id,
                shot.number,
                shot.segment.start_seconds,
                shot.segment.end_seconds,
                shot.start_frame,
                shot.end_frame,
                shot.keyframe_seconds,
                shot.scene_number,
                shot.is_exact,
            )
            for shot_id, shot in zip(shot_ids, record.shots, strict=True)
        ],
    )
    connection.executemany(
        "INSERT INTO thumbnails VALUES (?, ?)",
        [pair for pair in zip(shot_ids, record.thumbnails, strict=False) if pair[1]],
    )
    return shot_ids


def _insert_scenes(
    connection: sqlite3.Connection, record: VideoRecord, shot_ids: Sequence[int]
) -> None:
    connection.executemany(
        "INSERT INTO scenes VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                scene.video_id,
                scene.number,
                scene.segment.start_seconds,
                scene.segment.end_seconds,
                scene.first_shot,
                scene.last_shot,
                shot_ids[record.keyframe_of(scene)],
            )
            for scene in record.scenes
        ],
    )
