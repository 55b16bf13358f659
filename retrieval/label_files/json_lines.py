"""JSON lines in the annotation format, one record a line (or one list of them).

`{"frame_id", "scene_type", "audio_emotion", "text_description"}`, as `classify --annotations`
prints it: `scene_type` holds labels parted by commas, `audio_emotion` is a group of its own, and
the record stands for the shot that holds the frame. Records that Sceneprint exports say more in
further keys (`video`, `start_seconds`, `end_seconds`, `labels` …), so that nothing is lost.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
from retrieval.label_files.json_items import parse, top_level
from retrieval.label_types import KINDS
from retrieval.types import Box

__all__ = ["AUDIO_GROUP", "SCENE_GROUP", "read"]

SCENE_GROUP, AUDIO_GROUP = "scene_type", "audio_emotion"
_MAX_FRAME = 1_000_000_000
_MAX_BOXES = 100_000


def read(path: Path) -> LabelFile:
    """Read one file.

    Raises:
        InvalidInputError: A record is wrong; names file and line.
    """
    labels = within_limits(
        label
        for record, where in _records(read_text(path), path.name)
        for label in _labels(record, where, _film_of(path))
    )
    return LabelFile("jsonl", labels)


def _film_of(path: Path) -> str:
    """A record without a film is about that which the file is named after."""
    return path.stem.removesuffix(".annotations")


def _records(text: str, file: str) -> Iterator[tuple[Mapping[str, Any], Where]]:
    if text.lstrip().startswith("["):
        items = ((item, where) for _, item, where in top_level(text, file))
    else:
        places = (
            (line, Where(file, place)) for place, line in enumerate(text.split("\n"), start=1)
        )
        items = ((parse(line, where), where) for line, where in places if line.strip())
    for item, where in items:
        if not isinstance(item, dict):
            raise where.error(f"got {item!r:.40}, expected an object with frame_id and scene_type")
        yield item, where


def _labels(record: Mapping[str, Any], where: Where, film: str) -> Iterator[FileLabel]:
    start, end, is_shot = _times(record, where)
    is_full = "labels" in record
    names = list(_full_names(record, where) if is_full else _plain_names(record, where))
    counts = Counter(group for group, _ in names)
    given = record.get("video", film)
    if not isinstance(given, str) or not given:
        raise where.error(f"got video {given!r:.40}, expected a name or path")
    kinds, track = record.get("kinds") or {}, record.get("track")
    split = record.get("split")
    if split is not None and (not isinstance(split, str) or as_split(split) is None):
        raise where.error(f"got split {split!r:.40}, expected train, val or test")
    for group, name in names:
        kind = kinds.get(group) if isinstance(kinds, dict) else None
        if kind is None and counts[group] > 1:
            kind = "any_of"  # several hold at once
        yield FileLabel(
            name=name,
            where=where,
            film=given,
            start=start,
            end=end,
            is_shot=is_shot,
            group=group,
            kind=next((one for one in KINDS if one == kind), None),
            boxes=_boxes(record.get("boxes"), where),
            track=None if track is None else str(track)[:50],
            text=clean_text(record.get("text_description"), where),
            split=as_split(split),
        )


def _times(record: Mapping[str, Any], where: Where) -> tuple[Moment, Moment | None, bool]:
    """Start, end, and whether the shot around the start is meant."""
    if "start_seconds" in record or "end_seconds" in record:
        start, end = (number(record.get(f"{x}_seconds"), where, x) for x in ("start", "end"))
        return Moment(seconds=start), Moment(seconds=end), False
    frame = record.get("frame_id")
    if not isinstance(frame, int) or isinstance(frame, bool) or not 0 <= frame <= _MAX_FRAME:
        raise where.error(f"got frame_id {frame!r:.40}, expected a whole number from 0 on")
    return Moment(frame=frame), None, True


def _plain_names(record: Mapping[str, Any], where: Where) -> Iterator[tuple[str, str]]:
    if "scene_type" not in record:
        raise where.error("has no scene_type, expected a label or null")
    for group in (SCENE_GROUP, AUDIO_GROUP):
        value = record.get(group)
        if value is None:
            continue
        if not isinstance(value, str):
            raise where.error(f"got {group} {value!r:.40}, expected text or null")
        for name in dict.fromkeys(part.strip() for part in value.replace("，", ",").split(",")):
            yield group, clean_name(name, where)


def _full_names(record: Mapping[str, Any], where: Where) -> Iterator[tuple[str, str]]:
    groups = record["labels"]
    if not isinstance(groups, dict):
        raise where.error(f"got labels {groups!r:.40}, expected groups with lists of labels")
    for group, names in groups.items():
        if not isinstance(names, list):
            raise where.error(f"got {names!r:.40} in group {group!r:.40}, expected a list")
        for name in names:
            yield clean_name(group, where, what="group"), clean_name(name, where)


def _boxes(given: Any, where: Where) -> tuple[tuple[Moment | None, Box], ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > _MAX_BOXES:
        raise where.error(f"got boxes {given!r:.40}, expected up to {_MAX_BOXES} lists")
    boxes = []
    for item in given:
        if not isinstance(item, list) or len(item) != 5:
            raise where.error(f"got box {item!r:.60}, expected [seconds, left, top, right, bottom]")
        seconds, left, top, right, bottom = (number(value, where, "box") for value in item)
        box = picture_box((left, top, right, bottom), (1.0, 1.0), where)
        boxes.append((Moment(seconds=seconds), box))
    return tuple(boxes)
