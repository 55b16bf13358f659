"""Label formats by name, and which one a path is of."""

from importlib import import_module
from pathlib import Path

from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_files.base import LabelFile
from retrieval.label_files.yolo import NAME_FILES

__all__ = ["FORMATS", "detect_format", "read_labels"]

FORMATS = {
    "clips": "retrieval.label_files.clips:read",
    "coco": "retrieval.label_files.coco:read",
    "csv": "retrieval.label_files.table:read",
    "cvat": "retrieval.label_files.cvat:read",
    "jsonl": "retrieval.label_files.json_lines:read",
    "voc": "retrieval.label_files.voc:read",
    "yolo": "retrieval.label_files.yolo:read",
}
_BY_SUFFIX = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "yolo"}
_BY_ROOT = {"annotations": "cvat", "annotation": "voc"}
_HEAD_CHARS = 64


def read_labels(path: Path, *, format: str = "auto") -> LabelFile:  # noqa: A002 (the option's name)
    """Read labels from a file or a folder.

    Raises:
        NotFoundError: There is nothing at the path.
        InvalidInputError: The format is unknown, or the labels are not of it; names file and line.
    """
    if format not in ("auto", *FORMATS):
        raise InvalidInputError(f"got format {format!r}, expected auto, {', '.join(FORMATS)}")
    if not path.exists():
        raise NotFoundError(f"got {path}, which does not exist; give a label file or a folder")
    chosen = detect_format(path) if format == "auto" else format
    if path.is_dir() and chosen in ("coco", "csv", "jsonl"):
        raise InvalidInputError(f"got {path}, a folder; expected the {chosen} file itself")
    module, _, attribute = FORMATS[chosen].partition(":")
    found: LabelFile = getattr(import_module(module), attribute)(path)
    return found


def detect_format(path: Path) -> str:
    """Tell the format of a file or folder by its name and first characters.

    Raises:
        InvalidInputError: It looks like none; the message lists the formats.
    """
    found = _of_folder(path) if path.is_dir() else _of_file(path)
    if found is None:
        raise InvalidInputError(
            f"got {path}, which looks like no label format; name it with --format: "
            f"{', '.join(FORMATS)}"
        )
    return found


def _of_folder(path: Path) -> str | None:
    if (path / "annotations.xml").is_file():
        return "cvat"
    if any((path / name).is_file() for name in NAME_FILES):
        return "yolo"
    if next(path.rglob("*.xml"), None) is not None:
        return "voc"
    return "clips" if any(item.is_dir() for item in path.iterdir()) else None


def _of_file(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        from retrieval.label_files.xml_nodes import root_tag

        return _BY_ROOT.get(root_tag(path))
    if suffix == ".json":
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.read(_HEAD_CHARS).lstrip()
        return "jsonl" if head.startswith("[") or '"frame_id"' in head else "coco"
    return _BY_SUFFIX.get(suffix)
