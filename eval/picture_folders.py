"""Labelled pictures in folders named by class, and their embeddings, kept by content.

The layout is `DIR/CLASS/picture.jpg`, or `DIR/train/CLASS/…` and `DIR/test/CLASS/…` for a data set
with an official test. In a multi-label set a picture lies in the folder of each of its classes;
pictures are told apart by their bytes, so a copy is never both a shot and a test.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.training.pairs import MAX_PICTURE_BYTES, open_picture
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.types import FloatArray, Progress, ProgressCallback

__all__ = ["PictureSet", "embed_pictures", "read_picture_folders"]

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_PICTURES = 200_000
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures with their classes.

    Attributes:
        name: of the folder.
        classes: (C,) names, sorted.
        paths: (N,) one file a content.
        digests: (N,) SHA-256 of the files, hex.
        targets: (N, C) float32, 1 where the class holds.
        is_test: (N,) bool, where the data set says which pictures are the test; else None.
    """

    name: str
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    targets: FloatArray
    is_test: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.paths)


def read_picture_folders(data: Path, *, multi_label: bool = False) -> PictureSet:
    """Find the pictures of each class; nothing is decoded yet.

    Args:
        data: the folder of classes.
        multi_label: whether a picture may lie in several folders.

    Raises:
        NotFoundError: there is no such folder.
        InvalidInputError: fewer than two classes, too many or too large pictures, or one picture
            in two classes or in both train and test.
    """
    if not data.is_dir():
        raise NotFoundError(f"found no folder {data}; give a folder with a folder for each class")
    has_split = (data / "train").is_dir() and (data / "test").is_dir()
    roots = [(data / "train", False), (data / "test", True)] if has_split else [(data, False)]
    found: dict[str, tuple[Path, set[str], bool]] = {}
    for root, is_test in roots:
        for name, path in _pictures(root):
            _add(found, name, path, is_test, multi_label=multi_label)
    classes = sorted({name for _, names, _ in found.values() for name in names})
    if len(classes) < 2:
        raise InvalidInputError(
            f"found {len(classes)} classes with pictures in {data}, expected at least 2: folders "
            "named by class, with JPEG or PNG files"
        )
    items = sorted(found.items(), key=lambda item: item[1][0].as_posix())
    targets = np.array([[c in names for c in classes] for _, (_, names, _) in items], np.float32)
    return PictureSet(
        name=data.name,
        classes=tuple(classes),
        paths=tuple(path for _, (path, _, _) in items),
        digests=tuple(digest for digest, _ in items),
        targets=targets,
        is_test=np.array([test for _, (_, _, test) in items]) if has_split else None,
    )


def embed_pictures(
    pictures: PictureSet,
    encoder: PictureTextEncoder,
    *,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> FloatArray:
    """Embed all pictures, or take those that a cache has.

    Args:
        pictures: what is embedded.
        encoder: makes the embeddings.
        cache: folder with a file for each encoder, which holds embeddings by content; made or
            filled up. None keeps nothing.
        progress: told after each batch.
        should_stop: asked before each batch; what was embedded is kept.

    Returns:
        (N, D) float32, unit norm.

    Raises:
        InvalidInputError: a picture cannot be decoded.
        OperationCancelled: `should_stop` said so.
    """
    path = None if cache is None else cache / f"embeddings-{encoder.hash[:16]}.npz"
    known = {} if path is None else _read_cache(path, encoder.dim)
    missing = [row for row, digest in enumerate(pictures.digests) if digest not in known]
    try:
        for start in range(0, len(missing), _AT_ONCE):
            if should_stop is not None and should_stop():
                raise OperationCancelled("stopped; the pictures embedded so far are kept")
            rows = missing[start : start + _AT_ONCE]
            made = encoder.encode_images([_picture(pictures.paths[row]) for row in rows])
            known.update(zip((pictures.digests[row] for row in rows), made, strict=True))
            if progress is not None:
                done = start + len(rows)
                progress(Progress("encode", pictures.name, done, len(missing), unit="pictures"))
    finally:
        if path is not None and missing and known:
            _write_cache(path, known)
    return np.stack([known[digest] for digest in pictures.digests])


def _pictures(root: Path) -> Iterator[tuple[str, Path]]:
    """Class name and path of each picture below a folder."""
    count = 0
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                count += 1
                if count > MAX_PICTURES:
                    raise InvalidInputError(f"got more than {MAX_PICTURES} pictures in {root}")
                yield folder.name, path


def _add(
    found: dict[str, tuple[Path, set[str], bool]],
    name: str,
    path: Path,
    is_test: bool,
    *,
    multi_label: bool,
) -> None:
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise InvalidInputError(f"{path} is larger than {MAX_PICTURE_BYTES} bytes")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    first, names, first_is_test = found.setdefault(digest, (path, set(), is_test))
    names.add(name)
    if len(names) > 1 and not multi_label:
        raise InvalidInputError(
            f"{path} is the same picture as {first}, in another class; remove one of them, or say "
            "that pictures may have several classes (--multi-label)"
        )
    if first_is_test != is_test:
        raise InvalidInputError(f"{path} is the same picture as {first}: in train and in test")


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return np.asarray(open_picture(path.read_bytes()))
    except (OSError, ValueError, SyntaxError) as exc:
        raise InvalidInputError(f"cannot read the picture {path}: {exc}") from exc


def _read_cache(path: Path, dim: int) -> dict[str, FloatArray]:
    """What an earlier run kept; a damaged file counts as none."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            digests, vectors = stored["digests"], stored["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    if vectors.shape != (len(digests), dim) or vectors.dtype != np.float32:
        return {}
    return dict(zip(digests.tolist(), vectors, strict=True))


def _write_cache(path: Path, known: dict[str, FloatArray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        vectors = np.stack(list(known.values()))
        np.savez(file, digests=np.array(list(known)), vectors=vectors)
    os.replace(file.name, path)
