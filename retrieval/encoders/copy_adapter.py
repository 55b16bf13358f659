"""The `copy` family: a small network over the embeddings of any picture-text encoder.

The folder is written by `sceneprint train copy --encoder NAME`. Its manifest names the encoder it
was trained over, with the hash of its weights: over other weights it would say nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder, unit_rows
from retrieval.encoders.copy_background import read_background
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.registry import load_encoder
from retrieval.encoders.runtime import RuntimeOptions, Session, load_session
from retrieval.errors import (
    EncoderMismatchError,
    InvalidInputError,
    MissingDependencyError,
    NotFoundError,
)
from retrieval.types import EncoderId, FloatArray

__all__ = ["AdapterManifest", "CopyAdapter", "load", "read_adapter"]

_FORMAT = "sceneprint-copy-adapter"
_VERSION = 1
_AGAIN = "train it again: sceneprint train copy --encoder NAME --data DIR --out FOLDER"


@dataclass(frozen=True)
class AdapterManifest:
    """All of an adapter's `manifest.json` that is needed to describe pictures."""

    folder: Path
    name: str
    dim: int
    encoder: EncoderId
    file: str
    sha256: Mapping[str, str]
    background: str | None = None

    def __post_init__(self) -> None:
        for file in {self.file, self.background} - {None}:
            if Path(str(file)).name != file or file not in self.sha256:
                raise ValueError(f"got file {file!r}, expected a plain file name with a sha256")
        if self.dim < 1:
            raise ValueError(f"got {self.dim = }, expected at least 1")

    def checked_path(self, file: str) -> Path:
        """Path of a file in the folder, after its bytes were compared with their hash.

        Raises:
            MissingDependencyError: the file is not there, or its hash is another one.
        """
        path = self.folder / file
        if not path.is_file():
            raise MissingDependencyError(f"adapter file {path} is not there; {_AGAIN}")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256[file]:
            raise MissingDependencyError(f"adapter file {path} is damaged or replaced; {_AGAIN}")
        return path


class CopyAdapter(CopyEncoder):
    """A small network over embeddings.

    Args:
        manifest: of the adapter's folder.
        encoder: the one it was trained over.
        runtime: what runs the ONNX file.
        options: device and threads.

    Raises:
        EncoderMismatchError: it was trained over another encoder.
    """

    def __init__(
        self,
        manifest: AdapterManifest,
        encoder: PictureTextEncoder,
        *,
        runtime: str = "auto",
        options: RuntimeOptions | None = None,
    ) -> None:
        if encoder.id != manifest.encoder:
            raise EncoderMismatchError(
                f"the adapter in {manifest.folder} was trained over {manifest.encoder}, but "
                f"{encoder.id} is loaded; {_AGAIN}"
            )
        self._manifest, self._encoder = manifest, encoder
        self._runtime, self._options = runtime, options
        self.name, self.dim, self.batch_size = manifest.name, manifest.dim, encoder.batch_size
        parts = [encoder.hash, manifest.sha256[manifest.file], str(manifest.dim)]
        self.hash = hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @cached_property
    def background(self) -> FloatArray:
        """Descriptors (B, C) float32 of pictures it was trained on."""
        if self._manifest.background is None:
            return super().background
        return read_background(self._manifest.checked_path(self._manifest.background), self.dim)

    def encode_beside(
        self, search: PictureTextEncoder, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[FloatArray, FloatArray]:
        """As in the base class; one pass where `search` is the encoder it was trained over."""
        if search.id != self._encoder.id:
            return super().encode_beside(search, images)
        rows = search.encode_images(images)
        return rows, self.adapt(rows)

    def adapt(self, embeddings: FloatArray) -> FloatArray:
        """Make descriptors (N, C) of unit norm of the encoder's embeddings (N, D)."""
        if not len(embeddings):
            return np.empty((0, self.dim), dtype=np.float32)
        return unit_rows(self._session({"embedding": embeddings})[0])

    @cached_property
    def _session(self) -> Session:
        path = self._manifest.checked_path(self._manifest.file)
        return load_session(path, runtime=self._runtime, options=self._options)

    def _encode_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        return self.adapt(self._encoder.encode_images(images))


def read_adapter(folder: Path) -> AdapterManifest:
    """Read the manifest of an adapter folder.

    Raises:
        NotFoundError: there is none.
        InvalidInputError: it is not ours, of a version that is not known, or incomplete.
    """
    path = folder / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if (raw.get("format"), raw.get("version")) != (_FORMAT, _VERSION):
            raise ValueError(
                f"got format {raw.get('format')!r} version {raw.get('version')!r}, "
                f"expected {_FORMAT!r} version {_VERSION}"
            )
        base = raw["encoder"]
        return AdapterManifest(
            folder=folder,
            name=str(raw["name"]),
            dim=int(raw["dim"]),
            encoder=EncoderId(name=base["name"], hash=base["hash"], dim=int(base["dim"])),
            file=raw["file"],
            sha256=dict(raw["sha256"]),
            background=raw.get("background"),
        )
    except FileNotFoundError as exc:
        raise NotFoundError(f"no copy adapter in {folder}: there is no manifest.json") from exc
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise InvalidInputError(f"{path} is not a usable adapter manifest: {exc!r}") from exc


def load(
    rest: str, *, runtime: str, options: RuntimeOptions, shared: PictureTextEncoder | None
) -> CopyAdapter:
    """Load `copy:FOLDER`, over `shared` where that is its encoder, else over its encoder by name.

    Raises:
        NotFoundError: no adapter in the folder, or its encoder is not there.
        EncoderMismatchError: the encoder of that name has other weights now.
    """
    if not rest:
        raise InvalidInputError("got copy encoder 'copy:', expected copy:FOLDER")
    manifest = read_adapter(Path(rest))
    encoder = shared
    if encoder is None or encoder.id != manifest.encoder:
        device, threads = options.device, options.threads
        family = manifest.encoder.name.partition(":")[0]
        chosen = runtime if family == "builtin" else "auto"
        encoder = load_encoder(
            manifest.encoder.name, runtime=chosen, device=device, threads=threads
        )
    return CopyAdapter(manifest, encoder, runtime=runtime, options=options)
