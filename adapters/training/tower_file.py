"""Reads the picture tower of an encoder folder back into torch, to make it smaller.

`adapters.training.export` names every weight of the ONNX file as the module does, so widths,
kernels and strides of the blocks are read from the file; pruned and shallower towers read the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from adapters.precision.stored import widened
from adapters.training.efficientnet import (
    EfficientNetConfig,
    EfficientNetLite,
    InvertedResidual,
    SameConv,
)
from adapters.training.towers import ImageTower

__all__ = ["read_tower"]

_SMALLEST = EfficientNetConfig(width=0.25, depth=0.1, head_channels=8)


def read_tower(path: Path) -> ImageTower:
    """The picture tower of `image.onnx`, float32, in evaluation mode.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a tower that `sceneprint train builtin` or `compress` wrote.
    """
    model = widened(path)
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    try:
        tower = _tower(weights, _strides(model.graph))
        state = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
        state["pool.logits.weight"] = _pool_weight(model.graph, weights)
        wanted = tower.state_dict()
        tower.load_state_dict({name: state[name] for name in wanted})
    except (KeyError, RuntimeError, StopIteration) as exc:
        raise ValueError(
            f"{path} is not a picture tower of Sceneprint's own ({exc}); give an encoder that "
            "`sceneprint train builtin` or `sceneprint compress` wrote"
        ) from exc
    return tower.eval()


def _strides(graph: onnx.GraphProto) -> dict[str, int]:
    """Stride of each convolution, by the name of its weight."""
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            strides = next(one.ints for one in node.attribute if one.name == "strides")
            found[node.input[1]] = int(strides[0])
    return found


def _pool_weight(graph: onnx.GraphProto, weights: dict[str, NDArray[np.float32]]) -> torch.Tensor:
    """The exporter turns this matrix round and gives it a name of its own."""
    node = next(node for node in graph.node if node.op_type == "MatMul")
    return torch.from_numpy(weights[node.input[1]].T.copy())


def _tower(weights: dict[str, NDArray[np.float32]], strides: dict[str, int]) -> ImageTower:
    network = EfficientNetLite(_SMALLEST)
    network.stem = _conv(weights, strides, "network.stem")
    places = {int(name.split(".")[2]) for name in weights if name.startswith("network.blocks.")}
    network.blocks = nn.ModuleList(_block(weights, strides, place) for place in sorted(places))
    network.head = _conv(weights, strides, "network.head")
    network.out_channels = network.head.conv.out_channels
    return ImageTower(
        network,
        from_block=0,
        dim=len(weights["head.linear.bias"]),
        hidden=len(weights["head.grow.bias"]),
        pool_groups=len(weights["pool.logits.bias"]),
        dropout=0.0,
    )


def _block(
    weights: dict[str, NDArray[np.float32]], strides: dict[str, int], place: int
) -> InvertedResidual:
    prefix = f"network.blocks.{place}"
    block = InvertedResidual(8, 8, kernel=3, stride=1, expansion=1)
    if f"{prefix}.expand.conv.weight" in weights:
        block.expand = _conv(weights, strides, f"{prefix}.expand")
    block.depthwise = _conv(weights, strides, f"{prefix}.depthwise", is_depthwise=True)
    block.project = _conv(weights, strides, f"{prefix}.project", activate=False)
    first = block.depthwise if block.expand is None else block.expand
    inputs, outputs = first.conv.in_channels, block.project.conv.out_channels
    block.has_skip = block.depthwise.conv.stride[0] == 1 and inputs == outputs
    return block


def _conv(
    weights: dict[str, NDArray[np.float32]],
    strides: dict[str, int],
    prefix: str,
    *,
    activate: bool = True,
    is_depthwise: bool = False,
) -> SameConv:
    name = f"{prefix}.conv.weight"
    outputs, inputs, kernel, _ = weights[name].shape
    return SameConv(
        outputs if is_depthwise else inputs,
        outputs,
        kernel=kernel,
        stride=strides[name],
        groups=outputs if is_depthwise else 1,
        activate=activate,
    )
