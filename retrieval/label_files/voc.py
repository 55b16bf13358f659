"""Pascal VOC as LabelImg writes it: one XML file a picture, with boxes in pixels."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from retrieval.label_files.base import (
    MAX_FILES,
    FileLabel,
    LabelFile,
    Where,
    as_split,
    clean_name,
    number,
    picture_box,
    within_limits,
)
from retrieval.label_files.xml_nodes import Node, nodes

__all__ = ["read"]

_EDGES = ("xmin", "ymin", "xmax", "ymax")


def read(path: Path) -> LabelFile:
    """Read one file, or every `.xml` under a folder.

    Raises:
        InvalidInputError: A file is not of this format or holds a mistake; names file and line.
    """
    files = [path] if path.is_file() else _files(path)
    labels = within_limits(label for file in files for label in _read_one(file, path))
    return LabelFile("voc", labels)


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.xml"))
    if not found:
        raise Where(folder.name).error("holds no .xml files, expected one a picture")
    if len(found) > MAX_FILES:
        raise Where(folder.name).error(f"holds {len(found)} files, at most {MAX_FILES} are read")
    return found


def _read_one(file: Path, base: Path) -> Iterator[FileLabel]:
    parts = list(nodes(file))
    root = parts[0]
    if root.tag != "annotation":
        raise Where(file.name, root.line).error(f"got <{root.tag}>, expected <annotation>")
    root.children = parts[1:]
    image = _image(root, file)
    width, height = (_pixels(root, file, side) for side in ("width", "height"))
    split = next(
        (found for part in file.relative_to(base).parts if (found := as_split(part))), None
    )
    for item in root.children:
        if item.tag != "object":
            continue
        where = Where(file.name, item.line)
        box = item.child("bndbox")
        if box is None:
            raise where.error("<object> has no <bndbox>")
        left, top, right, bottom = (number(box.text_of(edge), where, edge) for edge in _EDGES)
        yield FileLabel(
            name=clean_name(item.text_of("name"), where),
            where=where,
            image=image,
            boxes=((None, picture_box((left, top, right, bottom), (width, height), where)),),
            split=split,
        )


def _image(root: Node, file: Path) -> str:
    """The picture's name below the name of its folder, which may be the film's."""
    name = root.text_of("filename") or file.stem
    name = PurePosixPath(name.replace("\\", "/")).name
    path = root.text_of("path")
    folder = PurePosixPath(path.replace("\\", "/")).parent.name if path else root.text_of("folder")
    return f"{folder}/{name}" if folder else name


def _pixels(root: Node, file: Path, side: str) -> float:
    return number(root.text_of("size", side), Where(file.name, root.line), f"<size> <{side}>")
