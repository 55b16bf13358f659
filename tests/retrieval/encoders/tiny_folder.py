"""Writes a tiny encoder folder whose answers can be worked out by hand.

Pictures become their mean colour, x / 255, on axes 0 to 2 of four; the English tower knows the
words red, green and blue on the same axes, and everything else on axis 3. The multilingual head
keeps four numbers of the sentence embedding.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

DIM = 4
SIZE = 8
WORDS = {"[PAD]": 0, "[UNK]": 1, "red": 2, "green": 3, "blue": 4}


def write_tiny_encoder(folder: Path, *, name: str = "builtin:tiny/v1", **changes: Any) -> Path:
    """Write the folder; `changes` replace entries of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_image(folder / "image.onnx")
    _write_english(folder / "text_en.onnx")
    _write_head(folder / "text_multilingual.onnx")
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    manifest: dict[str, Any] = {
        "format": "sceneprint-encoder",
        "version": 1,
        "name": name,
        "dim": DIM,
        "temperature": 10.0,
        "image": {
            "file": "image.onnx",
            "input_name": "image",
            "size": [SIZE, SIZE],
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "resize": "squash",
            "interpolation": "bilinear",
        },
        "texts": [
            {
                "languages": ["en"],
                "kind": "onnx-tokenizer",
                "file": "text_en.onnx",
                "tokenizer": "tokenizer.json",
                "max_length": 6,
            },
            {"languages": ["*"], "kind": "use-multilingual", "file": "text_multilingual.onnx"},
        ],
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if path.name != "manifest.json"
        },
    }
    text = json.dumps(manifest | changes)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return folder


def _write_image(path: Path) -> None:
    """(N, 3, H, W) -> mean over the picture -> (N, 4)."""
    spread = np.eye(3, DIM, dtype=np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "spread"], ["embedding"]),
    ]
    shapes = {"image": ("N", 3, SIZE, SIZE)}
    _save(path, nodes, {"spread": spread}, shapes, TensorProto.FLOAT)


def _write_english(path: Path) -> None:
    """Token ids and their mask -> sum of the rows of the known tokens -> (N, 4)."""
    table = np.zeros((len(WORDS), DIM), dtype=np.float32)
    table[[2, 3, 4], [0, 1, 2]] = 1.0
    table[1, 3] = 0.5
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["float_mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float_mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["rows", "wide_mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "second"], ["embedding"], keepdims=0),
    ]
    constants = {"table": table, "last": np.array([2]), "second": np.array([1])}
    shapes = {"input_ids": ("N", "L"), "attention_mask": ("N", "L")}
    _save(path, nodes, constants, shapes, TensorProto.INT64)


def _write_head(path: Path) -> None:
    """(N, 512) -> its first four numbers."""
    nodes = [helper.make_node("MatMul", ["sentence", "keep"], ["embedding"])]
    constants = {"keep": np.eye(512, DIM, dtype=np.float32)}
    _save(path, nodes, constants, {"sentence": ("N", 512)}, TensorProto.FLOAT)


def _save(
    path: Path,
    nodes: list[Any],
    constants: dict[str, NDArray[Any]],
    shapes: Mapping[str, tuple[str | int, ...]],
    kind: int,
) -> None:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("N", DIM))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
