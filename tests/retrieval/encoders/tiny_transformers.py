"""Small CLIP-like checkpoints of random weights, written as a model hub would hold them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["save_clip", "save_siglip", "save_tokenizer", "seeded"]

TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
VISION: dict[str, Any] = {**TEXT, "image_size": 32, "patch_size": 16}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights that are the same each time, and the generator as it was."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def save_tokenizer(folder: Path, *, max_length: int = 16) -> Any:
    """A byte-level tokenizer of 300 tokens that ends each text with `</s>`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<s>", "</s>", "<unk>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(["a red car", "two dogs run over the green grass"], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    kind: Any = PreTrainedTokenizerFast  # transformers does not type it
    fast = kind(tokenizer_object=tokenizer, model_max_length=max_length, **SPECIAL)
    fast.save_pretrained(folder)
    return fast


def save_clip(folder: Path, *, seed: int = 1) -> Path:
    """A CLIP of 24 dimensions over pictures of 32 x 32."""
    from transformers import CLIPConfig, CLIPModel

    words = {"vocab_size": 300, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2}
    config = CLIPConfig(
        text_config={**TEXT, **words, "pad_token_id": 0}, vision_config=VISION, projection_dim=24
    )
    with seeded(seed):
        CLIPModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    _save_image_processor(folder, "CLIPImageProcessor", size={"shortest_edge": 32})
    return folder


def save_siglip(folder: Path, *, seed: int = 2) -> Path:
    """A SigLIP of 32 dimensions, with texts filled to 16 tokens."""
    from transformers import SiglipConfig, SiglipModel

    words = {"vocab_size": 300, "max_position_embeddings": 16, "pad_token_id": 0}
    words |= {"bos_token_id": 1, "eos_token_id": 2}
    config = SiglipConfig(text_config={**TEXT, **words}, vision_config=VISION)
    with seeded(seed):
        model = SiglipModel(config)
        model.logit_scale.data.fill_(3.0)
        model.save_pretrained(folder)
    save_tokenizer(folder, max_length=64)
    _save_image_processor(folder, "SiglipImageProcessor", size={"height": 32, "width": 32})
    return folder


def _save_image_processor(folder: Path, kind: str, **settings: Any) -> None:
    values: dict[str, Any] = {"image_processor_type": kind, "crop_size": 32, **settings}
    values |= {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
