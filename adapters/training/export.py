"""Writes the trained towers as the folder that `builtin:` encoders are loaded from.

The folder is complete or absent: it is written beside its place and then renamed. The English tower
is stored and run in 8-bit integers; the other weights are stored as float16 and widened once while
a runtime loads them, so that they compute in float32 at half the size.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from adapters.alignment import ResidualHead
from adapters.training.cache import IMAGE_MEAN, IMAGE_STD, export_onnx
from adapters.training.towers import ImageTower, TextTower

FORMAT = "sceneprint-encoder"
FORMAT_VERSION = 1
SMALLEST_HALVED = 1024
"""Weights with fewer values stay float32: they are biases and norms."""


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
    picture = torch.zeros(2, 3, size, size)
    export_onnx(image.eval(), (picture,), folder / "image.onnx", inputs=["image"])
    _store_in_half(folder / "image.onnx")
    ids = torch.ones(2, 8, dtype=torch.int64)
    float_text = folder / "float.onnx"
    export_onnx(text.eval(), (ids, ids), float_text, inputs=["input_ids", "attention_mask"])
    _quantise(float_text, folder / "text_en.onnx")
    float_text.unlink()
    sentence = torch.zeros(2, multilingual.linear.in_features)
    path = folder / "text_multilingual.onnx"
    export_onnx(multilingual.eval(), (sentence,), path, inputs=["sentence"])
    _store_in_half(path)


def _store_in_half(path: Path) -> None:
    """Turns each large float32 weight into a float16 one followed by a cast back."""
    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST_HALVED:
            continue
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, name + "_half"))
        casts.append(
            onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _quantise(source: Path, target: Path) -> None:
    """Stores matrix and embedding weights as int8 and runs matrix products in integers.

    Seven bits, because the 8-bit products of CPUs without VNNI saturate in 16-bit sums.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
    )


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
