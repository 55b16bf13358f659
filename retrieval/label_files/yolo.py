"""YOLO text files: one a picture, a line `class x y width height` a box, as shares of the picture.

Class names come from `classes.txt` (LabelImg) or `data.yaml` (Ultralytics) in the folder or above.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retrieval.label_files.base import (
    MAX_FILES,
    FileLabel,
    LabelFile,
    Where,
    as_split,
    clean_name,
    number,
    picture_box,
    read_text,
    within_limits,
)

__all__ = ["find_names", "read"]

NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
_NOT_LABELS = {"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt"}
_MAX_NAMES_BYTES = 64_000
"""PyYAML takes seconds for larger ones that are made to be slow."""
_MAX_NESTING = 20
_MAX_CLASSES = 10_000
_MAX_LABEL_BYTES = 4_000_000


def read(path: Path) -> LabelFile:
    """Read one text file, or all below a folder.

    Raises:
        InvalidInputError: No class names, or a line with a mistake; names file and line.
    """
    folder = path if path.is_dir() else path.parent
    names_file = find_names(folder)
    if names_file is None:
        raise Where(folder.name).error(
            f"has no class names; expected one of {', '.join(NAME_FILES)}"
        )
    names = _names(names_file)
    files = [path] if path.is_file() and path.suffix == ".txt" else _files(folder)
    labels = within_limits(label for file in files for label in _read_one(file, folder, names))
    classes = {name: where for name, where in names.values()}
    return LabelFile("yolo", labels, classes)


def find_names(folder: Path) -> Path | None:
    """The file with the class names: in the folder, or up to two above."""
    for place in (folder, *list(folder.absolute().parents)[:2]):
        for name in NAME_FILES:
            if (place / name).is_file():
                return place / name
    return None


def _files(folder: Path) -> list[Path]:
    found = [file for file in sorted(folder.rglob("*.txt")) if file.name.lower() not in _NOT_LABELS]
    labelled = [file for file in found if "labels" in file.relative_to(folder).parts[:-1]]
    found = labelled or found
    if not 0 < len(found) <= MAX_FILES:
        raise Where(folder.name).error(
            f"holds {len(found)} text files with labels, expected 1 to {MAX_FILES}"
        )
    return found


def _names(file: Path) -> dict[int, tuple[str, Where]]:
    text = read_text(file, max_bytes=_MAX_NAMES_BYTES)
    if file.suffix in {".yaml", ".yml"}:
        found = _yaml_names(text, file)
    else:
        lines = enumerate(text.splitlines())
        found = [(place, name, place + 1) for place, name in lines if name.strip()]
    if not 0 < len(found) <= _MAX_CLASSES:
        raise Where(file.name).error(f"has {len(found)} class names, expected 1 to {_MAX_CLASSES}")
    names: dict[int, tuple[str, Where]] = {}
    for place, name, line in found:
        where = Where(file.name, line)
        cleaned = clean_name(name, where)
        if cleaned in {known for known, _ in names.values()}:
            raise where.error(f"class {cleaned!r} comes twice")
        names[place] = cleaned, where
    return names


def _yaml_names(text: str, file: Path) -> list[tuple[int, Any, int]]:
    """Number, name and line of each class under `names:`."""
    import yaml

    where = Where(file.name)
    if _nesting(text) > _MAX_NESTING:
        raise where.error(
            f"is nested deeper than {_MAX_NESTING} brackets, expected a list of names"
        )
    try:
        # composed, not built: values stay as written (`no` is a name, not False), with lines
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        raise where.error(f"is not valid YAML: {' '.join(str(exc).split())[:200]}") from exc
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    names = next((value for key, value in pairs if getattr(key, "value", None) == "names"), None)
    if isinstance(names, yaml.SequenceNode):
        items = list(enumerate(names.value))
    elif isinstance(names, yaml.MappingNode):
        items = [(_class_number(key.value, where), value) for key, value in names.value]
    else:
        raise where.error("has no `names:` with a list of classes")
    return [
        (place, node.value if isinstance(node, yaml.ScalarNode) else None, node.start_mark.line + 1)
        for place, node in items
    ]


def _nesting(text: str) -> int:
    """Most brackets that are open at once; those in names count too."""
    depth = deepest = 0
    for character in text:
        depth += (character in "[{") - (character in "]}" and depth > 0)
        deepest = max(deepest, depth)
    return deepest


def _class_number(text: object, where: Where) -> int:
    value = number(text, where, "class number")
    if value != int(value) or not 0 <= value < _MAX_CLASSES:
        raise where.error(f"got class number {text!r:.20}, expected 0 to {_MAX_CLASSES - 1}")
    return int(value)


def _read_one(file: Path, folder: Path, names: dict[int, tuple[str, Where]]) -> Iterator[FileLabel]:
    parts = file.relative_to(folder).parts
    image = f"{file.parent.name}/{file.stem}"
    split = next((found for part in parts if (found := as_split(part))), None)
    text = read_text(file, max_bytes=_MAX_LABEL_BYTES)
    for place, line in enumerate(text.splitlines(), start=1):
        where = Where(file.name, place)
        if not line.strip():
            continue
        words = line.split()
        class_number = _class_number(words[0], where)
        if class_number not in names:
            raise where.error(
                f"got class number {class_number}, which has no name; known: 0 to {max(names)}"
            )
        edges = _edges([number(word, where, "value") for word in words[1:]], where)
        yield FileLabel(
            name=names[class_number][0],
            where=where,
            image=image,
            boxes=((None, picture_box(edges, (1.0, 1.0), where)),),
            split=split,
        )


def _edges(values: Sequence[float], where: Where) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box, with or without confidence, or of a polygon."""
    if any(not -0.01 <= value <= 1.01 for value in values):
        raise where.error("got values outside of 0 to 1, expected shares of the picture")
    if len(values) in (4, 5):
        x, y, width, height = values[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    raise where.error(f"got {len(values)} values, expected 'class x y width height'")
