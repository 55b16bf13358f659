"""The two towers of the built-in encoder: a network, a pooling and a head each."""

from __future__ import annotations

from torch import Tensor, nn

from adapters.alignment import AttentionPool, ResidualHead
from adapters.training.bert import Bert
from adapters.training.efficientnet import EfficientNetLite


class ImageTower(nn.Module):
    """Normalised pictures to unit-norm embeddings; blocks [from_block, end) can be tuned."""

    def __init__(
        self,
        network: EfficientNetLite,
        *,
        from_block: int,
        dim: int,
        hidden: int,
        pool_groups: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.network, self.from_block = network, from_block
        self.pool = AttentionPool(network.out_channels, groups=pool_groups)
        self.head = ResidualHead(network.out_channels, dim, hidden=hidden, dropout=dropout)

    def late(self, maps: Tensor) -> Tensor:
        """Maps cached (N, C, h, w) to (N, D)."""
        pooled = self.pool(self.network.late(maps, from_block=self.from_block))
        out: Tensor = self.head(pooled)
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, 3, H, W) to (N, D)."""
        return self.late(self.network.early(images, until_block=self.from_block))


class TextTower(nn.Module):
    """Token ids and mask to unit-norm embeddings; layers [from_layer, end) can be tuned."""

    def __init__(
        self, network: Bert, *, from_layer: int, dim: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.network, self.from_layer = network, from_layer
        self.head = ResidualHead(network.out_channels, dim, hidden=hidden, dropout=dropout)

    def late(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Maps cached (N, L, width) tokens and (N, L) mask to (N, D)."""
        out: Tensor = self.head(self.network.late(tokens, mask, from_layer=self.from_layer))
        return out

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Maps (N, L) int64 ids and mask to (N, D)."""
        out: Tensor = self.head(self.network(ids, mask))
        return out
