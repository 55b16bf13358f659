"""Takes an open_clip encoder apart for export: its towers, preprocessing and tokenizer."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.export_parts import IMAGE, TEXT, TOKENIZER, TorchParts
from retrieval.encoders.export_tokenizer import Cleaning, fast_tokenizer, simple_tokenizer
from retrieval.encoders.manifest import ImageTower, Resize, TextTower
from retrieval.encoders.open_clip import OpenClipEncoder

__all__ = ["parts"]


class _Image(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.model.encode_image(image)).float()


class _Text(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        return cast(Tensor, self.model.encode_text(input_ids)).float()


class _CausalText(nn.Module):
    """A causal text network of open_clip, for texts of any length up to the context.

    Its own code adds all positions, or the whole mask, and so wants every text filled up; a causal
    network never looks at what follows the end of the text, so the shorter one gives the same.

    Args:
        tower: `open_clip.CLIP`, which has its text half in itself, or a `TextTransformer`.
        pool: where the embedding is taken from.
        end: id of the token that ends a text, for the pool `eos`.
    """

    def __init__(self, tower: Any, *, pool: str, end: int | None) -> None:
        super().__init__()
        self.tower, self.pool, self.end = tower, pool, end

    def forward(self, input_ids: Tensor) -> Tensor:
        from open_clip.transformer import text_global_pool

        tower, length = self.tower, input_ids.shape[1]
        rows = tower.token_embedding(input_ids) + tower.positional_embedding[:length]
        rows = tower.transformer(rows, attn_mask=tower.attn_mask[:length, :length])
        rows = text_global_pool(tower.ln_final(rows), input_ids, self.pool, eos_token_id=self.end)
        if isinstance(tower.text_projection, nn.Linear):
            return cast(Tensor, tower.text_projection(rows)).float()
        projected = rows if tower.text_projection is None else rows @ tower.text_projection
        return cast(Tensor, projected).float()


def parts(encoder: PictureTextEncoder) -> TorchParts:
    """Take the encoder apart.

    Raises:
        ValueError: it drops tokens at random, or its tokenizer is no fast one.
    """
    assert isinstance(encoder, OpenClipEncoder)
    model, reference = encoder._model, encoder._tokenizer
    bias = getattr(model, "logit_bias", None)
    length = int(reference.context_length)

    def tokenize(texts: Sequence[str]) -> NDArray[np.int64]:
        return np.asarray(reference(list(texts)).numpy(), dtype=np.int64)

    return TorchParts(
        encoder=encoder,
        source=encoder.id,
        image=_Image(model).eval(),
        image_tower=_image_tower(dict(model.visual.preprocess_cfg)),
        text=_text(model).eval(),
        text_tower=TextTower(
            languages=("*",),
            kind="onnx-tokenizer",
            file=TEXT,
            tokenizer=TOKENIZER,
            max_length=length,
            inputs=("input_ids",),
            padding="full",
            pad_id=_padding(reference, tokenize),
        ),
        tokenizer=_tokenizer(reference),
        tokenize=tokenize,
        bias=None if bias is None else float(bias.detach().reshape(-1)[0]),
    )


def _text(model: Any) -> nn.Module:
    from open_clip.transformer import TextTransformer

    if getattr(model, "attn_mask", None) is not None:
        return _CausalText(model, pool=model.text_pool_type, end=model.text_eos_id)
    tower: Any = getattr(model, "text", None)
    is_plain = isinstance(tower, TextTransformer) and tower.cls_emb is None
    if is_plain and tower.attn_mask is not None and not tower.use_pad_mask:
        return _CausalText(tower, pool=tower.pool_type, end=tower.eos_id)
    return _Text(model)


def _image_tower(preprocessing: dict[str, Any]) -> ImageTower:
    size = preprocessing["size"]
    height, width = (size, size) if isinstance(size, int) else size
    resize: Resize = preprocessing["resize_mode"] or "shortest"
    is_bilinear = preprocessing["interpolation"] == "bilinear"
    if resize == "shortest" and height != width:
        is_bilinear = False  # open_clip forgets the setting there
    return ImageTower(
        file=IMAGE,
        input_name="image",
        size=(int(height), int(width)),
        mean=_three(preprocessing["mean"]),
        std=_three(preprocessing["std"]),
        interpolation="bilinear" if is_bilinear else "bicubic",
        resize=resize,
        fill=int(preprocessing.get("fill_color") or 0) if resize == "longest" else 0,
    )


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _tokenizer(reference: Any) -> Any:
    if getattr(reference, "reduction_fn", None) is not None:
        raise ValueError("its tokenizer drops tokens of long texts at random")
    if hasattr(reference, "bpe_ranks"):
        return simple_tokenizer(reference, cleaning=_cleaning(reference))
    tokenizer = fast_tokenizer(reference.tokenizer, cleaning=_cleaning(reference))
    if getattr(reference, "strip_sep_token", False):
        return _without_end(tokenizer, reference.tokenizer)
    return tokenizer


def _cleaning(reference: Any) -> Cleaning:
    """Which of open_clip's cleaning functions a tokenizer calls; its SigLIP one has no choice."""
    name = getattr(getattr(reference, "clean_fn", None), "__name__", "_clean_canonicalize")
    return cast(Cleaning, name.removeprefix("_clean_"))


def _without_end(tokenizer: Any, reference: Any) -> Any:
    """Write 0 where the reference writes the end of a text and then overwrites it (CLIPA)."""
    import json

    from tokenizers import Tokenizer

    described = json.loads(tokenizer.to_str())
    end, number = reference.sep_token, reference.sep_token_id

    def zeroed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: zeroed(item) for key, item in value.items()}
        if value == [end, number]:
            return [end, 0]
        if isinstance(value, list):
            return [0 if item == number else zeroed(item) for item in value]
        return value

    described["post_processor"] = zeroed(described["post_processor"])
    return Tokenizer.from_str(json.dumps(described))


def _padding(reference: Any, tokenize: Any) -> int:
    """The token that fills up: the last one of a short text."""
    return int(tokenize(["a"])[0, -1])
