"""Reads picture-caption pairs for training the built-in encoder.

The folder holds `captions.tsv` (columns image, caption) and for each split either `<split>.tar`
or a folder `<split>/` of JPEG or PNG files. Archives are read in memory and never unpacked; odd
members, oversized files and oversized pictures are refused.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

MAX_PICTURE_BYTES = 20_000_000
MAX_PICTURE_PIXELS = 50_000_000
MAX_PICTURES = 1_000_000
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pictures and the captions of each.

    Attributes:
        names: (N,) file names.
        pictures: (N,) encoded JPEG or PNG bytes.
        captions: (N,) tuples of one or more captions.
    """

    names: tuple[str, ...]
    pictures: tuple[bytes, ...]
    captions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.pictures) == len(self.captions):
            raise ValueError(
                f"got {len(self.names)} names, {len(self.pictures)} pictures and "
                f"{len(self.captions)} caption lists; expected as many of each"
            )

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, rows: Sequence[int]) -> Pairs:
        """Returns the pairs at the given rows, in that order."""
        return Pairs(
            names=tuple(self.names[row] for row in rows),
            pictures=tuple(self.pictures[row] for row in rows),
            captions=tuple(self.captions[row] for row in rows),
        )


def read_pairs(data_dir: Path, split: str) -> Pairs:
    """Reads one split, sorted by file name.

    Args:
        data_dir: folder with `captions.tsv` and `<split>.tar` or `<split>/`.
        split: for example `train` or `dev`.

    Raises:
        OSError: if the folder, the captions or the split cannot be read.
        ValueError: if a picture is too large, or no picture has a caption.
    """
    captions = _read_captions(data_dir / "captions.tsv")
    archive, folder = data_dir / f"{split}.tar", data_dir / split
    if archive.is_file():
        found = dict(read_archive(archive))
    elif folder.is_dir():
        found = dict(read_folder(folder))
    else:
        raise FileNotFoundError(f"found neither {archive} nor {folder}; give one of them")
    names = sorted(name for name in found if name in captions)
    if not names:
        raise ValueError(f"no picture of split {split!r} in {data_dir} has a caption")
    return Pairs(
        names=tuple(names),
        pictures=tuple(found[name] for name in names),
        captions=tuple(tuple(captions[name]) for name in names),
    )


def open_picture(data: bytes) -> Image.Image:
    """Decodes a JPEG or PNG picture to RGB.

    Raises:
        ValueError: if it has more than `MAX_PICTURE_PIXELS` pixels.
        OSError: if it cannot be decoded.
    """
    picture = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    width, height = picture.size
    if width * height > MAX_PICTURE_PIXELS:
        raise ValueError(
            f"got a picture of {width} x {height} pixels, at most {MAX_PICTURE_PIXELS} are allowed"
        )
    return picture.convert("RGB")


def clean_caption(caption: str) -> str:
    """Drops the spaces around punctuation and the final full stop which data sets carry."""
    return " ".join(caption.split()).rstrip(" .").replace(" ,", ",").replace(" 's", "'s")


def _read_captions(path: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) != 2 or row == ["image", "caption"]:
                continue
            caption = clean_caption(row[1])
            if caption:
                captions.setdefault(row[0], []).append(caption)
    return captions


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields file name and bytes of every picture in a tar archive.

    Raises:
        ValueError: too many members, or a picture that is too large.
    """
    with tarfile.open(path, "r:") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_PICTURES:
                raise ValueError(f"{path} has more than {MAX_PICTURES} members")
            name = Path(member.name).name
            if not member.isreg() or not name.lower().endswith(_SUFFIXES):
                continue
            _check_size(name, member.size)
            file = archive.extractfile(member)
            if file is not None:
                yield name, file.read(MAX_PICTURE_BYTES)


def read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields file name and bytes of every picture that lies in a folder, in order of names.

    Raises:
        ValueError: a picture is too large.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().endswith(_SUFFIXES):
            _check_size(path.name, path.stat().st_size)
            yield path.name, path.read_bytes()


def _check_size(name: str, size: int) -> None:
    if size > MAX_PICTURE_BYTES:
        raise ValueError(f"{name} has {size} bytes, at most {MAX_PICTURE_BYTES} are allowed")
