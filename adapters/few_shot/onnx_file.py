"""Writes ONNX files without the `onnx` package: the few protocol-buffer messages of a small graph.

Field numbers are those of `onnx.proto` (IR version 8). A message is a sequence of fields, each a
key (`number << 3 | wire type`) and a value: wire type 0 is a variable-length integer, 2 is bytes
with their length before them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPSET", "Node", "onnx_model"]

OPSET = 17
IR_VERSION = 8
_FLOAT, _INT64 = 1, 7
_INT, _INTS = 2, 7

Constants = Mapping[str, NDArray[np.float32] | NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation: its inputs and outputs by name, and whole-number attributes."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int | Sequence[int]] = field(default_factory=dict)


def onnx_model(
    nodes: Sequence[Node],
    constants: Constants,
    *,
    sources: Sequence[tuple[str, int]],
    target: tuple[str, int],
) -> bytes:
    """An ONNX file of one graph.

    Args:
        nodes: in an order in which they can be computed.
        constants: by name, float32 or int64.
        sources: name and width of each input, (N, width) float32.
        target: name and width of the output, (N, width) float32.
    """
    graph = b"".join(_message(1, _node(node)) for node in nodes)
    graph += _message(2, b"adapter")
    graph += b"".join(_message(5, _tensor(name, value)) for name, value in constants.items())
    graph += b"".join(_message(11, _matrix(*source)) for source in sources)
    graph += _message(12, _matrix(*target))
    opset = _message(1, b"") + _integer(2, OPSET)
    return (
        _integer(1, IR_VERSION)
        + _message(2, b"sceneprint")
        + _message(7, graph)
        + _message(8, opset)
    )


def _node(node: Node) -> bytes:
    out = b"".join(_message(1, name.encode()) for name in node.inputs)
    out += b"".join(_message(2, name.encode()) for name in node.outputs)
    out += _message(4, node.kind.encode())
    for name, value in node.attributes.items():
        out += _message(5, _attribute(name, value))
    return out


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _message(1, name.encode()) + _integer(3, value) + _integer(20, _INT)
    ints = b"".join(_integer(8, one) for one in value)
    return _message(1, name.encode()) + ints + _integer(20, _INTS)


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    kind = _FLOAT if values.dtype == np.float32 else _INT64
    order = "<f4" if kind == _FLOAT else "<i8"
    dims = b"".join(_integer(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values).astype(order).tobytes()
    return dims + _integer(2, kind) + _message(8, name.encode()) + _message(9, raw)


def _matrix(name: str, width: int) -> bytes:
    """A ValueInfo: a name and the type float32 of shape (N, width)."""
    shape = _message(1, _message(2, b"N")) + _message(1, _integer(1, width))
    tensor = _integer(1, _FLOAT) + _message(2, shape)
    return _message(1, name.encode()) + _message(2, _message(1, tensor))


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; a negative number as its 64-bit complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
