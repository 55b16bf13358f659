"""Heads that make copy descriptors out of what a frozen encoder saw (torch: training only)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.alignment import AttentionPool

__all__ = ["TokenHead", "VectorHead", "standardise"]


class Standardise(nn.Module):
    """Subtracts a fixed mean and divides by a fixed deviation, channel by channel (dim 1)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, …) to the same shape."""
        shape = (1, -1, *([1] * (x.ndim - 2)))
        return (x - self.mean.reshape(shape)) * self.scale.reshape(shape)


def standardise(layer: Standardise, sample: Tensor) -> None:
    """Fits the fixed mean and deviation to a sample (N, C, …)."""
    dims = [dim for dim in range(sample.ndim) if dim != 1]
    deviation = sample.std(dim=dims).clamp_min(1e-4)
    layer.mean.copy_(sample.mean(dim=dims))
    layer.scale.copy_(1 / deviation)


class VectorHead(nn.Module):
    """A linear map with a small MLP beside it over one vector: the adapter of any encoder."""

    def __init__(self, inputs: int, dim: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = Standardise(inputs)
        self.linear = nn.Linear(inputs, dim)
        self.grow = nn.Linear(inputs, hidden)
        self.shrink = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, inputs) to (N, dim) of unit norm."""
        x = self.dropout(self.norm(x))
        return F.normalize(self.linear(x) + self.shrink(F.gelu(self.grow(x))), dim=-1)

    def fit_norms(self, vectors: Tensor) -> None:
        """Fits the standardisation to (N, inputs) plain views."""
        standardise(self.norm, vectors)


class TokenHead(nn.Module):
    """Looks at a grid of places and at wide pooled features; chooses which places count.

    A place under a caption, a bar or a ground says nothing about the copy, so a place is first
    mixed over its channels and then weighted by attention, group by group.
    """

    def __init__(
        self,
        channels: int,
        pooled: int,
        dim: int,
        *,
        width: int,
        hidden: int,
        groups: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.token_norm, self.pooled_norm = Standardise(channels), Standardise(pooled)
        self.mix = nn.Conv2d(channels, width, 1)
        self.pool = AttentionPool(width, groups=groups)
        self.join = VectorHead(2 * width + pooled, dim, hidden=hidden, dropout=dropout)

    def forward(self, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Maps (N, channels, h, w) and (N, pooled) to (N, dim) of unit norm."""
        places = F.gelu(self.mix(self.token_norm(tokens)))
        parts = [self.pool(places), places.mean((2, 3)), self.pooled_norm(pooled)]
        out: Tensor = self.join(torch.cat(parts, dim=1))
        return out

    def fit_norms(self, tokens: Tensor, pooled: Tensor) -> None:
        """Fits the standardisations to plain views."""
        standardise(self.token_norm, tokens)
        standardise(self.pooled_norm, pooled)
