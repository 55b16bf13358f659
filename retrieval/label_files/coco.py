"""COCO JSON: pictures, categories and boxes in pixels; with `videos` and `track_id` for films.

Boxes of one `track_id` in one film become one track, whose stretches end where pictures of the film
in the file have no box of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from retrieval.label_files.base import (
    FileLabel,
    LabelFile,
    Moment,
    Where,
    as_split,
    clean_name,
    number,
    picture_box,
    read_text,
    within_limits,
)
from retrieval.label_files.json_items import top_level

__all__ = ["read"]

_READ = ("images", "annotations", "categories", "videos")
_Item = tuple[Mapping[str, Any], Where]
_MAX_FRAME = 1_000_000_000


@dataclass
class _Parts:
    images: dict[int, _Item] = field(default_factory=dict)
    categories: dict[int, _Item] = field(default_factory=dict)
    videos: dict[int, _Item] = field(default_factory=dict)
    annotations: list[_Item] = field(default_factory=list)


def read(path: Path) -> LabelFile:
    """Read one file.

    Raises:
        InvalidInputError: It is not of this format or holds a mistake; names file and line.
    """
    parts = _parts(path)
    classes = {
        clean_name(item.get("name"), where): where for item, where in parts.categories.values()
    }
    labels = within_limits(_labels(parts, as_split(path.stem.rpartition("_")[2])))
    return LabelFile("coco", labels, classes)


def _parts(path: Path) -> _Parts:
    parts = _Parts()
    for key, item, where in top_level(read_text(path), path.name):
        if key not in _READ:
            continue
        if not isinstance(item, dict):
            raise where.error(f"got {item!r:.40} in {key!r}, expected an object")
        if key == "annotations":
            parts.annotations.append((item, where))
            continue
        table: dict[int, _Item] = getattr(parts, key)
        table[_whole(item.get("id"), where, f"id in {key!r}")] = item, where
    if not parts.images or not parts.categories:
        raise Where(path.name).error("has no images or no categories; expected COCO's JSON")
    return parts


def _labels(parts: _Parts, split: Any) -> Iterator[FileLabel]:
    tracks: dict[tuple[Any, ...], list[FileLabel]] = defaultdict(list)
    for item, where in parts.annotations:
        label = _label(item, where, parts, split)
        if label.track is not None and label.start is not None and label.film is not None:
            tracks[label.film, label.track, label.name].append(label)
        else:
            yield label
    frames = _frames_of_films(parts) if tracks else {}
    for (film, _, _), members in tracks.items():
        yield from _stretches(members, frames[film])


def _label(item: Mapping[str, Any], where: Where, parts: _Parts, split: Any) -> FileLabel:
    category = parts.categories.get(_whole(item.get("category_id"), where, "category_id"))
    image = parts.images.get(_whole(item.get("image_id"), where, "image_id"))
    if category is None or image is None:
        wrong = "category_id" if category is None else "image_id"
        raise where.error(f"got {wrong} {item.get(wrong)}, which the file does not hold")
    film, frame = _film_and_frame(image, parts)
    track = item.get("track_id", item.get("instance_id"))
    return FileLabel(
        name=clean_name(category[0].get("name"), category[1]),
        where=where,
        film=film,
        image=None if film is not None else _file_name(*image),
        start=None if frame is None else Moment(frame=frame),
        boxes=_boxes(item, image[0], where),
        track=None if track is None else str(track)[:50],
        split=split,
    )


def _film_and_frame(image: _Item, parts: _Parts) -> tuple[str | None, int | None]:
    """Film and frame where the file tells them apart; else both are in the picture's name."""
    item, where = image
    frame = next((item[key] for key in ("frame_index", "frame_id") if key in item), None)
    if item.get("video_id") is None or frame is None:
        return None, None
    video = parts.videos.get(_whole(item["video_id"], where, "video_id"))
    if video is None:
        raise where.error(f"got video_id {item['video_id']}, which the file does not hold")
    name = video[0].get("name", video[0].get("file_name"))
    return clean_name(name, video[1], what="film"), _whole(frame, where, "frame")


def _boxes(
    item: Mapping[str, Any], image: Mapping[str, Any], where: Where
) -> tuple[tuple[None, Any], ...]:
    """The box; none where the annotation is about all of the picture."""
    box = item.get("bbox")
    if not box:
        return ()
    if not isinstance(box, list) or len(box) != 4:
        raise where.error(f"got bbox {box!r:.60}, expected [x, y, width, height]")
    left, top, across, down = (number(value, where, "bbox") for value in box)
    size = number(image.get("width"), where, "width"), number(image.get("height"), where, "height")
    return ((None, picture_box((left, top, left + across, top + down), size, where)),)


def _frames_of_films(parts: _Parts) -> dict[str, list[int]]:
    frames: dict[str, set[int]] = defaultdict(set)
    for image in parts.images.values():
        film, frame = _film_and_frame(image, parts)
        if film is not None and frame is not None:
            frames[film].add(frame)
    return {film: sorted(numbers) for film, numbers in frames.items()}


def _stretches(members: Sequence[FileLabel], frames: Sequence[int]) -> Iterator[FileLabel]:
    """Join the boxes of a track over neighbouring pictures of the film."""
    place = {frame: number for number, frame in enumerate(frames)}
    step = min((b - a for a, b in pairwise(frames)), default=1)
    ordered = sorted(members, key=_frame)
    run = [ordered[0]]
    for label in ordered[1:]:
        gap = place[_frame(label)] - place[_frame(run[-1])]
        if gap == 0:
            raise label.where.error(f"track {label.track} has frame {_frame(label)} twice")
        if gap > 1:
            yield _joined(run, step)
            run = []
        run.append(label)
    yield _joined(run, step)


def _joined(run: Sequence[FileLabel], step: int) -> FileLabel:
    first = run[0]
    return FileLabel(
        name=first.name,
        where=first.where,
        film=first.film,
        start=first.start,
        end=Moment(frame=_frame(run[-1]) + step),
        boxes=tuple((label.start, box) for label in run for _, box in label.boxes),
        track=first.track,
        split=first.split,
    )


def _frame(label: FileLabel) -> int:
    return label.start.frame or 0 if label.start is not None else 0


def _file_name(item: Mapping[str, Any], where: Where) -> str:
    name = item.get("file_name")
    if not isinstance(name, str) or not name:
        raise where.error(f"got file_name {name!r:.40}, expected the picture's name")
    return name


def _whole(value: object, where: Where, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 62:
        raise where.error(f"got {what} {value!r:.40}, expected a whole number from 0 on")
    return value
