"""Reads `manifest.json`, which describes an encoder folder: networks, their input, their hashes.

The folder is written by `sceneprint train builtin`; one lies in this package. What belongs to the
weights travels with them: picture size, mean and deviation, temperature and file hashes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import MissingDependencyError

__all__ = ["CopyTower", "ImageTower", "Manifest", "TextTower", "read_manifest"]

_FORMAT = "sceneprint-encoder"
_VERSION = 1
_COPY_VERSION = 1
_REPAIR = "install sceneprint again, or train the encoder again: sceneprint train builtin"


@dataclass(frozen=True)
class ImageTower:
    """The picture network and what it wants to see."""

    file: str
    input_name: str
    size: tuple[int, int]
    """Height and width; pictures are squashed to it."""
    mean: tuple[float, float, float]
    """Of red, green, blue in [0, 1]; subtracted."""
    std: tuple[float, float, float]
    """Divided by, after the mean is subtracted."""
    interpolation: Literal["bilinear", "bicubic"]

    def __post_init__(self) -> None:
        if min(self.size) < 1 or len(self.size) != 2 or min(self.std) <= 0:
            raise ValueError(f"got {self}, expected a size (H, W) and std above zero")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(f"got {self.interpolation = }, expected bilinear or bicubic")


@dataclass(frozen=True)
class TextTower:
    """One text network."""

    languages: tuple[str, ...]
    """`en`, or `*` for every language."""
    kind: Literal["onnx-tokenizer", "use-multilingual"]
    file: str
    tokenizer: str | None = None
    """File of the tokenizer; None for `use-multilingual`, which brings its own."""
    max_length: int = 64
    """Tokens that are read; the rest of a text is cut off."""

    def __post_init__(self) -> None:
        if self.kind not in ("onnx-tokenizer", "use-multilingual"):
            raise ValueError(
                f"got text {self.kind = }, expected onnx-tokenizer or use-multilingual"
            )
        if self.kind == "onnx-tokenizer" and self.tokenizer is None:
            raise ValueError("got an onnx-tokenizer text without a tokenizer file")


@dataclass(frozen=True)
class CopyTower:
    """A second output of the picture network, for finding copies.

    Its hashes are kept apart from those of the search networks: a new copy output makes new copy
    descriptors, and leaves the search embeddings what they are.
    """

    name: str
    dim: int
    file: str
    """The fragment that is appended to the picture network."""
    sha256: Mapping[str, str]
    """Of the fragment and the background."""
    background: str | None = None
    """File with the descriptors of unrelated pictures; None where there is none."""

    def __post_init__(self) -> None:
        files = {self.file} | ({self.background} if self.background is not None else set())
        _check_files(files, self.sha256)
        if self.dim < 1:
            raise ValueError(f"got copy {self.dim = }, expected at least 1")


@dataclass(frozen=True)
class Manifest:
    """All of `manifest.json` that is needed to encode."""

    folder: Path
    name: str
    dim: int
    temperature: float
    image: ImageTower
    texts: tuple[TextTower, ...]
    sha256: Mapping[str, str]
    """Of every file that is named above."""
    copies: CopyTower | None = None
    """None for a folder that was made without a copy output."""

    def __post_init__(self) -> None:
        files = {self.image.file, *(text.file for text in self.texts)}
        files |= {text.tokenizer for text in self.texts if text.tokenizer is not None}
        _check_files(files, self.sha256)
        if not self.texts or self.dim < 1 or self.temperature <= 0:
            raise ValueError("expected a text tower, a dim of at least 1, a temperature above 0")

    def checked_path(self, file: str) -> Path:
        """Path of a file in the folder, after its bytes were compared with their hash.

        Raises:
            MissingDependencyError: the file is not there, or its hash is another one.
        """
        path = self.folder / file
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise MissingDependencyError(
                f"encoder file {path} cannot be read ({exc.strerror}); {_REPAIR}"
            ) from exc
        expected = self._expected_sha256(file)
        if found != expected:
            raise MissingDependencyError(
                f"encoder file {path} is damaged or replaced: its SHA-256 is {found[:12]}…, the "
                f"manifest says {expected[:12]}…; {_REPAIR}"
            )
        return path

    def _expected_sha256(self, file: str) -> str:
        copies = {} if self.copies is None else self.copies.sha256
        return self.sha256[file] if file in self.sha256 else copies[file]

    def hash(self) -> str:
        """SHA-256 over what decides the search embeddings: weights and preprocessing."""
        towers = [
            *(self.image.file, self.image.size, self.image.mean, self.image.std),
            *(self.image.interpolation, self.dim, self.name),
            *((text.languages, text.kind, text.file, text.max_length) for text in self.texts),
        ]
        described = json.dumps([towers, sorted(self.sha256.items())])
        return hashlib.sha256(described.encode()).hexdigest()

    def copy_hash(self) -> str:
        """SHA-256 over what decides the copy descriptors: both files and the preprocessing."""
        assert self.copies is not None
        image, copies = self.image, self.copies
        weights = (self.sha256[image.file], copies.sha256[copies.file])
        described = json.dumps(
            [*weights, image.size, image.mean, image.std, image.interpolation, copies.dim]
        )
        return hashlib.sha256(described.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an encoder folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not ours, of a version that is not known, or incomplete.
    """
    path = folder / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("format") != _FORMAT or raw.get("version") != _VERSION:
            raise ValueError(
                f"got format {raw.get('format')!r} version {raw.get('version')!r}, "
                f"expected {_FORMAT!r} version {_VERSION}"
            )
        return _parse(folder, raw)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ValueError(f"{path} is not a usable encoder manifest: {exc!r}") from exc


def _parse(folder: Path, raw: Mapping[str, Any]) -> Manifest:
    image = raw["image"]
    if image.get("resize", "squash") != "squash":
        raise ValueError(f"got resize {image['resize']!r}, expected 'squash'")
    texts = tuple(
        TextTower(
            languages=tuple(text["languages"]),
            kind=text["kind"],
            file=text["file"],
            tokenizer=text.get("tokenizer"),
            max_length=int(text.get("max_length", 64)),
        )
        for text in raw["texts"]
    )
    height, width = image["size"]
    return Manifest(
        folder=folder,
        name=str(raw["name"]),
        dim=int(raw["dim"]),
        temperature=float(raw["temperature"]),
        image=ImageTower(
            file=image["file"],
            input_name=image["input_name"],
            size=(int(height), int(width)),
            mean=_three(image["mean"]),
            std=_three(image["std"]),
            interpolation=image["interpolation"],
        ),
        texts=texts,
        sha256=dict(raw["sha256"]),
        copies=_parse_copies(raw.get("copy")),
    )


def _parse_copies(raw: Mapping[str, Any] | None) -> CopyTower | None:
    if raw is None:
        return None
    if raw.get("version") != _COPY_VERSION:
        raise ValueError(f"got copy version {raw.get('version')!r}, expected {_COPY_VERSION}")
    return CopyTower(
        name=str(raw["name"]),
        dim=int(raw["dim"]),
        file=raw["file"],
        sha256=dict(raw["sha256"]),
        background=raw.get("background"),
    )


def _check_files(files: Iterable[str], sha256: Mapping[str, str]) -> None:
    for file in files:
        if Path(file).name != file or file not in sha256:
            raise ValueError(f"got file {file!r}, expected a plain file name with a sha256")


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
