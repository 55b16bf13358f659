"""Trained classifiers as folders: `ROOT/NAME/1`, `ROOT/NAME/2`, …; versions are never overwritten.

    manifest.json         format, version, classes, encoder, temperature, figures, fingerprint
    adapter.safetensors   the adapter's arrays (`adapter.NAME`) and the shots (`examples`)

The manifest holds the digest of the arrays, so parts of two versions are never mixed. Reading
needs numpy and safetensors alone, and runs nothing that a file says: a model from a stranger can
be wrong, not harmful. Why there is no ONNX file: the map is one or two products of matrices, which
numpy computes faster than a session starts.
"""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adapters.few_shot.base import FloatArray
from adapters.few_shot.classifier import FewShotClassifier
from adapters.few_shot.registry import adapter_class

__all__ = [
    "AdapterDamagedError",
    "EncoderChangedError",
    "list_versions",
    "load_classifier",
    "save_classifier",
]

FORMAT, VERSION = "sceneprint-adapter", 1
MANIFEST, ARRAYS = "manifest.json", "adapter.safetensors"
MAX_MANIFEST_BYTES = 50_000_000
MAX_ARRAY_BYTES = 2_000_000_000
_NAME = re.compile(r"[\w][\w.-]{0,63}")


class AdapterDamagedError(ValueError):
    """The folder is not a whole adapter of ours, or one of a version that is not known."""


class EncoderChangedError(ValueError):
    """The adapter learned from embeddings of another encoder."""

    def __init__(self, message: str, *, group: str) -> None:
        super().__init__(message)
        self.group = group


def save_classifier(classifier: FewShotClassifier, root: Path, name: str) -> Path:
    """Write a new version: a whole folder or none.

    Returns:
        The folder, `root/name/number`.

    Raises:
        ValueError: the name is not letters, digits, `_`, `.` and `-`.
        OSError: the folder cannot be written.
    """
    from safetensors.numpy import save

    _check_name(name)
    (root / name).mkdir(parents=True, exist_ok=True)
    arrays = {f"adapter.{key}": value for key, value in classifier.adapter.arrays.items()}
    content = save({**arrays, "examples": np.ascontiguousarray(classifier.examples)})
    manifest = json.dumps(_manifest(classifier, content), ensure_ascii=False, indent=1)
    passing = Path(tempfile.mkdtemp(dir=root / name, prefix=".part-"))
    try:
        (passing / ARRAYS).write_bytes(content)
        (passing / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
        while True:
            target = root / name / str(max(list_versions(root, name), default=0) + 1)
            try:
                os.rename(passing, target)  # fails where another process was first
                return target
            except OSError:
                if not target.exists():
                    raise
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def list_versions(root: Path, name: str) -> list[int]:
    """The versions of an adapter, rising; empty for one that is not there."""
    _check_name(name)
    if not (root / name).is_dir():
        return []
    return sorted(
        int(path.name) for path in (root / name).iterdir() if re.fullmatch(r"[1-9]\d*", path.name)
    )


def load_classifier(
    root: Path, name: str, *, encoder_hash: str, version: int | None = None
) -> FewShotClassifier:
    """Read a version.

    Args:
        root: folder of adapters.
        name: of the adapter.
        encoder_hash: of the encoder whose embeddings it will get.
        version: which one; None for the newest.

    Raises:
        FileNotFoundError: there is no such adapter or version; says which there are.
        EncoderChangedError: it learned from another encoder.
        AdapterDamagedError: the folder is damaged or of a format version that is not known.
        ValueError: the name cannot be one.
    """
    versions = list_versions(root, name)
    if not versions or (version is not None and version not in versions):
        known = ", ".join(map(str, versions)) or "none"
        raise FileNotFoundError(f"found no adapter {name} version {version}, there is: {known}")
    folder = root / name / str(versions[-1] if version is None else version)
    manifest, content = _read(folder)
    try:
        stored_hash, group = str(manifest["encoder"]["hash"]), str(manifest["group"])
        if stored_hash != encoder_hash:
            raise EncoderChangedError(
                f"adapter {name}/{folder.name} learned from embeddings of encoder "
                f"{manifest['encoder']['name']} ({stored_hash[:12]}), got those of "
                f"{encoder_hash[:12]}; train it again",
                group=group,
            )
        return _classifier(manifest, content)
    except EncoderChangedError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterDamagedError(f"the parts of {folder} do not fit: {error}") from error


def _manifest(classifier: FewShotClassifier, content: bytes) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "adapter": classifier.adapter.name,
        "group": classifier.group,
        "classes": list(classifier.classes),
        "is_exclusive": classifier.is_exclusive,
        "encoder": {
            "name": classifier.encoder_name,
            "hash": classifier.encoder_hash,
            "dim": classifier.adapter.dim,
        },
        "temperature": classifier.temperature,
        "error_rate": classifier.error_rate,
        # JSON has no infinity: null says that the shots were too few to vouch for the rate
        "threshold": None if math.isinf(classifier.threshold) else classifier.threshold,
        "figures": classifier.figures,
        "fingerprint": classifier.fingerprint,
        "examples": list(classifier.example_ids),
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest and the bytes of the arrays, checked against each other."""
    paths = folder / MANIFEST, folder / ARRAYS
    for path, limit in zip(paths, (MAX_MANIFEST_BYTES, MAX_ARRAY_BYTES), strict=True):
        if not path.is_file() or path.stat().st_size > limit:
            raise AdapterDamagedError(f"{path} is missing or too large; train the adapter again")
    try:
        manifest = json.loads(paths[0].read_text(encoding="utf-8"))
        given = (manifest["format"], manifest["version"])
        digest = manifest["arrays_sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AdapterDamagedError(f"{paths[0]} is not a manifest: {error}") from error
    if given != (FORMAT, VERSION):
        raise AdapterDamagedError(
            f"{paths[0]} has format {given[0]!r} version {given[1]!r}, this program reads "
            f"{FORMAT} {VERSION}; update Sceneprint or train the adapter again"
        )
    content = paths[1].read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise AdapterDamagedError(f"{paths[1]} is truncated or altered; train the adapter again")
    return manifest, content


def _classifier(manifest: dict[str, Any], content: bytes) -> FewShotClassifier:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, FloatArray] = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    examples = arrays.pop("examples")
    kind = adapter_class(manifest["adapter"])
    threshold = manifest["threshold"]
    return FewShotClassifier(
        adapter=kind({key.removeprefix("adapter."): value for key, value in arrays.items()}),
        group=str(manifest["group"]),
        classes=tuple(map(str, manifest["classes"])),
        is_exclusive=bool(manifest["is_exclusive"]),
        encoder_name=str(manifest["encoder"]["name"]),
        encoder_hash=str(manifest["encoder"]["hash"]),
        temperature=float(manifest["temperature"]),
        error_rate=float(manifest["error_rate"]),
        threshold=math.inf if threshold is None else float(threshold),
        examples=np.asarray(examples, np.float32),
        example_ids=tuple(map(str, manifest["examples"])),
        figures={str(key): float(value) for key, value in manifest["figures"].items()},
        fingerprint=str(manifest["fingerprint"]),
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"got adapter name {name!r}, expected up to 64 letters, digits, '_', '.' and '-'"
        )
