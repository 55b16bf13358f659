"""CVAT XML 1.1: images with boxes and tags, and video tracks.

A track's boxes are keyframes between which it moves evenly; a box that is `outside` ends its
visible part, so one track gives a label for each stretch in which it is seen. Frame numbers are
those of the film, as CVAT writes them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from retrieval.label_files.base import (
    FileLabel,
    LabelFile,
    Moment,
    Where,
    as_split,
    clean_name,
    clean_text,
    is_whole,
    number,
    picture_box,
    within_limits,
)
from retrieval.label_files.xml_nodes import Node, nodes
from retrieval.types import Box

__all__ = ["read"]

_BOXED = ("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid")
_MAX_FRAME = 1_000_000_000
_MAX_POINTS = 100_000


@dataclass
class _Meta:
    """What the head of the file says."""

    sources: dict[str, str] = field(default_factory=dict)
    """Film of each task; "" for the only one."""
    classes: dict[str, Where] = field(default_factory=dict)
    size: tuple[float, float] | None = None
    step: int = 1
    split: str | None = None
    left_out: set[str] = field(default_factory=set)
    """Names of attributes and kinds of elements that were not read."""

    def source(self, task_id: str | None) -> str | None:
        return self.sources.get(task_id or "", self.sources.get(""))


@dataclass(frozen=True)
class _Seen:
    """One box of a track."""

    frame: int
    is_outside: bool
    is_key: bool
    box: Box | None
    text: str | None
    where: Where


def read(path: Path) -> LabelFile:
    """Read one `annotations.xml`, or the one in a folder.

    Raises:
        InvalidInputError: It is not of this format or holds a mistake; names file and line.
    """
    file = path / "annotations.xml" if path.is_dir() else path
    meta = _Meta()
    labels = within_limits(_labels(file, meta))
    left_out = ", ".join(sorted(meta.left_out)[:20])
    notes = (f"not read from {file.name}: {left_out}",) if left_out else ()
    return LabelFile("cvat", labels, meta.classes, notes)


def _labels(file: Path, meta: _Meta) -> Iterator[FileLabel]:
    for place, node in enumerate(nodes(file)):
        if place == 0 and node.tag != "annotations":
            raise Where(file.name, node.line).error(f"got <{node.tag}>, expected <annotations>")
        if node.tag == "version" and not node.text.strip().startswith("1."):
            raise Where(file.name, node.line).error(f"got version {node.text!r:.20}, expected 1.1")
        if node.tag == "meta":
            _read_meta(node, meta, file.name)
        elif node.tag == "image":
            yield from _image(node, meta, file.name)
        elif node.tag == "track":
            yield from _track(node, meta, file.name)


def _read_meta(node: Node, meta: _Meta, file: str) -> None:
    project = node.child("project")
    tasks = [item for tag in ("task", "job") if (item := node.child(tag)) is not None]
    if project is not None:
        holder = project.child("tasks")
        tasks += holder.children if holder is not None else []
    for task in tasks:
        source = task.text_of("source") or node.text_of("source")
        if source is not None:
            meta.sources[(task.text_of("id") or "") if project is not None else ""] = source
        meta.split = meta.split or task.text_of("subset")
        found = re.fullmatch(r"\s*step\s*=\s*(\d{1,6})\s*", task.text_of("frame_filter") or "")
        meta.step = max(1, int(found[1])) if found else meta.step
        _read_classes(task.child("labels"), meta, file)
        _read_size(task.child("original_size"), meta, file)
    _read_classes(None if project is None else project.child("labels"), meta, file)
    _read_size(node.child("original_size"), meta, file)


def _read_classes(holder: Node | None, meta: _Meta, file: str) -> None:
    for item in () if holder is None else holder.children:
        where = Where(file, item.line)
        meta.classes.setdefault(clean_name(item.text_of("name"), where), where)


def _read_size(node: Node | None, meta: _Meta, file: str) -> None:
    if node is not None:
        where = Where(file, node.line)
        width, height = (number(node.text_of(side), where, side) for side in ("width", "height"))
        meta.size = width, height


def _image(node: Node, meta: _Meta, file: str) -> Iterator[FileLabel]:
    """Boxes and tags of one picture."""
    where = Where(file, node.line)
    attributes = node.attributes
    sides = attributes.get("width"), attributes.get("height")
    size = meta.size if None in sides else tuple(number(side, where, "size") for side in sides)
    source = meta.source(attributes.get("task_id"))
    for item in node.children:
        place = Where(file, item.line)
        if item.tag not in (*_BOXED, "tag"):
            meta.left_out.add(f"<{item.tag}>")
            continue
        box = None if item.tag == "tag" else _box(item, size, place)  # type: ignore[arg-type]
        frame = _frame(attributes.get("id"), where) if source is not None else None
        yield FileLabel(
            name=clean_name(item.attributes.get("label"), place),
            where=place,
            film=source,
            image=attributes.get("name"),
            start=None if frame is None else Moment(frame=frame),
            boxes=() if box is None or is_whole(box) else ((None, box),),
            text=_text(item, meta, place),
            split=as_split(attributes.get("subset") or meta.split),
        )


def _track(node: Node, meta: _Meta, file: str) -> Iterator[FileLabel]:
    """One label for each stretch in which the track is seen."""
    where = Where(file, node.line)
    name = clean_name(node.attributes.get("label"), where)
    source = meta.source(node.attributes.get("task_id"))
    seen = sorted((_seen(item, meta, file) for item in node.children), key=lambda one: one.frame)
    for first, second in pairwise(seen):
        if first.frame == second.frame:
            raise second.where.error(f"track {name!r} has frame {second.frame} twice")
    for run, end in _runs(seen, meta.step):
        keys = [one for one in run if one.is_key or one in (run[0], run[-1])]
        boxes = [(Moment(frame=one.frame), one.box) for one in keys if one.box is not None]
        is_placed = any(not is_whole(box) for _, box in boxes)
        yield FileLabel(
            name=name,
            where=run[0].where,
            film=source,
            start=Moment(frame=run[0].frame),
            end=Moment(frame=end),
            boxes=tuple(boxes) if is_placed else (),
            track=node.attributes.get("id") if is_placed else None,
            text=next((one.text for one in run if one.text), None),
            split=as_split(node.attributes.get("subset") or meta.split),
        )


def _runs(seen: Sequence[_Seen], step: int) -> Iterator[tuple[list[_Seen], int]]:
    """Stretches of boxes that are not outside, each with the frame at which it is gone."""
    run: list[_Seen] = []
    for one in seen:
        if not one.is_outside:
            run.append(one)
        elif run:
            yield run, one.frame
            run = []
    if run:
        yield run, run[-1].frame + step


def _seen(item: Node, meta: _Meta, file: str) -> _Seen:
    where = Where(file, item.line)
    if item.tag not in _BOXED:
        raise where.error(f"got <{item.tag}> in a track, expected one of {', '.join(_BOXED)}")
    is_outside = item.attributes.get("outside") == "1"
    return _Seen(
        frame=_frame(item.attributes.get("frame"), where),
        is_outside=is_outside,
        is_key=item.attributes.get("keyframe", "1") == "1",
        box=None if is_outside else _box(item, meta.size, where),
        text=_text(item, meta, where),
        where=where,
    )


def _frame(text: str | None, where: Where) -> int:
    value = number(text, where, "frame")
    if value != int(value) or not 0 <= value <= _MAX_FRAME:
        raise where.error(f"got frame {text}, expected a whole number from 0 on")
    return int(value)


def _box(item: Node, size: tuple[float, float] | None, where: Where) -> Box:
    """The box around a shape, as shares of the picture."""
    if size is None:
        raise where.error(
            "the picture's size is not told; expected <original_size> or width, height"
        )
    edges = _edges(item, where)
    return picture_box(edges, size, where)


def _edges(item: Node, where: Where) -> tuple[float, float, float, float]:
    def value(name: str) -> float:
        return number(item.attributes.get(name), where, name)

    if item.tag == "box":
        return value("xtl"), value("ytl"), value("xbr"), value("ybr")
    if item.tag == "ellipse":
        across, down = value("rx"), value("ry")
        return (
            value("cx") - across, value("cy") - down, value("cx") + across, value("cy") + down,
        )  # fmt: skip
    if item.tag == "mask":
        left, top = value("left"), value("top")
        return left, top, left + value("width"), top + value("height")
    if item.tag == "cuboid":
        corners = [name for name in item.attributes if re.fullmatch(r"[xy](tl|bl|tr|br)[12]", name)]
        points = [(name[0], value(name)) for name in corners]
    else:
        points = _points(item.attributes.get("points", ""), where)
    xs = [place for axis, place in points if axis == "x"]
    ys = [place for axis, place in points if axis == "y"]
    if not xs or not ys:
        raise where.error(f"<{item.tag}> has no points")
    return min(xs), min(ys), max(xs), max(ys)


def _points(text: str, where: Where) -> list[tuple[str, float]]:
    pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
    if len(pairs) > _MAX_POINTS or any(len(pair) != 2 for pair in pairs):
        raise where.error(f"got points {text!r:.40}, expected 'x,y;x,y;…'")
    return [
        (axis, number(place, where, "point"))
        for pair in pairs
        for axis, place in zip("xy", pair, strict=True)
    ]


def _text(item: Node, meta: _Meta, where: Where) -> str | None:
    """What the attribute `text` says; others are noted as not read."""
    text = None
    for one in item.children:
        if one.tag == "attribute" and one.attributes.get("name") == "text":
            text = clean_text(one.text, where)
        else:
            meta.left_out.add(f"attribute {one.attributes.get('name', one.tag)!r:.40}")
    return text
