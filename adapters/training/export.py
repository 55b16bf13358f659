"""Writes the trained towers as the folder that `builtin:` encoders are loaded from.

The folder is complete or absent: it is written beside its place and then renamed. Text weights are
stored as 8-bit integers per output channel; pictures stay float32, which runs fastest on
CPUs without integer dot products.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adapters.alignment import ResidualHead
from adapters.training.cache import IMAGE_MEAN, IMAGE_STD, export_onnx
from adapters.training.towers import ImageTower, TextTower

FORMAT = "sceneprint-encoder"
FORMAT_VERSION = 1


def write_encoder(
    out_dir: Path,
    *,
    name: str,
    image: ImageTower,
    text: TextTower,
    multilingual: ResidualHead,
    tokenizer: Path,
    size: int,
    dim: int,
    max_length: int,
    logit_scale: float,
    card: str,
    trained_on: str,
) -> None:
    """Exports the towers, the tokenizer, the manifest and the model card.

    Args:
        out_dir: the folder to make; an older one is replaced.
        name: `builtin:<architecture>/<tag>`.
        image: trained image tower.
        text: trained English tower.
        multilingual: trained head over the Universal Sentence Encoder.
        tokenizer: tokenizer file of the text tower.
        size: side of the squares that pictures are squashed to.
        dim: D of the embeddings.
        max_length: tokens a text is cut to.
        logit_scale: factor on cosines for zero-shot softmax.
        card: text of MODEL_CARD.md.
        trained_on: one line on the data.
    """
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".export-") as name_of_temp:
        folder = Path(name_of_temp) / "encoder"
        folder.mkdir()
        _write_networks(folder, image, text, multilingual, size)
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        manifest = _manifest(folder, name, size, dim, max_length, logit_scale, trained_on)
        text_of_manifest = json.dumps(manifest, indent=2) + "\n"
        (folder / "manifest.json").write_text(text_of_manifest, encoding="utf-8")
        if out_dir.exists():
            shutil.rmtree(out_dir)
        folder.rename(out_dir)


def _write_networks(
    folder: Path, image: ImageTower, text: TextTower, multilingual: ResidualHead, size: int
) -> None:
    export_onnx(
        image.eval(), (torch.zeros(2, 3, size, size),), folder / "image.onnx", inputs=["image"]
    )
    ids = torch.ones(2, 8, dtype=torch.int64)
    float_text = folder / "text_en.float.onnx"
    export_onnx(text.eval(), (ids, ids), float_text, inputs=["input_ids", "attention_mask"])
    _quantise(float_text, folder / "text_en.onnx")
    float_text.unlink()
    export_onnx(
        _Flat(multilingual).eval(),
        (torch.zeros(2, multilingual.linear.in_features),),
        folder / "text_multilingual.onnx",
        inputs=["sentence"],
    )


class _Flat(nn.Module):
    """A head without the dropout branches, so that the graph is only what serving needs."""

    def __init__(self, head: ResidualHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(x)
        return out


def _quantise(source: Path, target: Path) -> None:
    """Stores matrix and embedding weights as int8 and runs matrix products in integers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)


def _manifest(
    folder: Path,
    name: str,
    size: int,
    dim: int,
    max_length: int,
    logit_scale: float,
    trained_on: str,
) -> dict[str, Any]:
    english = {
        "languages": ["en"],
        "kind": "onnx-tokenizer",
        "file": "text_en.onnx",
        "tokenizer": "tokenizer.json",
        "max_length": max_length,
    }
    anything = {
        "languages": ["*"],
        "kind": "use-multilingual",
        "file": "text_multilingual.onnx",
    }
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": name,
        "dim": dim,
        "image": {
            "file": "image.onnx",
            "input_name": "image",
            "size": [size, size],
            "mean": [IMAGE_MEAN] * 3,
            "std": [IMAGE_STD] * 3,
            "resize": "squash",
            "interpolation": "bilinear",
        },
        "texts": [english, anything],
        "sha256": _hashes(folder),
        "licence": "Apache-2.0 code and initial weights; see MODEL_CARD.md for the training data",
        "trained_on": trained_on,
        "temperature": logit_scale,
    }


def _hashes(folder: Path) -> Mapping[str, str]:
    files = sorted(path for path in folder.iterdir() if path.suffix in (".onnx", ".json"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
