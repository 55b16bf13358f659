"""Heads that bring pictures and texts into one embedding space (torch: training only).

A tower is a frozen or tuned network followed by one of these heads. What is served is the ONNX
file exported from a tower, never this module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualHead(nn.Module):
    """A linear map plus a small MLP beside it, ending on the unit sphere."""

    def __init__(self, inputs: int, dim: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, dim)
        self.grow = nn.Linear(inputs, hidden)
        self.shrink = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.shrink.weight)
        nn.init.zeros_(self.shrink.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, inputs) to (N, dim) of unit norm."""
        x = self.dropout(self.norm(x))
        y = self.linear(x) + self.shrink(self.dropout(F.gelu(self.grow(x))))
        return F.normalize(y, dim=-1)


class AttentionPool(nn.Module):
    """Weighted mean over positions, one weighting for each group of channels.

    Starts as the plain mean (all logits zero), so a head fitted on mean-pooled vectors can go on
    from where it was.
    """

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        if channels % groups:
            raise ValueError(f"got {channels = } and {groups = }; groups must divide channels")
        self.groups = groups
        self.logits = nn.Linear(channels, groups)
        nn.init.zeros_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, h, w) to (N, C)."""
        count, channels = x.shape[:2]
        tokens = x.flatten(2).transpose(1, 2)
        weights = torch.softmax(self.logits(tokens), dim=1)
        values = tokens.reshape(count, -1, self.groups, channels // self.groups)
        return (values * weights.unsqueeze(-1)).sum(1).reshape(count, channels)
