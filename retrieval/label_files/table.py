"""CSV: `video,start,end,label` and, as wanted, `group,kind,track,text,split` and a box.

The first line names the columns. `start_frame` and `end_frame` stand for times where `start` and
`end` are left out; without any, a row is about all of its film. A box is `left,top,right,bottom` as
shares of the picture.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from retrieval.label_files.base import (
    FileLabel,
    LabelFile,
    Moment,
    Where,
    as_split,
    clean_name,
    clean_text,
    number,
    picture_box,
    read_text,
    within_limits,
)
from retrieval.label_files.moments import read_moment
from retrieval.label_types import KINDS, GroupKind
from retrieval.types import Box

__all__ = ["COLUMNS", "read"]

BOX = ("left", "top", "right", "bottom")
COLUMNS = ("video", "start", "end", "label", "group", "kind", "split", "track", "text", *BOX)
_FRAMES = ("start_frame", "end_frame")
_MAX_FRAME = 1_000_000_000


def read(path: Path) -> LabelFile:
    """Read a file whose columns are parted by commas, semicolons or tabs.

    Raises:
        InvalidInputError: A column or row is wrong; names file and line.
    """
    text = read_text(path)
    where = Where(path.name, 1)
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip().casefold() for name in next(rows, [])]
        _check_columns(columns, where)
        return LabelFile("csv", within_limits(_labels(rows, columns, path.name)))
    except csv.Error as exc:
        raise Where(path.name, rows.line_num).error(f"is not valid CSV: {exc}") from exc


def _check_columns(columns: list[str], where: Where) -> None:
    unknown = [name for name in columns if name not in (*COLUMNS, *_FRAMES)]
    missing = [name for name in ("video", "label") if name not in columns]
    if unknown or missing or len(set(columns)) != len(columns):
        others = [name for name in (*COLUMNS, *_FRAMES) if name not in ("video", "label")]
        raise where.error(
            f"got columns {', '.join(columns)[:300]!r}, expected each once: video, label and any "
            f"of {', '.join(others)}"
        )


def _labels(rows: "Iterator[list[str]]", columns: list[str], file: str) -> Iterator[FileLabel]:
    for row in rows:
        where = Where(file, rows.line_num)  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise where.error(f"got {len(row)} cells, expected {len(columns)} as in the first line")
        yield _label(dict(zip(columns, (cell.strip() for cell in row), strict=True)), where)


def _label(cells: dict[str, str], where: Where) -> FileLabel:
    group, kind = cells.get("group"), cells.get("kind") or None
    if kind is not None and kind not in KINDS:
        raise where.error(f"got kind {kind!r:.40}, expected {' or '.join(KINDS)}")
    split = cells.get("split")
    if split and as_split(split) is None:
        raise where.error(f"got split {split!r:.40}, expected train, val or test")
    start = _moment(cells, "start", where)
    end = _moment(cells, "end", where)
    if (start is None) and (end is not None):
        raise where.error("got an end without a start; leave both empty for all of the film")
    box = _box(cells, where)
    return FileLabel(
        name=clean_name(cells["label"], where),
        where=where,
        film=cells["video"] or None,
        start=start,
        end=end,
        group=clean_name(group, where, what="group") if group else None,
        kind=_kind(kind),
        boxes=() if box is None else ((None, box),),
        track=cells.get("track") or None,
        text=clean_text(cells.get("text"), where),
        split=as_split(split),
    )


def _kind(text: str | None) -> GroupKind | None:
    return next((kind for kind in KINDS if kind == text), None)


def _moment(cells: dict[str, str], name: str, where: Where) -> Moment | None:
    time, frame = cells.get(name), cells.get(f"{name}_frame")
    if time and frame:
        raise where.error(f"got both {name} and {name}_frame, expected one of them")
    if frame:
        value = number(frame, where, f"{name}_frame")
        if value != int(value) or not 0 <= value <= _MAX_FRAME:
            raise where.error(f"got {name}_frame {frame}, expected a whole number from 0 on")
        return Moment(frame=int(value))
    return read_moment(time, where, what=name) if time else None


def _box(cells: dict[str, str], where: Where) -> Box | None:
    given = [cells.get(edge) or "" for edge in BOX]
    if not any(given):
        return None
    left, top, right, bottom = (number(text, where, "box") for text in given)
    return picture_box((left, top, right, bottom), (1.0, 1.0), where)
