"""A small BERT text tower (MiniLM) for training the built-in encoder.

Only what the tower needs: embeddings, post-norm layers, mean pooling. The early layers stay
frozen, so their output can be cached, and only the late layers are tuned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Sizes of a BERT encoder; the defaults are those of all-MiniLM-L6-v2."""

    vocabulary: int = 30522
    positions: int = 512
    width: int = 384
    hidden: int = 1536
    heads: int = 12
    layers: int = 6


class BertLayer(nn.Module):
    """Self-attention and feed-forward, each followed by a residual and a layer norm."""

    def __init__(self, config: BertConfig, *, dropout: float) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.grow = nn.Linear(width, config.hidden)
        self.shrink = nn.Linear(config.hidden, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Maps (N, L, width) to the same shape; `bias` (N, 1, 1, L) is added to the logits."""
        x = self.attention_norm(x + self.dropout(self._attend(x, bias)))
        out: Tensor = self.norm(x + self.dropout(self.shrink(F.gelu(self.grow(x)))))
        return out

    def _attend(self, x: Tensor, bias: Tensor) -> Tensor:
        count, length, width = x.shape
        parts = self.query_key_value(x).view(count, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        logits = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias
        mixed = torch.softmax(logits, dim=-1) @ value
        merged = mixed.transpose(1, 2).reshape(count, length, width)
        out: Tensor = self.attention_out(merged)
        return out


class Bert(nn.Module):
    """Token ids to a mean-pooled (N, width) vector, not normalised."""

    def __init__(self, config: BertConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.layers = nn.ModuleList(
            BertLayer(config, dropout=dropout) for _ in range(config.layers)
        )
        self.out_channels = config.width

    def early(self, ids: Tensor, mask: Tensor, *, until_layer: int) -> Tensor:
        """Runs the embeddings and layers [0, until_layer) over (N, L) ids and 0/1 mask."""
        positions = torch.cumsum(torch.ones_like(ids), dim=1) - 1
        x = self.words(ids) + self.positions(positions) + self.types(torch.zeros_like(ids))
        hidden: Tensor = self.norm(x)
        bias = _attention_bias(mask)
        for layer in self.layers[:until_layer]:
            hidden = layer(hidden, bias)
        return hidden

    def late(self, x: Tensor, mask: Tensor, *, from_layer: int) -> Tensor:
        """Runs layers [from_layer, end) over (N, L, width) and averages the unmasked tokens."""
        bias = _attention_bias(mask)
        for layer in self.layers[from_layer:]:
            x = layer(x, bias)
        weights = mask.to(x.dtype).unsqueeze(-1)
        return (x * weights).sum(1) / weights.sum(1).clamp_min(1.0)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Maps (N, L) int64 ids and mask to (N, width)."""
        return self.late(self.early(ids, mask, until_layer=0), mask, from_layer=0)


def _attention_bias(mask: Tensor) -> Tensor:
    return (1.0 - mask.to(torch.float32))[:, None, None, :] * -1e4


def load_public_weights(network: Bert, state: Mapping[str, Tensor]) -> None:
    """Fills the network from a BERT state dict with the usual names.

    Raises:
        ValueError: if a tensor is missing or does not fit.
    """
    try:
        network.load_state_dict(_translate(state, len(network.layers)))
    except (KeyError, RuntimeError) as exc:
        raise ValueError(f"the text weights do not fit a BERT of this size: {exc}") from exc


def _translate(state: Mapping[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    out = {
        "words.weight": state["embeddings.word_embeddings.weight"],
        "positions.weight": state["embeddings.position_embeddings.weight"],
        "types.weight": state["embeddings.token_type_embeddings.weight"],
    }
    names = {
        "attention_out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "grow": "intermediate.dense",
        "shrink": "output.dense",
        "norm": "output.LayerNorm",
    }
    for kind in ("weight", "bias"):
        out[f"norm.{kind}"] = state[f"embeddings.LayerNorm.{kind}"]
        for index in range(num_layers):
            source = f"encoder.layer.{index}."
            parts = [
                state[f"{source}attention.self.{part}.{kind}"] for part in ("query", "key", "value")
            ]
            out[f"layers.{index}.query_key_value.{kind}"] = torch.cat(parts)
            for ours, theirs in names.items():
                out[f"layers.{index}.{ours}.{kind}"] = state[f"{source}{theirs}.{kind}"]
    return out
