"""Reads `manifest.json`, which describes an encoder folder: networks, their input, their hashes.

The folder is written by `sceneprint train builtin` (version 1; one lies in this package) or by
`sceneprint export` (version 2, which can say how any CLIP-like wants its pictures and texts). What
belongs to the weights travels with them: preprocessing, temperature, runtime and file hashes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from retrieval.errors import MissingDependencyError

__all__ = [
    "FORMAT",
    "CopyTower",
    "Execution",
    "ImageTower",
    "Manifest",
    "Precision",
    "Resize",
    "TextTower",
    "read_manifest",
]

FORMAT = "sceneprint-encoder"
_VERSIONS = (1, 2)
_COPY_VERSION = 1
_REPAIR = (
    "copy the folder again, or make it again: sceneprint export, sceneprint train builtin; where "
    "it is the shipped one, install sceneprint again"
)

Interpolation = Literal["bilinear", "bicubic"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
Resize = Literal["squash", "shortest", "longest"]
_OLD_INPUTS = ("input_ids", "attention_mask")


@dataclass(frozen=True)
class ImageTower:
    """The picture network and what it wants to see."""

    file: str
    input_name: str
    size: tuple[int, int]
    """Height and width of what the network sees."""
    mean: tuple[float, float, float]
    """Of red, green, blue in [0, 1]; subtracted."""
    std: tuple[float, float, float]
    """Divided by, after the mean is subtracted."""
    interpolation: Interpolation
    resize: Resize = "squash"
    """`squash` to the size; scale the `shortest` side to it and cut out the centre; scale the
    `longest` side to it and fill up."""
    edge: int | None = None
    """Pixels the shortest side is scaled to before the cut; None for the size itself."""
    crop: Literal["nearest", "down"] = "nearest"
    """How half a pixel is rounded where the centre is cut out: to even, or down."""
    fill: int = 0
    """Grey level around a picture whose longest side was scaled."""

    def __post_init__(self) -> None:
        if min(self.size) < 1 or len(self.size) != 2 or min(self.std) <= 0:
            raise ValueError(f"got {self}, expected a size (H, W) and std above zero")
        for name, allowed in (("interpolation", Interpolation), ("resize", Resize)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(
                    f"got {name} {getattr(self, name)!r}, expected {' or '.join(get_args(allowed))}"
                )
        if self.crop not in ("nearest", "down") or not 0 <= self.fill <= 255:
            raise ValueError(
                f"got {self.crop = } and {self.fill = }, expected nearest or down, 0…255"
            )
        if self.edge is not None and (self.edge < 1 or self.resize != "shortest"):
            raise ValueError(f"got {self.edge = }, expected pixels, and the resize 'shortest'")


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
    inputs: tuple[str, ...] = _OLD_INPUTS
    """What is fed: `input_ids`, and `attention_mask` where the network does not know by itself
    what is padding."""
    padding: Literal["batch", "full"] = "batch"
    """Texts are filled up to the longest of their batch, or always to `max_length`."""
    pad_id: int = 0
    """Token that fills up."""

    def __post_init__(self) -> None:
        if self.inputs not in (_OLD_INPUTS[:1], _OLD_INPUTS) or self.max_length < 1:
            raise ValueError(f"got {self}, expected inputs {_OLD_INPUTS} and a length above zero")
        if self.padding not in ("batch", "full") or self.pad_id < 0:
            raise ValueError(f"got {self.padding = } and {self.pad_id = }, expected batch or full")
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


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What an exported folder was made for."""

    runtime: str = "onnxruntime"
    """Runs the networks unless another is asked for."""
    precision: Precision = "fp32"
    batch: int | None = None
    """Pictures that the picture network always takes at once; None where any number goes."""

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            known = ", ".join(get_args(Precision))
            raise ValueError(f"got {self.precision = }, expected one of {known}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"got {self.batch = }, expected at least 1, or null for any")


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
    """Of every file that is named above, and of those that lie beside them."""
    copies: CopyTower | None = None
    """None for a folder that was made without a copy output."""
    execution: Execution | None = None
    """None for version 1, whose networks run anywhere in any batch."""

    def __post_init__(self) -> None:
        files = {self.image.file, *(text.file for text in self.texts)}
        files |= {text.tokenizer for text in self.texts if text.tokenizer is not None}
        _check_files({*files, *self.sha256}, self.sha256)
        if not self.texts or self.dim < 1 or self.temperature <= 0:
            raise ValueError("expected a text tower, a dim of at least 1, a temperature above 0")

    def checked_network(self, file: str) -> Path:
        """`checked_path` of a network, after what lies beside it was compared too.

        Beside it lie the files that begin with the same word: the weights of a large one.
        """
        stem = file.partition(".")[0]
        for other in sorted(self.sha256):
            if other != file and other.partition(".")[0] == stem:
                self.checked_path(other)
        return self.checked_path(file)

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
        if self.execution is not None:  # what version 1 cannot say
            image, execution = self.image, self.execution
            towers += [image.resize, image.edge, image.crop, image.fill]
            towers += [execution.runtime, execution.precision]
            towers += [(text.inputs, text.padding, text.pad_id) for text in self.texts]
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
        if raw.get("format") != FORMAT or raw.get("version") not in _VERSIONS:
            raise ValueError(
                f"got format {raw.get('format')!r} version {raw.get('version')!r}, "
                f"expected {FORMAT!r} version {' or '.join(map(str, _VERSIONS))}"
            )
        return _parse(folder, raw)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ValueError(f"{path} is not a usable encoder manifest: {exc!r}") from exc


def _parse(folder: Path, raw: Mapping[str, Any]) -> Manifest:
    is_old = raw["version"] == 1
    if is_old and raw["image"].get("resize", "squash") != "squash":
        raise ValueError(f"got resize {raw['image']['resize']!r} in version 1, expected 'squash'")
    return Manifest(
        folder=folder,
        name=str(raw["name"]),
        dim=int(raw["dim"]),
        temperature=float(raw["temperature"]),
        image=_parse_image(raw["image"]),
        texts=tuple(_parse_text(text) for text in raw["texts"]),
        sha256=dict(raw["sha256"]),
        copies=_parse_copies(raw.get("copy")),
        execution=None if is_old else Execution(**raw["execution"]),
    )


def _parse_image(raw: Mapping[str, Any]) -> ImageTower:
    height, width = raw["size"]
    edge = raw.get("edge")
    return ImageTower(
        file=raw["file"],
        input_name=raw["input_name"],
        size=(int(height), int(width)),
        mean=_three(raw["mean"]),
        std=_three(raw["std"]),
        interpolation=raw["interpolation"],
        resize=raw.get("resize", "squash"),
        edge=None if edge is None else int(edge),
        crop=raw.get("crop", "nearest"),
        fill=int(raw.get("fill", 0)),
    )


def _parse_text(raw: Mapping[str, Any]) -> TextTower:
    return TextTower(
        languages=tuple(raw["languages"]),
        kind=raw["kind"],
        file=raw["file"],
        tokenizer=raw.get("tokenizer"),
        max_length=int(raw.get("max_length", 64)),
        inputs=tuple(raw.get("inputs", _OLD_INPUTS)),
        padding=raw.get("padding", "batch"),
        pad_id=int(raw.get("pad_id", 0)),
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
