"""Writes the trained towers as the folder that `builtin:` encoders are loaded from.

Weights are stored small, as int8 (English) or float16 (the rest), and widened once while a runtime
loads them: they compute in float32.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from adapters.alignment import ResidualHead
from adapters.encoder_folder import MANIFEST, replaced, sha256_of, write_json
from adapters.precision.stored import Floats, Stored, rewrite_weights, store_in_half
from adapters.training.cache import IMAGE_MEAN, IMAGE_STD, export_onnx
from adapters.training.towers import ImageTower, TextTower

FORMAT = "sceneprint-encoder"
FORMAT_VERSION = 1
FILES = ("image.onnx", "text_en.onnx", "text_multilingual.onnx", "tokenizer.json")
FLOAT = onnx.TensorProto.FLOAT


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
    with replaced(out_dir) as folder:
        _write_networks(folder, image, text, multilingual, size)
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        manifest = _manifest(folder, name, size, dim, max_length, logit_scale, trained_on)
        write_json(folder / MANIFEST, manifest)


def _write_networks(
    folder: Path, image: ImageTower, text: TextTower, multilingual: ResidualHead, size: int
) -> None:
    picture = torch.zeros(2, 3, size, size)
    export_onnx(image.eval(), (picture,), folder / "image.onnx", inputs=["image"])
    store_in_half(folder / "image.onnx")
    ids = torch.ones(2, 8, dtype=torch.int64)
    path = folder / "text_en.onnx"
    export_onnx(text.eval(), (ids, ids), path, inputs=["input_ids", "attention_mask"])
    _store_in_bytes(path)
    sentence = torch.zeros(2, multilingual.linear.in_features)
    path = folder / "text_multilingual.onnx"
    export_onnx(multilingual.eval(), (sentence,), path, inputs=["sentence"])
    store_in_half(path)


def _store_in_bytes(path: Path) -> None:
    """Turns each large float32 matrix into int8 and one scale for each column or table row.

    Only storage is in bytes. Integer products would also round the activations, which costs a
    point of R@1, and on CPUs without VNNI they are no faster for one short query.
    """

    def quantise(name: str, values: Floats, axis: int) -> Stored:
        scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12) / 127
        stored = {
            f"{name}_bytes": np.round(values / scale).astype(np.int8),
            f"{name}_scale": scale.astype(np.float32),
        }
        cast = onnx.helper.make_node("Cast", [f"{name}_bytes"], [f"{name}_cast"], to=FLOAT)
        return stored, [
            cast,
            onnx.helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]

    rewrite_weights(path, path, quantise)


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
        "sha256": sha256_of(folder, FILES),
        "licence": "Apache-2.0 code and initial weights; see MODEL_CARD.md for the training data",
        "trained_on": trained_on,
        "temperature": logit_scale,
    }
