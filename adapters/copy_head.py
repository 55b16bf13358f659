"""The head that makes copy descriptors of what a frozen encoder saw (torch: training only)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CopyHead"]


class Standardise(nn.Module):
    """Subtracts a fixed mean and divides by a fixed deviation, number by number."""

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, inputs) to the same shape."""
        return (x - self.mean) * self.scale

    def fit(self, sample: Tensor) -> None:
        """Takes mean and deviation of (N, inputs)."""
        self.mean.copy_(sample.mean(dim=0))
        self.scale.copy_(1 / sample.std(dim=0).clamp_min(1e-4))


class CopyHead(nn.Module):
    """A linear map with a small MLP beside it over pooled features or an embedding."""

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
