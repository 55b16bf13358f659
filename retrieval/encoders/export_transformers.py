"""Takes a CLIP-like of transformers apart for export: towers, preprocessing, tokenizer."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.export_parts import IMAGE, TEXT, TOKENIZER, TorchParts
from retrieval.encoders.export_tokenizer import fast_tokenizer, siglip_tokenizer
from retrieval.encoders.manifest import ImageTower, Interpolation, TextTower
from retrieval.encoders.transformers import TransformersEncoder, describe_image_processor

__all__ = ["image_tower_of", "parts"]

_INTERPOLATIONS: Mapping[int, Interpolation] = {2: "bilinear", 3: "bicubic"}
"""By Pillow's numbers."""


class _Image(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        return _rows(self.model.get_image_features(pixel_values=image))


class _Text(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return _rows(
            self.model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
        )


def parts(encoder: PictureTextEncoder) -> TorchParts:
    """Take the encoder apart.

    Raises:
        ValueError: its preprocessing or tokenizer is of a kind that a folder cannot say.
    """
    assert isinstance(encoder, TransformersEncoder)
    model, reference, options = encoder._model, encoder._tokenizer, encoder._text_options
    model.set_attn_implementation("eager")  # the only one that is traced as plain products
    length = int(options["max_length"])

    def tokenize(texts: Sequence[str]) -> NDArray[np.int64]:
        filled = {**options, "padding": "max_length"}
        tokens = reference(list(texts), return_tensors="np", **filled)["input_ids"]
        return np.asarray(tokens, dtype=np.int64)

    has_mask = "attention_mask" in reference(["a"], **options)
    bias = getattr(model, "logit_bias", None)
    return TorchParts(
        encoder=encoder,
        source=encoder.id,
        image=_Image(model).eval(),
        image_tower=image_tower_of(describe_image_processor(encoder._image_processor)),
        text=_Text(model).eval(),
        text_tower=TextTower(
            languages=("*",),
            kind="onnx-tokenizer",
            file=TEXT,
            tokenizer=TOKENIZER,
            max_length=length,
            inputs=("input_ids", "attention_mask") if has_mask else ("input_ids",),
            padding="full" if options["padding"] == "max_length" else "batch",
            pad_id=int(reference.pad_token_id),
        ),
        tokenizer=_tokenizer(reference),
        tokenize=tokenize,
        bias=None if bias is None else float(bias.detach().reshape(-1)[0]),
    )


def _tokenizer(reference: Any) -> Any:
    if type(reference).__name__ == "SiglipTokenizer":
        return siglip_tokenizer(reference)
    return fast_tokenizer(reference, cleaning="none")


def image_tower_of(described: Mapping[str, Any]) -> ImageTower:
    """The preprocessing of an image processor as a folder says it.

    Args:
        described: from `describe_image_processor`.

    Raises:
        ValueError: it does something that a folder cannot say.
    """
    size, crop = described.get("size") or {}, described.get("crop_size") or {}
    crops = bool(described.get("do_center_crop"))
    if not described.get("do_resize") or described.get("do_pad") or "patch_size" in described:
        raise ValueError("its pictures keep their own aspect, or are filled up in a way of its own")
    if described.get("resample") not in _INTERPOLATIONS:
        raise ValueError(f"got resample {described.get('resample')}, expected 2 or 3")
    factor = described.get("rescale_factor", 0)
    if not described.get("do_rescale") or not np.isclose(factor * 255, 1, atol=1e-4):
        raise ValueError("its pixel values are not scaled to 0 to 1")
    if "shortest_edge" in size and "longest_edge" not in size and crops:
        resized: dict[str, Any] = {
            "size": (int(crop["height"]), int(crop["width"])),
            "resize": "shortest",
            "edge": int(size["shortest_edge"]),
            "crop": "down",
        }
    elif {"height", "width"} <= set(size) and (not crops or crop == size):
        resized = {"size": (int(size["height"]), int(size["width"]))}
    else:
        raise ValueError(f"its pictures become {size}, then {crop if crops else 'nothing'}")
    scales = bool(described.get("do_normalize"))
    return ImageTower(
        file=IMAGE,
        input_name="image",
        mean=_three(described["image_mean"]) if scales else (0.0, 0.0, 0.0),
        std=_three(described["image_std"]) if scales else (1.0, 1.0, 1.0),
        interpolation=_INTERPOLATIONS[described["resample"]],
        **resized,
    )


def _rows(features: Any) -> Tensor:
    """Since transformers 5 the features lie in an output object."""
    return cast(Tensor, getattr(features, "pooler_output", features)).float()


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
