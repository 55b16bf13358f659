"""A whole encoder folder with tiny random towers, made in a second and without any training."""

from pathlib import Path
from typing import Any

import torch

from adapters.alignment import ResidualHead
from adapters.training import public
from adapters.training.bert import Bert
from adapters.training.config import TINY
from adapters.training.efficientnet import EfficientNetLite
from adapters.training.export import write_encoder
from adapters.training.towers import ImageTower, TextTower


def write_small_encoder(out: Path) -> Path:
    """Write the folder and return it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        common: dict[str, Any] = {"dim": TINY.dim, "hidden": TINY.hidden, "dropout": 0.0}
        image = ImageTower(
            EfficientNetLite(TINY.image), from_block=0, pool_groups=TINY.pool_groups, **common
        )
        text = TextTower(Bert(TINY.text), from_layer=0, **common)
        multilingual = ResidualHead(512, TINY.dim, hidden=TINY.hidden, dropout=0.0)
    write_encoder(
        out,
        name="builtin:tiny/untrained",
        image=image,
        text=text,
        multilingual=multilingual,
        tokenizer=public.tokenizer_path(),
        size=TINY.size,
        dim=TINY.dim,
        max_length=16,
        logit_scale=20.0,
        card="# Model card\n",
        trained_on="nothing",
    )
    return out
