"""The network of the built-in sound encoder: a small convolutional one over log-mel windows."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

__all__ = ["SoundNetwork"]


class SoundNetwork(nn.Module):
    """Windows (N, F, B) float32 in [-1, 1] -> embeddings (N, D), not yet of unit norm.

    Four convolutions that halve frequency and time (the first quarters time), then means and
    maxima over time of every band that is left: where in the spectrum something sounds stays known,
    when in the window does not.

    Args:
        num_bands: B.
        dim: D.
        width: channels of the first convolution; the others have 2, 3 and 4 times as many.
        dropout: on the pooled features.
    """

    def __init__(
        self, num_bands: int = 64, dim: int = 128, width: int = 24, dropout: float = 0.3
    ) -> None:
        super().__init__()
        channels = (width, 2 * width, 3 * width, 4 * width)
        self.blocks = nn.Sequential(
            _block(1, width, kernel=(7, 3), stride=(4, 2)),
            *(_block(before, after) for before, after in pairwise(channels)),
        )
        bands = num_bands
        for _ in range(4):
            bands = (bands + 1) // 2
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * bands * channels[-1], dim, bias=False)
        )

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Embed windows."""
        maps = self.blocks(windows.unsqueeze(1))  # (N, C, F', B')
        pooled = torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)
        return self.head(pooled.flatten(1))  # type: ignore[no-any-return]


def _block(
    before: int, after: int, kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (2, 2)
) -> nn.Sequential:
    padding = kernel[0] // 2, kernel[1] // 2
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
