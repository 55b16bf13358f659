"""Writes a smaller encoder beside its original: its own picture network, the texts taken over.

The folder has the format of every encoder folder, so `onnx:FOLDER` loads it; its manifest says
under `compressed` what was done, to what, and what was measured.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from adapters.encoder_folder import MANIFEST, replaced, sha256_of, write_json
from adapters.precision.stored import store_in_half
from adapters.training.cache import export_onnx
from adapters.training.towers import ImageTower

__all__ = ["COMPRESSED_VERSION", "add_figures", "write_compressed", "write_tower"]

COMPRESSED_VERSION = 1
IMAGE = "image.onnx"


def write_compressed(
    source: Path,
    out_dir: Path,
    write_image: Callable[[Path], None],
    *,
    name: str,
    method: Mapping[str, Any],
    original: tuple[str, str],
    size: int | None = None,
) -> None:
    """Make an encoder folder with another picture network.

    Args:
        source: folder of the original, whose text networks are taken over.
        out_dir: the folder to make; an older one is replaced.
        write_image: writes the network to the path it is given.
        name: of the encoder; its embeddings are its own, so it needs one.
        method: what was done, for the manifest.
        original: name and hash of the encoder it was made from.
        size: side of the squares that pictures are squashed to; None for the original's.

    Raises:
        OSError: a file cannot be read or written.
    """
    with replaced(out_dir) as folder:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        manifest.pop("copy", None)  # it reads inside the network that is replaced
        files = {text[key] for text in manifest["texts"] for key in ("file", "tokenizer")
                 if text.get(key)}  # fmt: skip
        for file in files:
            shutil.copyfile(source / file, folder / file)
        write_image(folder / IMAGE)
        manifest["name"] = name
        manifest["image"]["file"] = IMAGE
        if size is not None:
            manifest["image"]["size"] = [size, size]
        manifest["sha256"] = sha256_of(folder, {IMAGE, *files})
        manifest["compressed"] = {
            "version": COMPRESSED_VERSION,
            "from": {"name": original[0], "hash": original[1]},
            **method,
        }
        write_json(folder / MANIFEST, manifest)


def add_figures(folder: Path, figures: Mapping[str, float]) -> None:
    """Note what was measured, in manifest and model card; the encoder's hash stays."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    made = manifest["compressed"]
    made["figures"] = dict(figures)
    write_json(folder / MANIFEST, manifest)
    lines = [f"- {key}: {value:.4g}" for key, value in figures.items()]
    said = (
        f"# Model card\n\n{manifest['name']}, made from {made['from']['name']} by "
        f"`sceneprint compress {made['method']}`. Its picture network is new, its text networks "
        "are the original's; data and terms are those of the original.\n\nMeasured:\n\n"
    )
    (folder / "MODEL_CARD.md").write_text(said + "\n".join(lines) + "\n", encoding="utf-8")


def write_tower(tower: ImageTower, path: Path, *, size: int) -> None:
    """Export a picture tower with half-precision weights."""
    export_onnx(tower.eval(), (torch.zeros(2, 3, size, size),), path, inputs=["image"])
    store_in_half(path)
