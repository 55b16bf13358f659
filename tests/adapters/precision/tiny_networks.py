"""Networks of a few layers with random weights, written as ONNX in milliseconds."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 16
DIM = 12
WORDS = 50


def write_picture_network(path: Path) -> Path:
    """`image` (N, 3, 16, 16) -> convolutions, one by channel -> `embedding` (N, 12)."""
    rng = np.random.default_rng(0)
    nodes = [
        _conv("first", "image", "a", strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        _conv("by_channel", "b", "c", group=16),
        helper.make_node("Relu", ["c"], ["d"]),
        _conv("last", "d", "e"),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("MatMul", ["g", "head"], ["embedding"], name="head"),
    ]
    weights = {
        "first": rng.normal(size=(16, 3, 3, 3)),
        "by_channel": rng.normal(size=(16, 1, 3, 3)),
        "last": rng.normal(size=(32, 16, 3, 3)),
        "head": rng.normal(size=(32, DIM)),
    }
    return _save(path, nodes, weights, "image", ("N", 3, SIZE, SIZE), TensorProto.FLOAT)


def write_text_network(path: Path) -> Path:
    """`input_ids` (N, L) -> table, two products with a skip, mean -> `embedding` (N, 12)."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["a"]),
        helper.make_node("MatMul", ["a", "inner"], ["b"], name="inner"),
        helper.make_node("Tanh", ["b"], ["c"]),
        helper.make_node("Add", ["a", "c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["e"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["e", "head"], ["embedding"], name="head"),
    ]
    weights = {
        "table": rng.normal(size=(WORDS, 32)),
        "inner": rng.normal(size=(32, 32)) / 6,
        "head": rng.normal(size=(32, DIM)),
    }
    return _save(path, nodes, weights, "input_ids", ("N", "L"), TensorProto.INT64)


def pictures(num: int, *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Inputs of the picture network."""
    values = np.random.default_rng(seed).normal(size=(num, 3, SIZE, SIZE))
    return {"image": values.astype(np.float32)}


def texts(num: int) -> dict[str, NDArray[Any]]:
    """Inputs of the text network."""
    return {"input_ids": np.random.default_rng(0).integers(0, WORDS, (num, 7))}


def mean_cosine(rows: NDArray[Any], others: NDArray[Any]) -> float:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return float(((rows * others).sum(axis=1) / lengths).mean())


def _conv(name: str, source: str, target: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, name], [target], name=name, **attributes)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[Any]],
    name: str,
    shape: tuple[str | int, ...],
    kind: int,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("N", DIM))],
        [numpy_helper.from_array(v.astype(np.float32), key) for key, v in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path
