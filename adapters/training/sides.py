"""What training keeps of pictures and captions: activations up to the first tuned blocks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapters.training import public
from adapters.training.bert import Bert
from adapters.training.cache import TextCache, cache_images, cache_sentences, cache_texts
from adapters.training.config import BuiltinConfig, Progress
from adapters.training.efficientnet import EfficientNetLite
from adapters.training.pairs import Pairs, read_pairs

__all__ = ["Side", "cache_sides", "initial_networks"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One set of pictures with everything cached about it.

    Attributes:
        maps: (views, N, h, w, C) float16, the input of the first tuned block.
        captions: (M,) captions up to the first tuned layer.
        sentences: (M, 512) multilingual sentence vectors.
        rows: for each picture the numbers of its captions.
    """

    maps: NDArray[np.float16]
    captions: TextCache
    sentences: Tensor
    rows: tuple[tuple[int, ...], ...]

    def map_batch(self, pictures: Tensor, views: Tensor) -> Tensor:
        """Returns (B, C, h, w) float32, channels last in memory."""
        maps = torch.from_numpy(self.maps[views.numpy(), pictures.numpy()])
        return maps.permute(0, 3, 1, 2).float()


def initial_networks(config: BuiltinConfig) -> tuple[EfficientNetLite, Bert]:
    """The public networks that training begins from, or random ones of their shape."""
    if config.initial == "random":
        return EfficientNetLite(config.image), Bert(config.text, dropout=config.text_dropout)
    return (
        public.load_image_network(config.image),
        public.load_text_network(config.text, dropout=config.text_dropout),
    )


def cache_sides(
    data_dir: Path,
    work_dir: Path,
    config: BuiltinConfig,
    network: EfficientNetLite,
    text: Bert,
    progress: Progress,
) -> tuple[Side, Side | None]:
    """Everything cached of the pictures to train on, and of the test split where there is one."""

    def side(split: str) -> Side:
        pairs = read_pairs(data_dir, split)
        return _cache(pairs, split, work_dir, config, network, text, progress)

    return side("train"), None if config.test_split is None else side(config.test_split)


def _cache(
    pairs: Pairs,
    split: str,
    work_dir: Path,
    config: BuiltinConfig,
    network: EfficientNetLite,
    text: Bert,
    progress: Progress,
) -> Side:
    stage = f"cache {split}"
    maps = cache_images(
        pairs,
        network,
        work_dir / f"{split}.npy",
        until_block=config.from_block,
        num_views=config.num_views if split == "train" else 1,
        size=config.size,
        seed=config.seed,
        progress=lambda done, total: progress(stage, done, total, {}),
    )
    flat = [caption for own in pairs.captions for caption in own]
    captions = cache_texts(
        flat,
        text,
        public.load_tokenizer(),
        work_dir / f"{split}-captions.npz",
        until_layer=config.from_layer,
        max_length=config.max_length,
    )
    ends = np.cumsum([0, *(len(own) for own in pairs.captions)]).tolist()
    rows = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    sentences = cache_sentences(flat, work_dir / f"{split}-sentences.npz")
    return Side(maps=maps, captions=captions, sentences=sentences, rows=rows)
