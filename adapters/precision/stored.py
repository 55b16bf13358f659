"""Weights in fewer bytes on disk; a runtime widens them once, while it loads them.

Arithmetic stays in float32, so an embedding hardly moves: what is won is the size of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "Stored",
    "rewrite_weights",
    "save_in_half",
    "save_whole",
    "store_in_half",
    "widened",
]

SMALLEST_PACKED = 1024
"""Weights with fewer values stay float32: they are biases and norms."""
LARGEST_HALF = 65504.0
LARGEST_FILE = 2_000_000_000
FLOAT = onnx.TensorProto.FLOAT

Floats = NDArray[np.float32]
Stored = tuple[dict[str, NDArray[Any]], list[onnx.NodeProto]]
"""Arrays to store by name, and the nodes that make the weight out of them."""


def store_in_half(path: Path) -> None:
    """`save_in_half` in place."""
    save_in_half(path, path)


def save_in_half(source: Path, target: Path) -> None:
    """Turn each large float32 weight into a float16 one followed by a cast back.

    A weight with values beyond the range of float16 stays as it is.
    """

    def halve(name: str, values: Floats, axis: int) -> Stored:
        if np.abs(values).max() > LARGEST_HALF:
            return {name: values}, []
        cast = onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=FLOAT)
        return {f"{name}_half": values.astype(np.float16)}, [cast]

    rewrite_weights(source, target, halve)


def rewrite_weights(
    source: Path, target: Path, rewrite: Callable[[str, Floats, int], Stored]
) -> None:
    """Replace large matrices and kernels by stored arrays and the nodes that restore them.

    Args:
        source: the ONNX file; weights of a large one lie beside it.
        target: to write; may be the source.
        rewrite: (name, values, the axis along which values belong together) to what is stored.
    """
    model = onnx.load(source)
    rowwise = _rowwise_weights(model.graph)
    nodes = []
    for tensor in list(model.graph.initializer):
        is_large = len(tensor.dims) >= 2 and np.prod(tensor.dims) >= SMALLEST_PACKED
        if tensor.data_type != FLOAT or not is_large:
            continue
        axis = 1 if tensor.name in rowwise else 0
        arrays, restoring = rewrite(tensor.name, onnx.numpy_helper.to_array(tensor), axis)
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()
        )
        nodes += restoring
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    save_whole(model, target)


def save_whole(model: onnx.ModelProto, path: Path) -> None:
    """Save a network in one file.

    Raises:
        ValueError: it has more than a protocol buffer holds.
    """
    num_bytes = sum(len(one.raw_data) for one in model.graph.initializer)
    if num_bytes > LARGEST_FILE:
        raise ValueError(
            f"its weights take {num_bytes / 1e9:.1f} GB, and {LARGEST_FILE / 1e9:.1f} GB is the "
            "most that can be rewritten here; export it in fp32, or for openvino"
        )
    onnx.save(model, path)


def widened(path: Path) -> onnx.ModelProto:
    """The network with its half-precision weights as float32 ones, and no nodes that cast them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not ONNX.
    """
    try:
        model = onnx.load(path)
    except OSError:
        raise
    except Exception as exc:  # protobuf's own classes, one a version
        raise ValueError(f"{path} is not an ONNX file: {exc}") from exc
    stored = {one.name: one for one in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        half = stored.get(node.input[0]) if node.op_type == "Cast" else None
        if half is None:
            kept.append(node)
            continue
        values = onnx.numpy_helper.to_array(half).astype(np.float32)
        model.graph.initializer.remove(half)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _rowwise_weights(graph: onnx.GraphProto) -> set[str]:
    """Names of tables and transposed matrices: what belongs together in them is a row."""
    tables = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    return tables | {node.input[1] for node in graph.node if node.op_type == "Gemm"}
