"""Writes a trained copy head: into a built-in encoder folder, or as an adapter of its own."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from adapters.copy_head import CopyHead
from adapters.encoder_folder import replaced, sha256_of, write_json
from adapters.precision.stored import store_in_half
from adapters.training.copy_graph import FEATURES, Taps, feature_fragment, head_fragment

__all__ = [
    "COPY_VERSION",
    "FILE",
    "BaseEncoder",
    "write_adapter",
    "write_copy_output",
]

FILE, BACKGROUND = "copy.onnx", "copy_background.npz"
COPY_VERSION = 1
ADAPTER_FORMAT = "sceneprint-copy-adapter"


@dataclass(frozen=True, kw_only=True)
class BaseEncoder:
    """The frozen encoder under an adapter, as it names itself."""

    name: str
    hash: str
    dim: int


def write_copy_output(
    source: Path,
    out_dir: Path,
    head: CopyHead,
    *,
    taps: Taps,
    name: str,
    background: NDArray[np.float32],
    figures: dict[str, float],
) -> None:
    """Copies a built-in encoder folder and gives it a copy output.

    Args:
        source: the folder whose picture tower is read; its search networks are taken over as they
            are, and so is the hash of its search embeddings.
        out_dir: the folder to make; an older one is replaced, and it may be `source`.
        head: trained.
        taps: what it reads.
        name: of the copy encoder.
        background: (B, dim) descriptors to normalise scores against.
        figures: measured on held-out pictures, noted in the manifest.
    """
    with replaced(out_dir) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        model = _exported(head, FEATURES, folder)
        fragment = head_fragment(
            feature_fragment(taps), model, output="copy", dim=background.shape[1]
        )
        (folder / FILE).write_bytes(fragment.SerializeToString())
        _write_background(folder, background)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest["copy"] = {
            "version": COPY_VERSION,
            "name": name,
            "dim": int(background.shape[1]),
            "file": FILE,
            "background": BACKGROUND,
            "sha256": sha256_of(folder, (FILE, BACKGROUND)),
            "held_out": figures,
        }
        write_json(folder / "manifest.json", manifest)


def write_adapter(
    out_dir: Path,
    head: CopyHead,
    *,
    base: BaseEncoder,
    name: str,
    background: NDArray[np.float32],
    figures: dict[str, float],
) -> None:
    """Writes an adapter over the embeddings of any encoder; arguments as `write_copy_output`."""
    with replaced(out_dir) as folder:
        model = _exported(head, "embedding", folder)
        onnx.save(model, folder / FILE)
        _write_background(folder, background)
        manifest = {
            "format": ADAPTER_FORMAT,
            "version": COPY_VERSION,
            "name": name,
            "dim": int(background.shape[1]),
            "encoder": {"name": base.name, "hash": base.hash, "dim": base.dim},
            "file": FILE,
            "background": BACKGROUND,
            "sha256": sha256_of(folder, (FILE, BACKGROUND)),
            "held_out": figures,
        }
        write_json(folder / "manifest.json", manifest)


def _exported(head: CopyHead, source: str, folder: Path) -> onnx.ModelProto:
    """The head as ONNX, with weights in half precision and a free batch size."""
    path = folder / "head.onnx"
    options: dict[str, Any] = {"opset_version": 17, "dynamo": False}
    with warnings.catch_warnings():  # the traced exporter is all that such a head needs
        warnings.simplefilter("ignore")
        torch.onnx.export(
            head.eval(),
            (torch.zeros(2, head.linear.in_features),),
            str(path),
            input_names=[source],
            output_names=["descriptor"],
            dynamic_axes={name: {0: "batch"} for name in (source, "descriptor")},
            **options,
        )
    store_in_half(path)
    model = onnx.load(path)
    path.unlink()
    return model


def _write_background(folder: Path, background: NDArray[np.float32]) -> None:
    np.savez(folder / BACKGROUND, vectors=background.astype(np.float16))
