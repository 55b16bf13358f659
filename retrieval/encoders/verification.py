"""Whether an encoder on this machine is whole: its files by their hashes, then by using it.

Files of the hub's cache are named by their hash, folders of ours state it in their manifest. What
nobody states (a folder saved by another program) can only be used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from retrieval.encoders import registry
from retrieval.encoders.base import Encoder, PictureTextEncoder, SoundEncoder, TextEncoder
from retrieval.encoders.hub import cached_folder
from retrieval.encoders.hub_download import file_hash
from retrieval.encoders.inventory import load_any
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import FloatArray

__all__ = ["FileCheck", "Verification", "verify"]


@dataclass(frozen=True)
class FileCheck:
    """One file and what its bytes say."""

    path: Path
    status: Literal["whole", "damaged", "missing", "not recorded"]
    """`not recorded`: nothing states what its hash should be."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    files: tuple[FileCheck, ...]
    encoder: Encoder | None
    """Loaded, and it embedded a picture, sound or text; None where files are damaged."""

    @property
    def is_sound(self) -> bool:
        """Whether no file is damaged or missing."""
        return all(check.status in ("whole", "not recorded") for check in self.files)


def verify(name: str) -> Verification:
    """Compare every file with the hash that is recorded of it, then embed something.

    Raises:
        NotFoundError: the encoder is not on this machine.
        InvalidInputError, MissingDependencyError: it cannot be loaded.
    """
    files = tuple(_check_files(name))
    found = Verification(files, None)
    if not found.is_sound:
        return found
    encoder = load_any(name)
    for rows in _embed_something(encoder):
        if not np.isclose(np.linalg.norm(rows), 1.0, atol=1e-4):
            raise InvalidInputError(f"{name} gives vectors without a direction; fetch it again")
    return Verification(files, encoder)


def _embed_something(encoder: Encoder) -> Iterator[FloatArray]:
    rng = np.random.default_rng(0)
    if isinstance(encoder, TextEncoder):
        yield encoder.encode_texts(["two dogs on a beach"])
    if isinstance(encoder, PictureTextEncoder):
        yield encoder.encode_images([rng.integers(0, 256, (48, 64, 3), np.uint8)])
    if isinstance(encoder, SoundEncoder):
        noise = rng.uniform(-0.5, 0.5, encoder.sample_rate_hz).astype(np.float32)
        yield encoder.encode_sounds([noise], encoder.sample_rate_hz)


def _check_files(name: str) -> Iterator[FileCheck]:
    sources = registry.hub_sources(name)
    folders = dict.fromkeys(filter(None, map(cached_folder, sources)))
    for folder in folders:
        yield from _check_snapshot(folder)
    if not sources:
        yield from _check_folder(_folder_of(name))


def _check_snapshot(folder: Path) -> Iterator[FileCheck]:
    """The cache names each blob by its hash: SHA-256 of large files, Git object id of others."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            if path.is_symlink():
                yield FileCheck(path, "missing")
            continue
        blob = path.resolve().name
        is_hash = len(blob) in (40, 64) and set(blob) <= set("0123456789abcdef")
        if not is_hash:
            yield FileCheck(path, "not recorded")
        else:
            is_whole = file_hash(path, like=blob) == blob
            yield FileCheck(path, "whole" if is_whole else "damaged")


def _folder_of(name: str) -> Path:
    """The folder or file here that a name without a hub means.

    Raises:
        NotFoundError: there is none.
    """
    from retrieval.encoders.builtin import ASSETS

    family, _, rest = name.partition(":")
    folder = Path(rest.removeprefix("local-dir:")).expanduser()
    checkpoint = Path(rest.partition("/")[2])
    if rest and folder.is_dir():
        return folder
    if family == "builtin":
        return ASSETS
    if family == "open_clip" and checkpoint.is_file():
        return checkpoint
    raise NotFoundError(f"no folder at {folder}; give one that holds an encoder")


def _check_folder(folder: Path) -> Iterator[FileCheck]:
    """Files of an encoder folder against its manifest; others have nothing to compare with."""
    paths = [folder] if folder.is_file() else sorted(p for p in folder.iterdir() if p.is_file())
    recorded = _recorded(folder)
    if recorded:
        paths = [folder / file for file in sorted(recorded)]
    for path in paths:
        expected = recorded.get(path.name)
        if not path.is_file():
            yield FileCheck(path, "missing")
        elif expected is None:
            yield FileCheck(path, "not recorded")
        else:
            is_whole = file_hash(path, like=expected) == expected
            yield FileCheck(path, "whole" if is_whole else "damaged")


def _recorded(folder: Path) -> dict[str, str]:
    """SHA-256 by file name, as the manifest states them; empty where there is none."""
    from retrieval.encoders.manifest import read_manifest

    if not (folder / "manifest.json").is_file():
        return {}
    try:
        manifest = read_manifest(folder)
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    copies = {} if manifest.copies is None else manifest.copies.sha256
    return {**manifest.sha256, **copies}
