"""Trained classifiers as folders: `ROOT/NAME/1`, `ROOT/NAME/2`, …; versions are never overwritten.

    manifest.json         format, version, classes, encoders, temperature, figures, fingerprint
    adapter.safetensors   the adapter's arrays (`adapter.NAME`) and the shots (`examples`)
    adapter.onnx          embeddings to calibrated scores, for other programs

The manifest holds the digest of the arrays, so parts of two versions are never mixed. Reading
needs numpy and safetensors alone, and runs nothing that a file says: a model from a stranger can
be wrong, not harmful. Version 1 of the format is of one modality, version 2 of several
(`adapters.fusion.storage`).
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.few_shot.base import FloatArray
from adapters.few_shot.onnx_file import OPSET

__all__ = [
    "FORMAT",
    "MANIFEST",
    "AdapterDamagedError",
    "EncoderChangedError",
    "check_name",
    "find_version",
    "list_versions",
    "read_arrays",
    "read_manifest",
    "write_version",
]

FORMAT, VERSIONS = "sceneprint-adapter", (1, 2)
MANIFEST, ARRAYS, ONNX = "manifest.json", "adapter.safetensors", "adapter.onnx"
MAX_MANIFEST_BYTES = 50_000_000
MAX_ARRAY_BYTES = 2_000_000_000
_NAME = re.compile(r"[\w][\w.-]{0,63}")


class AdapterDamagedError(ValueError):
    """The folder is not a whole adapter of ours, or one of a version that is not known."""


class EncoderChangedError(ValueError):
    """The adapter learned from embeddings of another encoder; `manifest` says how it learned."""

    def __init__(self, message: str, *, manifest: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.manifest = manifest


def write_version(
    root: Path,
    name: str,
    manifest: Mapping[str, Any],
    arrays: Mapping[str, FloatArray],
    *,
    version: int,
    onnx_file: bytes,
) -> Path:
    """Write a new version: a whole folder or none.

    Args:
        root: folder of adapters.
        name: of the adapter.
        manifest: without format, version and digests, which are added.
        arrays: what the adapter learned.
        version: of the format.
        onnx_file: the same as ONNX.

    Returns:
        The folder, `root/name/number`.

    Raises:
        ValueError: the name is not letters, digits, `_`, `.` and `-`.
        OSError: the folder cannot be written.
    """
    from safetensors.numpy import save

    check_name(name)
    (root / name).mkdir(parents=True, exist_ok=True)
    content = save(dict(arrays))
    whole = {
        "format": FORMAT,
        "version": version,
        **manifest,
        "onnx": {"file": ONNX, "opset": OPSET, "sha256": hashlib.sha256(onnx_file).hexdigest()},
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }
    passing = Path(tempfile.mkdtemp(dir=root / name, prefix=".part-"))
    try:
        (passing / ARRAYS).write_bytes(content)
        (passing / ONNX).write_bytes(onnx_file)
        text = json.dumps(whole, ensure_ascii=False, indent=1)
        (passing / MANIFEST).write_text(text + "\n", encoding="utf-8")
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
    check_name(name)
    if not (root / name).is_dir():
        return []
    return sorted(
        int(path.name) for path in (root / name).iterdir() if re.fullmatch(r"[1-9]\d*", path.name)
    )


def find_version(root: Path, name: str, version: int | None = None) -> Path:
    """The folder of a version, or of the newest.

    Raises:
        FileNotFoundError: there is no such adapter or version; says which there are.
        ValueError: the name cannot be one.
    """
    versions = list_versions(root, name)
    if not versions:
        names = ", ".join(sorted(path.name for path in root.glob("*/") if path.is_dir()))
        raise FileNotFoundError(f"found no adapter {name}, there is: {names or 'none'}")
    if version is not None and version not in versions:
        known = ", ".join(map(str, versions))
        raise FileNotFoundError(f"found no version {version} of {name}, there is: {known}")
    return root / name / str(versions[-1] if version is None else version)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a version, of any format version that this program knows.

    Raises:
        AdapterDamagedError: it is missing, no manifest, or of a version that is not known.
    """
    path = folder / MANIFEST
    _check_size(path, MAX_MANIFEST_BYTES)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        given = (manifest["format"], manifest["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AdapterDamagedError(f"{path} is not a manifest: {error}") from error
    if given[0] != FORMAT or given[1] not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise AdapterDamagedError(
            f"{path} has format {given[0]!r} version {given[1]!r}, this program reads "
            f"{FORMAT} {known}; update Sceneprint or train the adapter again"
        )
    return manifest


def read_arrays(folder: Path, manifest: Mapping[str, Any]) -> dict[str, FloatArray]:
    """The arrays of a version, checked against its manifest.

    Raises:
        AdapterDamagedError: they are missing, truncated or altered.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / ARRAYS
    _check_size(path, MAX_ARRAY_BYTES)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.get("arrays_sha256"):
        raise AdapterDamagedError(f"{path} is truncated or altered; train the adapter again")
    try:
        arrays: dict[str, FloatArray] = load(content)
    except SafetensorError as error:
        raise AdapterDamagedError(f"{path} cannot be read: {error}") from error
    return arrays


def check_name(name: str) -> None:
    """Refuse a name that could leave the folder; ValueError says what one looks like."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"got adapter name {name!r}, expected up to 64 letters, digits, '_', '.' and '-'"
        )


def _check_size(path: Path, limit: int) -> None:
    if not path.is_file() or path.stat().st_size > limit:
        raise AdapterDamagedError(f"{path} is missing or too large; train the adapter again")
