"""Small open_clip checkpoints of random weights, as folders for `open_clip:local-dir:…`."""

import json
from pathlib import Path
from typing import Any

from tests.retrieval.encoders.tiny_transformers import save_tokenizer, seeded

__all__ = ["save_clip", "save_custom", "save_siglip"]

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


def save_clip(folder: Path) -> Path:
    """A CLIP: byte pair encoding, causal text, the end token taken."""
    return _save(folder, {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}, {})


def save_custom(folder: Path) -> Path:
    """As PE-Core and EVA02: the same causal text in a module of its own, which wants it filled."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    text = {**TEXT, "vocab_size": 300, "hf_tokenizer_name": "tiny", "pool_type": "eos", "eos_id": 2}
    config = {"embed_dim": 24, "custom_text": True, "vision_cfg": VISION, "text_cfg": text}
    return _save(folder, config, {"resize_mode": "squash"})


def save_siglip(folder: Path) -> Path:
    """As SigLIP: texts cleaned and filled up, every token seen, the last one taken, a bias.

    Its pictures are scaled and filled up too, which open_clip can, though SigLIP squashes them.
    """
    text = {
        **{**TEXT, "vocab_size": 300, "no_causal_mask": True, "pool_type": "last"},
        **{"proj_bias": True, "hf_tokenizer_name": "tiny"},
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    config: dict[str, Any] = {"embed_dim": 24, "custom_text": True, "init_logit_bias": -10}
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    config |= {"vision_cfg": VISION, "text_cfg": text}
    preprocessing = {"resize_mode": "longest", "interpolation": "bilinear", "fill_color": 90}
    return _save(folder, config, preprocessing)


def _save(folder: Path, config: dict[str, Any], preprocessing: dict[str, Any]) -> Path:
    import torch
    from open_clip.model import CLIP, CustomTextCLIP

    folder.mkdir(parents=True, exist_ok=True)
    model_config = dict(config)
    kind = CustomTextCLIP if model_config.pop("custom_text", False) else CLIP
    with seeded(5):
        torch.save(kind(**model_config).state_dict(), folder / "open_clip_pytorch_model.bin")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing})
    )
    return folder
