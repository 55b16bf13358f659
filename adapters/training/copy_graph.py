"""The copy output as a fragment of an ONNX graph that is appended to the picture tower.

Protocol buffers are made so that the bytes of two messages, one after the other, are their merge:
repeated fields go on, and `graph` is merged in turn. A fragment therefore holds only the nodes,
weights and outputs that come on top, names tensors of `image.onnx`, and `image.onnx` itself stays
as it is, byte for byte: the bytes of both files together are one network with both outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, helper

__all__ = ["FEATURES", "Taps", "feature_fragment", "head_fragment", "merged"]

FEATURES = "copy/features"
"""(N, P): what the copy head reads, pooled over all places of maps of several depths."""

GEM_POWER = 3.0
"""Of the generalised mean over the last map (Radenovic et al. 2018), as SSCD pools."""


@dataclass(frozen=True, kw_only=True)
class Taps:
    """Which tensors of the picture network the copy output reads; the defaults are lite2's.

    Attributes:
        maps: tensors (N, c, k h, k w), and their k: averaged over k x k cells to (N, c, h, w),
            of which the mean and the highest are taken. An overlay moves the mean, and a place
            elsewhere can still be the highest.
        wide: activations whose mean over all places is taken.
        last: activation of the last map; pooled by a generalised mean.
    """

    maps: tuple[tuple[str, int], ...] = (
        ("/blocks.6/Add_output_0", 4),
        ("/blocks.10/Add_output_0", 2),
        ("/blocks.14/Add_output_0", 2),
        ("/blocks.20/project/conv/Conv_output_0", 1),
    )
    wide: tuple[str, ...] = ("/blocks.11/expand/Clip_output_0", "/blocks.15/expand/Clip_output_0")
    last: str = "/head/Clip_output_0"


def feature_fragment(taps: Taps) -> ModelProto:
    """Nodes that make `FEATURES` out of the tapped tensors, and `FEATURES` as an output."""
    fragment = ModelProto()
    nodes: list[NodeProto] = []
    cells = []
    for number, (name, stride) in enumerate(taps.maps):
        cells.append(name if stride == 1 else f"copy/cells_{number}")
        if stride > 1:
            sides = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
            nodes.append(_node("AveragePool", [name], cells[-1], **sides))
    nodes.append(_node("Concat", cells, "copy/tokens", axis=1))
    nodes.append(_node("GlobalAveragePool", ["copy/tokens"], "copy/token_mean"))
    nodes.append(_node("GlobalMaxPool", ["copy/tokens"], "copy/token_max"))
    means = [f"copy/mean_{number}" for number in range(len(taps.wide))]
    nodes += [
        _node("GlobalAveragePool", [name], mean)
        for name, mean in zip(taps.wide, means, strict=True)
    ]
    nodes += _generalised_mean(taps.last, "copy/gem")
    pooled = ["copy/token_mean", "copy/token_max", *means, "copy/gem"]
    nodes.append(_node("Concat", pooled, "copy/pooled", axis=1))
    nodes.append(_node("Flatten", ["copy/pooled"], FEATURES, axis=1))
    for name, value in (("copy/power", GEM_POWER), ("copy/root", 1 / GEM_POWER)):
        tensor = helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value])
        fragment.graph.initializer.append(tensor)
    fragment.graph.node.extend(nodes)
    _add_output(fragment, FEATURES, None)
    return fragment


def head_fragment(features: ModelProto, head: ModelProto, *, output: str, dim: int) -> ModelProto:
    """Joins the features with a head, a whole model from `FEATURES` to one output.

    Args:
        features: made by `feature_fragment`.
        head: its input is called `FEATURES`; other names get a prefix, so that they cannot meet a
            name of the picture network.
        output: name of the head's output in the joined graph.
        dim: its length.
    """
    joined = ModelProto()
    joined.CopyFrom(features)
    del joined.graph.output[:]
    graph = head.graph
    renamed = {name: name for name in (FEATURES, "")} | {graph.output[0].name: output}
    for node in graph.node:
        copied = joined.graph.node.add()
        copied.CopyFrom(node)
        for names in (copied.input, copied.output):
            names[:] = [renamed.get(name, f"copy/{name}") for name in names]
        copied.name = copied.output[0]
    for tensor in graph.initializer:
        stored = joined.graph.initializer.add()
        stored.CopyFrom(tensor)
        stored.name = f"copy/{tensor.name}"
    _add_output(joined, output, dim)
    return joined


def merged(network: Path, fragment: ModelProto) -> bytes:
    """The bytes of the picture network with the fragment."""
    return network.read_bytes() + bytes(fragment.SerializeToString())


def _generalised_mean(name: str, out: str) -> list[NodeProto]:
    return [
        _node("Pow", [name, "copy/power"], f"{out}_raised"),
        _node("GlobalAveragePool", [f"{out}_raised"], f"{out}_mean"),
        _node("Pow", [f"{out}_mean", "copy/root"], out),
    ]


def _add_output(fragment: ModelProto, name: str, width: int | None) -> None:
    output = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
    fragment.graph.output.append(output)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: object) -> NodeProto:
    return helper.make_node(kind, list(inputs), [output], name=output, **attributes)
