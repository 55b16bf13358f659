"""Folders of clips named by class: `day/one.mp4`, `night/two.mp4`, perhaps in `train/`, `test/`."""

import os
from collections.abc import Iterator
from pathlib import Path

from retrieval.label_files.base import (
    MAX_FILES,
    FileLabel,
    LabelFile,
    Where,
    as_split,
    clean_name,
    within_limits,
)
from retrieval.label_types import Split

__all__ = ["read"]


def read(path: Path) -> LabelFile:
    """Read the folders of a folder: each is a class, each media file in it an example.

    Where all of them are called train, valid or test, the classes are one folder deeper.

    Raises:
        InvalidInputError: There are no folders or no clips.
    """
    if not path.is_dir():
        raise Where(path.name).error("is no folder, expected folders of clips named by class")
    folders = _folders(path)
    tops: list[tuple[Split | None, Path]] = [(None, folder) for folder in folders]
    if folders and all(as_split(folder.name) for folder in folders):
        tops = [(as_split(top.name), folder) for top in folders for folder in _folders(top)]
    classes: dict[str, Where] = {}
    for _, folder in tops:
        where = Where(_relative(folder, path))
        classes.setdefault(clean_name(folder.name, where), where)
    labels = within_limits(label for split, folder in tops for label in _clips(folder, path, split))
    if not labels:
        raise Where(path.name).error("holds no clips in folders, expected CLASS/clip.mp4")
    return LabelFile("clips", labels, classes)


def _folders(path: Path) -> list[Path]:
    return sorted(
        item for item in path.iterdir()
        if item.is_dir() and not item.is_symlink() and not item.name.startswith(".")
    )  # fmt: skip


def _clips(folder: Path, base: Path, split: Split | None) -> Iterator[FileLabel]:
    from retrieval.ingest_scan import MEDIA_SUFFIXES

    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES)
    if len(found) > MAX_FILES:
        raise Where(folder.name).error(f"holds {len(found)} clips, at most {MAX_FILES} are read")
    for file in found:
        if file.is_file() and not file.name.startswith("."):
            yield FileLabel(
                name=folder.name.strip(),
                where=Where(_relative(file, base)),
                film=os.path.abspath(file),
                split=split,
            )


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
