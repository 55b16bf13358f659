"""Sizes, schedule and splits of the training of the built-in encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adapters.training.bert import BertConfig
from adapters.training.efficientnet import LITE2, EfficientNetConfig
from adapters.training.fit import FitConfig

Recall = Callable[[NDArray[np.float32], NDArray[np.int64], int], float]
"""(scores (Q, N), right columns (Q,), k) -> share of queries whose answer is in the first k."""

Progress = Callable[[str, int, int, Mapping[str, float]], None]
"""(stage, done, total, figures so far)."""


@dataclass(frozen=True, kw_only=True)
class BuiltinConfig:
    """Sizes, schedule and splits; the defaults made the shipped weights.

    Attributes:
        name: written into the manifest.
        initial: `public` starts from the packages of the extra `train`; `random` is for tests.
        image: EfficientNet sizes.
        text: BERT sizes.
        size: side of the input squares in pixels.
        dim: D of the common space.
        hidden: width of the heads' MLP.
        dropout: of the heads.
        sentence_dropout: of the multilingual head.
        text_dropout: inside the tuned text layers.
        pool_groups: channel groups of the attention pooling.
        from_block: first tuned image block.
        from_layer: first tuned text layer.
        num_views: cached views a picture.
        frozen_views: how many of them the stages with frozen pictures use.
        max_length: tokens a caption is cut to.
        heads: schedule of the first stage.
        towers: schedule of the second stage.
        multilingual: schedule of the third stage.
        head_rate: peak learning rate of the heads.
        tuned_head_rate: the same in the second stage.
        image_rate: peak learning rate of the tuned image blocks.
        text_rate: peak learning rate of the tuned text layers.
        map_crop: rows and columns that random crops of the cached maps may lose.
        noise: standard deviation, over the root of the width, of the noise on sentence vectors in
            the third stage, so that other languages, which lie a little beside English, fit too.
        holdout: train pictures kept out and measured after every epoch.
        test_split: measured once at the end; `None` measures nothing.
        num_threads: of torch and ONNX Runtime.
        seed: of everything.
    """

    name: str = "builtin:lite2-minilm/flickr8k"
    initial: Literal["public", "random"] = "public"
    image: EfficientNetConfig = LITE2
    text: BertConfig = field(default_factory=BertConfig)
    size: int = 224
    dim: int = 512
    hidden: int = 512
    dropout: float = 0.4
    sentence_dropout: float = 0.3
    text_dropout: float = 0.1
    pool_groups: int = 8
    from_block: int = 15
    from_layer: int = 3
    num_views: int = 4
    frozen_views: int = 1
    max_length: int = 32
    heads: FitConfig = field(default_factory=lambda: FitConfig(epochs=15, batch=512))
    towers: FitConfig = field(default_factory=lambda: FitConfig(epochs=12, batch=256, average=0.98))
    multilingual: FitConfig = field(default_factory=lambda: FitConfig(epochs=100, batch=512))
    head_rate: float = 1e-3
    tuned_head_rate: float = 3e-4
    image_rate: float = 2e-4
    text_rate: float = 1e-4
    map_crop: int = 2
    noise: float = 0.5
    holdout: int = 500
    test_split: str | None = "dev"
    num_threads: int = 2
    seed: int = 0

    def towers_digest(self) -> str:
        """Returns a short hash of every setting that the towers depend on."""
        later: dict[str, Any] = {
            "multilingual": None,
            "noise": 0.0,
            "sentence_dropout": 0.0,
            "test_split": None,
            "name": "",
        }
        return hashlib.sha256(repr(replace(self, **later)).encode()).hexdigest()[:12]


TINY = BuiltinConfig(
    name="builtin:tiny/random",
    initial="random",
    image=EfficientNetConfig(width=0.25, depth=0.3, head_channels=32),
    text=BertConfig(width=32, hidden=64, heads=4, layers=2, positions=64),
    size=64,
    dim=16,
    hidden=32,
    pool_groups=4,
    from_block=5,
    from_layer=1,
    map_crop=1,
    num_views=3,
    heads=FitConfig(epochs=2, batch=8),
    towers=FitConfig(epochs=1, batch=8),
    multilingual=FitConfig(epochs=2, batch=8),
    holdout=0,
    test_split=None,
    num_threads=1,
)
"""Random towers that train in seconds: for tests, useless for search."""
