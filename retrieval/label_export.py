"""Labels as files: CSV, JSON lines and CVAT XML, each only where nothing of them would be lost."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from retrieval.errors import InvalidInputError
from retrieval.label_files.json_lines import AUDIO_GROUP
from retrieval.label_files.table import COLUMNS
from retrieval.label_films import FrameClock
from retrieval.label_types import Label, LabelledGroup, TimedBox
from retrieval.types import Box, Video

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = ["EXPORT_FORMATS", "export_labels"]

_WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def export_labels(
    groups: Sequence[LabelledGroup],
    labels: Sequence[Label],
    videos: Mapping[str, Video],
    *,
    format: str,  # noqa: A002 (the option's name)
    limits: "MediaLimits | None" = None,
) -> str:
    """Write labels as text that `import` reads back to the same labels.

    Args:
        groups: All groups of the labels.
        labels: What to write.
        videos: By id; films that are gone are written by the name that they had.
        format: `csv`, `jsonl` or `cvat`.
        limits: Bounds on media files that are read for their frame times.

    Raises:
        InvalidInputError: Unknown format, or one that would lose something; says what.
    """
    if format not in EXPORT_FORMATS:
        raise InvalidInputError(f"got format {format!r}, expected {', '.join(EXPORT_FORMATS)}")
    if not labels:
        raise InvalidInputError("there are no labels to write; `sceneprint labels list` shows them")
    return EXPORT_FORMATS[format](groups, labels, videos, limits)


# --- CSV


def _csv(
    groups: Sequence[LabelledGroup],
    labels: Sequence[Label],
    videos: Mapping[str, Video],
    limits: "MediaLimits | None",
) -> str:
    tracks = [label for label in labels if len(label.boxes) > 1]
    if tracks:
        raise InvalidInputError(
            f"{len(tracks)} labels are tracks of boxes, which a CSV row cannot hold; "
            "use --format jsonl or cvat"
        )
    kinds = {group.name: group.kind for group in groups}
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in labels:
        box = label.boxes[0].box if label.boxes else None
        writer.writerow(
            [
                _film(label, videos),
                _number(label.segment.start_seconds),
                _number(label.segment.end_seconds),
                label.name,
                label.group,
                kinds[label.group],
                label.split or "",
                label.track or "",
                label.text or "",
                *([""] * 4 if box is None else map(_number, _edges(box))),
            ]
        )
    return out.getvalue()


# --- JSON lines


def _jsonl(
    groups: Sequence[LabelledGroup],
    labels: Sequence[Label],
    videos: Mapping[str, Video],
    limits: "MediaLimits | None",
) -> str:
    """One record a segment: what is said of it in all groups, as `classify --annotations` does."""
    kinds = {group.name: group.kind for group in groups}
    records: dict[tuple[Any, ...], list[Label]] = defaultdict(list)
    for label in labels:
        alone = label.label_id if label.boxes else 0
        key = label.video_id, label.segment, label.text, label.split, label.track, alone
        records[key].append(label)
    lines = [_record(members, kinds, videos) for members in records.values()]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _record(
    members: Sequence[Label], kinds: Mapping[str, str], videos: Mapping[str, Video]
) -> dict[str, Any]:
    first = members[0]
    segment, video = first.segment, videos.get(first.video_id)
    rate = float((video.frame_rate if video is not None else None) or 1000)
    scene = [label.name for label in members if label.group != AUDIO_GROUP]
    sounds = [label.name for label in members if label.group == AUDIO_GROUP]
    by_group: dict[str, list[str]] = defaultdict(list)
    for label in members:
        by_group[label.group].append(label.name)
    record: dict[str, Any] = {
        "frame_id": round((segment.start_seconds + segment.end_seconds) / 2 * rate),
        "scene_type": ", ".join(scene) or None,
        "audio_emotion": ", ".join(sounds) or None,
        "text_description": first.text or "",
        "video": _film(first, videos),
        "start_seconds": segment.start_seconds,
        "end_seconds": segment.end_seconds,
        "labels": by_group,
        "kinds": {name: kinds[name] for name in by_group},
    }
    optional = {
        "split": first.split,
        "track": first.track,
        "boxes": [[item.seconds, *_edges(item.box)] for item in first.boxes] or None,
    }
    return record | {key: value for key, value in optional.items() if value is not None}


# --- CVAT


def _cvat(
    groups: Sequence[LabelledGroup],
    labels: Sequence[Label],
    videos: Mapping[str, Video],
    limits: "MediaLimits | None",
) -> str:
    """CVAT for video 1.1: a label without a box becomes one around the whole picture."""
    video = _only_film(labels, videos)
    clock = FrameClock(video, limits=limits)
    classes = dict.fromkeys(label.name for label in labels)
    head = "".join(_cvat_class(name) for name in classes)
    split = f"      <subset>{labels[0].split}</subset>\n" if labels[0].split else ""
    tracks = "".join(
        _cvat_track(number, label, clock, video) for number, label in enumerate(labels)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>\n    <task>\n      <name>{escape(video.name)}</name>\n"
        f"      <size>{clock.frame(video.duration_seconds)}</size>\n"
        f"      <mode>interpolation</mode>\n{split}      <labels>\n{head}      </labels>\n"
        f"      <original_size><width>{video.width}</width><height>{video.height}</height>"
        f"</original_size>\n      <source>{escape(video.name)}</source>\n    </task>\n  </meta>\n"
        f"{tracks}</annotations>\n"
    )


def _only_film(labels: Sequence[Label], videos: Mapping[str, Video]) -> Video:
    """The film that all labels are of; CVAT files hold one film, group and split."""
    films = {label.video_id for label in labels}
    others = {label.group for label in labels}, {label.split for label in labels}
    if len(films) > 1 or any(len(values) > 1 for values in others):
        raise InvalidInputError(
            f"got labels of {len(films)} films, {len(others[0])} groups and {len(others[1])} "
            "splits; a CVAT file holds one of each: choose with --video and --group"
        )
    video = videos.get(labels[0].video_id)
    if video is None or not (video.width and video.height):
        raise InvalidInputError(
            f"{labels[0].video_name} is not in the library or has no picture, so that its frames "
            "and size are unknown; use --format jsonl"
        )
    return video


def _cvat_class(name: str) -> str:
    attribute = (
        "<attributes><attribute><name>text</name><mutable>False</mutable>"
        "<input_type>text</input_type><default_value></default_value><values></values>"
        "</attribute></attributes>"
    )
    return f"        <label><name>{escape(name)}</name>{attribute}</label>\n"


def _cvat_track(number: int, label: Label, clock: FrameClock, video: Video) -> str:
    first = clock.frame(label.segment.start_seconds)
    end = max(first + 1, clock.frame(label.segment.end_seconds))
    boxes = label.boxes or (TimedBox(label.segment.start_seconds, _WHOLE),)
    frames = {clock.frame(item.seconds): item.box for item in boxes}
    lines = [_cvat_box(frame, box, video, text=label.text) for frame, box in frames.items()]
    last = max(frames)
    lines.append(_cvat_box(max(end, last + 1), frames[last], video, is_outside=True))
    place = quoteattr(label.track if label.track is not None else str(number))
    head = f'  <track id={place} label={quoteattr(label.name)} source="manual">\n'
    return f"{head}{''.join(lines)}  </track>\n"


def _cvat_box(
    frame: int, box: Box, video: Video, *, text: str | None = None, is_outside: bool = False
) -> str:
    sides = (video.width, video.height)
    xtl, ytl, xbr, ybr = (edge * sides[place % 2] for place, edge in enumerate(_edges(box)))
    head = (
        f'    <box frame="{frame}" keyframe="1" outside="{int(is_outside)}" occluded="0" '
        f'xtl="{xtl:.3f}" ytl="{ytl:.3f}" xbr="{xbr:.3f}" ybr="{ybr:.3f}" z_order="0"'
    )
    if text is None:
        return f"{head}/>\n"
    return f'{head}><attribute name="text">{escape(text)}</attribute></box>\n'


# --- all


def _film(label: Label, videos: Mapping[str, Video]) -> str:
    """The film's name where it is the only one of that name, else its id."""
    names = [video.name for video in videos.values()]
    return label.video_name if names.count(label.video_name) == 1 else label.video_id


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _edges(box: Box) -> Iterable[float]:
    return box.left, box.top, box.right, box.bottom


_Writer = Callable[
    [Sequence[LabelledGroup], Sequence[Label], Mapping[str, Video], "MediaLimits | None"], str
]
EXPORT_FORMATS: dict[str, _Writer] = {"csv": _csv, "jsonl": _jsonl, "cvat": _cvat}
