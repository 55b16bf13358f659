"""Labels in the catalog: groups, their classes, and classes on segments of videos.

A label keeps the id of its video's content and does not go when the video does: a film that is
read again, or comes back, has its labels, for they are a person's work and not derived.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from retrieval.label_types import KINDS, SPLITS, Label, LabelledGroup, TimedBox
from retrieval.types import Box, Segment

__all__ = [
    "Decision",
    "change_labels",
    "delete_labels",
    "insert_labels",
    "read_groups",
    "read_label",
    "read_labels",
]

Decision = Callable[[Sequence[Label]], tuple[Sequence[Label], Sequence[Label]]]
"""From the labels that are there to those that go and those that come."""


def read_groups(connection: sqlite3.Connection) -> list[LabelledGroup]:
    """All groups in the order in which they were made, classes likewise."""
    classes: dict[int, list[str]] = {}
    for row in connection.execute("SELECT group_id, name FROM label_classes ORDER BY class_id"):
        classes.setdefault(row["group_id"], []).append(row["name"])
    rows = connection.execute("SELECT * FROM label_groups ORDER BY group_id")
    return [
        LabelledGroup(
            row["name"],
            KINDS[0] if row["is_exclusive"] else KINDS[1],
            tuple(classes.get(row["group_id"], ())),
        )
        for row in rows
    ]


def read_labels(
    connection: sqlite3.Connection, *, group: str | None = None, video_id: str | None = None
) -> list[Label]:
    """Labels, of one group or video where named, by group, film and time."""
    rows = connection.execute(
        """SELECT l.*, c.name AS class_name, g.name AS group_name
           FROM labels AS l JOIN label_classes AS c USING (class_id)
           JOIN label_groups AS g USING (group_id)
           WHERE (:group IS NULL OR g.name = :group) AND (:video IS NULL OR video_id = :video)
           ORDER BY g.group_id, video_name, video_id, start_seconds, end_seconds, label_id""",
        {"group": group, "video": video_id},
    )
    return [_label(row) for row in rows]


def read_label(connection: sqlite3.Connection, label_id: int) -> Label | None:
    """One label by its id; None where there is none."""
    row = connection.execute(
        """SELECT l.*, c.name AS class_name, g.name AS group_name
           FROM labels AS l JOIN label_classes AS c USING (class_id)
           JOIN label_groups AS g USING (group_id) WHERE label_id = ?""",
        (label_id,),
    ).fetchone()
    return None if row is None else _label(row)


def change_labels(
    connection: sqlite3.Connection, *, group: str, video_id: str, decide: Decision
) -> tuple[list[Label], list[Label]]:
    """Replace labels of one group on one film; returns those that came, with ids, and that went.

    Call it inside a transaction that writes already, so that nothing comes between.
    """
    removed, added = decide(read_labels(connection, group=group, video_id=video_id))
    connection.executemany(
        "DELETE FROM labels WHERE label_id = ?", [(label.label_id,) for label in removed]
    )
    query = """SELECT c.name, class_id FROM label_classes AS c JOIN label_groups AS g
               USING (group_id) WHERE g.name = ?"""
    class_ids = {row["name"]: row["class_id"] for row in connection.execute(query, (group,))}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = [label for label in added if label.name in class_ids]  # the class may be gone meanwhile
    stored = []
    for label in kept:
        cursor = connection.execute(_INSERT, _row(label, class_ids[label.name], now))
        stored.append(replace(label, label_id=int(cursor.lastrowid or 0)))
    return stored, list(removed)


def insert_labels(
    connection: sqlite3.Connection, groups: Iterable[LabelledGroup], labels: Iterable[Label]
) -> None:
    """Store labels; groups and classes that are not there yet are made, in the given order."""
    class_ids: dict[tuple[str, str], int] = {}
    for group in groups:
        connection.execute(
            "INSERT OR IGNORE INTO label_groups (name, is_exclusive) VALUES (?, ?)",
            (group.name, group.is_exclusive),
        )
        query = "SELECT group_id FROM label_groups WHERE name = ?"
        group_id = connection.execute(query, (group.name,)).fetchone()["group_id"]
        connection.executemany(
            "INSERT OR IGNORE INTO label_classes (group_id, name) VALUES (?, ?)",
            [(group_id, name) for name in group.classes],
        )
        query = "SELECT class_id, name FROM label_classes WHERE group_id = ?"
        for row in connection.execute(query, (group_id,)):
            class_ids[group.name, row["name"]] = row["class_id"]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.executemany(
        _INSERT,
        (_row(label, class_ids[label.group, label.name], now) for label in labels),
    )


def delete_labels(connection: sqlite3.Connection, *, group: str, name: str | None = None) -> int:
    """Delete a class or a whole group with its labels; return how many labels went."""
    count = connection.execute("SELECT count(*) FROM labels").fetchone()[0]
    if name is None:
        connection.execute("DELETE FROM label_groups WHERE name = ?", (group,))
    else:
        connection.execute(
            """DELETE FROM label_classes WHERE name = ? AND group_id =
               (SELECT group_id FROM label_groups WHERE name = ?)""",
            (name, group),
        )
    return int(count - connection.execute("SELECT count(*) FROM labels").fetchone()[0])


_INSERT = """INSERT INTO labels (class_id, video_id, video_name, start_seconds, end_seconds, boxes,
    track, text, split, source, line, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def _row(label: Label, class_id: int, added_at: str) -> Sequence[object]:
    segment = label.segment
    return (
        class_id, label.video_id, label.video_name, segment.start_seconds, segment.end_seconds,
        _to_blob(label.boxes), label.track, label.text, label.split, label.source, label.line,
        added_at,
    )  # fmt: skip


def _label(row: sqlite3.Row) -> Label:
    return Label(
        group=row["group_name"],
        name=row["class_name"],
        video_id=row["video_id"],
        segment=Segment(row["start_seconds"], row["end_seconds"]),
        boxes=_from_blob(row["boxes"]),
        track=row["track"],
        text=row["text"],
        split=next((split for split in SPLITS if split == row["split"]), None),
        source=row["source"],
        line=row["line"],
        video_name=row["video_name"],
        label_id=row["label_id"],
    )


def _to_blob(boxes: Sequence[TimedBox]) -> bytes | None:
    """(K, 5) little-endian float64: seconds, left, top, right, bottom."""
    if not boxes:
        return None
    rows = [
        (item.seconds, item.box.left, item.box.top, item.box.right, item.box.bottom)
        for item in boxes
    ]
    return np.asarray(rows, "<f8").tobytes()


def _from_blob(blob: bytes | None) -> tuple[TimedBox, ...]:
    if blob is None:
        return ()
    rows = np.frombuffer(blob, "<f8").reshape(-1, 5).tolist()
    return tuple(TimedBox(row[0], Box(*row[1:])) for row in rows)
