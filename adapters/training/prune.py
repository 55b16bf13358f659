"""Makes a picture tower smaller by taking channels and blocks out of it.

What is left is narrower and shallower, not masked, so every runtime gains from it.

Channels go by magnitude: of a block's inner channels those whose weights in the projection that
reads them have the smallest L1 norm (Li et al. 2017, arXiv:1608.08710), each weight times the mean
deviation of the channel on some pictures, because folded batch norms leave channels on very
different scales. Inner channels meet no skip connection, so nothing else has to change. The
projection is then fitted again, by ridge regression on those pictures, to give what the whole
block gave (He et al. 2017, arXiv:1707.06168); `adapters.training.distill` heals the rest.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from adapters.training.efficientnet import InvertedResidual, SameConv
from adapters.training.towers import ImageTower

__all__ = ["prune_channels", "shallower"]

STEP = 8
"""Channels are left in multiples of it, which vector units like."""
MOST_PIXELS = 8192
"""Pixels of a block that the projection is fitted on."""
RIDGE = 1e-2


def prune_channels(tower: ImageTower, *, share: float, pictures: Tensor) -> ImageTower:
    """A copy without `share` of the inner channels of every block that widens its input.

    Args:
        tower: in evaluation mode; stays as it is.
        share: of the inner channels to take out.
        pictures: (N, 3, H, W) float32 normalised.

    Raises:
        ValueError: the share is not in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"got a share of {share} of the channels to take out, expected 0 to 1")
    pruned = copy.deepcopy(tower).eval()
    with torch.no_grad():
        right = now = pruned.network.stem(pictures)
        for whole, block in zip(tower.network.blocks, pruned.network.blocks, strict=True):
            assert isinstance(block, InvertedResidual)
            right = whole(right)
            if block.expand is not None:
                _narrow(block, block.expand, share, now, right)
            now = block(now)
    return pruned


def shallower(tower: ImageTower, *, share: float) -> ImageTower:
    """A copy without `share` of the blocks that only refine (those with a skip connection).

    In each run of such blocks the last ones go: a skip connection around them is what they leave.

    Raises:
        ValueError: the share is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"got a share of {share} of the blocks to take out, expected 0 to 1")
    made = copy.deepcopy(tower)
    kept: list[nn.Module] = []
    run: list[nn.Module] = []
    for block in [*made.network.blocks, None]:
        if isinstance(block, InvertedResidual) and block.has_skip:
            run.append(block)
            continue
        kept += run[: len(run) - round(share * len(run))]
        run = []
        if block is not None:
            kept.append(block)
    made.network.blocks = nn.ModuleList(kept)
    return made


def _narrow(
    block: InvertedResidual, expand: SameConv, share: float, inputs: Tensor, right: Tensor
) -> None:
    """Take the weakest inner channels out of all three convolutions, and fit the last again.

    Args:
        block: changed in place.
        expand: its first convolution.
        share: of the channels to take out.
        inputs: (N, C, h, w) what the block reads.
        right: (N, C', h', w') what the whole block gave.
    """
    num_channels = expand.conv.out_channels
    num_kept = max(STEP, round((1 - share) * num_channels / STEP) * STEP)
    if num_kept >= num_channels:
        return
    inner = _pixels(block.depthwise(expand(inputs)))
    deviation = (inner - inner.mean(0)).abs().mean(0)
    strength = block.project.conv.weight.abs().sum((0, 2, 3)) * deviation
    kept = strength.topk(num_kept).indices.sort().values
    _replace(expand, outputs=kept)
    _replace(block.depthwise, outputs=kept)
    _replace(block.project, inputs=kept)
    _fit_projection(block.project.conv, inner[:, kept],
                    _pixels(right - inputs if block.has_skip else right))  # fmt: skip


def _fit_projection(conv: nn.Conv2d, inner: Tensor, wanted: Tensor) -> None:
    """Ridge regression towards the weights that are there: `W + R^T X (X^T X + ridge)^-1`."""
    assert conv.bias is not None
    centred = (inner - inner.mean(0)).double()
    weight = conv.weight[:, :, 0, 0].double()
    missing = (wanted - wanted.mean(0)).double() - centred @ weight.T
    gram = centred.T @ centred
    gram.diagonal().add_(RIDGE * gram.diagonal().mean() + 1e-9)
    weight = weight + torch.linalg.solve(gram, centred.T @ missing).T
    conv.weight.copy_(weight.float()[:, :, None, None])
    conv.bias.copy_(wanted.mean(0) - conv.weight[:, :, 0, 0] @ inner.mean(0))


def _pixels(maps: Tensor) -> Tensor:
    """(N, C, h, w) -> at most `MOST_PIXELS` evenly taken rows (M, C)."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2)
    return rows[:: max(1, -(-len(rows) // MOST_PIXELS))]


def _replace(
    target: SameConv, *, outputs: Tensor | None = None, inputs: Tensor | None = None
) -> None:
    """Put a convolution with some of the channels in the place of the whole one."""
    old = target.conv
    weight = old.weight.detach()
    bias = old.bias.detach() if old.bias is not None else torch.zeros(len(weight))
    if outputs is not None:
        weight, bias = weight[outputs], bias[outputs]
    if inputs is not None:
        weight = weight[:, inputs]
    kernel, stride = int(weight.shape[2]), int(old.stride[0])
    groups = len(weight) if old.groups > 1 else 1
    new = nn.Conv2d(weight.shape[1] * groups, len(weight), kernel, stride, groups=groups)
    assert new.bias is not None
    new.weight.copy_(weight), new.bias.copy_(bias)
    target.conv = new
