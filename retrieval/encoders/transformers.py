"""The `transformers` family: CLIP-like checkpoints of transformers, run by torch (extra `clip`).

`transformers:ORG/REPO` takes published weights, `transformers:/path/to/folder` a saved model. Any
architecture counts that has `get_image_features` and `get_text_features`: CLIP, SigLIP, SigLIP 2,
Chinese CLIP, AltCLIP, ALIGN, MetaCLIP 2 … Only safetensors are read, no code that comes with a
checkpoint is run, and pictures and texts go through its own image processor and tokenizer.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.hub import full_name, load_offline, model_folder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.torch_weights import (
    MAX_CHARACTERS,
    choose_torch_device,
    describe_tokenizer,
    features,
    first_line,
    hash_tensors,
    refuse_lost_tensors,
)
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray

__all__ = ["TransformersEncoder", "describe_image_processor", "load"]

_PREPROCESSING = (
    *("do_convert_rgb", "do_resize", "size", "resample", "do_center_crop", "crop_size"),
    *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std"),
    *("do_pad", "pad_size", "patch_size", "max_num_patches"),
)
"""What decides how a picture enters; the rest of an image processor changes with its package."""

_PADDED = {"siglip": 64, "siglip2": 64, "align": 64}
"""Architectures that were trained on texts of one length, the rest filled with padding."""

_UNMASKED = ("siglip", "siglip2")
"""Trained without a mask: the network reads the padding too (Zhai et al. 2023)."""

_MAX_TOKENS = 512
"""For networks whose tokenizer knows no end."""


class TransformersEncoder(PictureTextEncoder):
    """A CLIP-like network with its image processor and tokenizer; made by `load`."""

    def __init__(
        self, name: str, model: Any, image_processor: Any, tokenizer: Any, *, device: str
    ) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._image_processor = image_processor
        self._tokenizer = tokenizer
        self._text_options = _text_options(model.config, tokenizer)
        self._device = device
        self._cache = TextCache()
        self.name = name
        self.preprocessing = describe_image_processor(image_processor)
        self.hash = self._hash()
        self.picture_side = _picture_side(self.preprocessing)
        self.temperature = _temperature(model)
        self.dim = self._check_dim()

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._cache.encode(texts, self._run_text)

    def _run_text(self, texts: Sequence[str]) -> FloatArray:
        short = [text[:MAX_CHARACTERS] for text in texts]
        tokens = self._tokenizer(short, return_tensors="pt", **self._text_options)
        return features(self._model.get_text_features, **tokens.to(self._device))

    def _encode_image_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        pictures = [Image.fromarray(np.ascontiguousarray(image)) for image in images]
        batch = self._image_processor(pictures, return_tensors="pt")
        return features(self._model.get_image_features, **batch.to(self._device))

    def _check_dim(self) -> int:
        """D, after a picture and a text were seen to end in one space."""
        text = self._run_text(["dim"])
        image = self._encode_image_batch([np.zeros((32, 32, 3), dtype=np.uint8)])
        if text.ndim != 2 or text.shape != image.shape:
            raise InvalidInputError(
                f"{self.name} gives {text.shape} for a text and {image.shape} for a picture, "
                "expected one vector each in one space; choose a CLIP-like checkpoint"
            )
        return int(text.shape[1])

    def _hash(self) -> str:
        """SHA-256 over every tensor, the preprocessing, the tokenizer and how texts are filled."""
        described = [self.preprocessing, describe_tokenizer(self._tokenizer), self._text_options]
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        return hash_tensors(self._model, digest)


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> TransformersEncoder:
    """Load a checkpoint.

    Args:
        rest: the name after `transformers:`.
        runtime: only `auto`: torch runs it.
        options: device; `threads` counts for all of torch in this process.

    Raises:
        InvalidInputError: a name, runtime, device or checkpoint that cannot be used.
        NotFoundError: weights that are not there and cannot be fetched.
        MissingDependencyError: the extra `clip` or the asked-for device is not installed.
    """
    name = f"transformers:{rest}"
    if runtime != "auto" or not rest:
        raise InvalidInputError(
            f"got encoder {name!r} with {runtime = }, expected transformers:ORG/REPO or "
            "transformers:/path/to/folder with runtime auto: it is run by torch"
        )
    torch = _import()
    device = choose_torch_device(torch, options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    folder = model_folder(rest, name=name)
    try:
        with load_offline():
            parts = _read(str(folder))
    except (InvalidInputError, MissingDependencyError):
        raise
    except Exception as exc:  # transformers and safetensors raise many unrelated classes
        raise InvalidInputError(
            f"{name} cannot be loaded: {first_line(exc)}; give a CLIP-like model with config.json, "
            "safetensors, preprocessor_config.json and a tokenizer, and see whether it is whole: "
            f"sceneprint encoders verify {name}"
        ) from exc
    return TransformersEncoder(full_name("transformers", rest), *parts, device=device)


def _import() -> Any:
    """Import transformers and torch, or say which extra installs them."""
    try:
        from retrieval.encoders.torchvision_cure import import_torchvision

        import_torchvision()
        import torch
        import transformers  # noqa: F401
    except ImportError as exc:
        raise MissingDependencyError(
            f"transformers encoders need torch, torchvision and transformers ({exc}); "
            "run: pip install 'sceneprint[clip]'"
        ) from exc
    return torch


def _read(source: str) -> tuple[Any, Any, Any]:
    """Network, image processor and tokenizer of a folder."""
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    _check_kind(source, config)
    model, report = AutoModel.from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    refuse_lost_tensors(report)
    processors: Any = (AutoImageProcessor, AutoTokenizer)  # transformers does not type them
    image_processor, tokenizer = (
        kind.from_pretrained(source, trust_remote_code=False) for kind in processors
    )
    return model, image_processor, tokenizer


def _check_kind(source: str, config: Any) -> None:
    """Refuse other networks before gigabytes of them are read."""
    from transformers import MODEL_MAPPING

    if type(config) not in MODEL_MAPPING:
        raise ValueError(f"AutoModel has no network for {config.model_type!r}")
    kind: Any = MODEL_MAPPING[type(config)]
    if not hasattr(kind, "get_image_features") or not hasattr(kind, "get_text_features"):
        raise ValueError(f"{kind.__name__} in {source} does not embed both pictures and texts")
    if config.model_type == "siglip":
        _check_sentencepiece(source)


def _check_sentencepiece(source: str) -> None:
    """SigLIP's own tokenizer cleans texts first; without its package another one would be taken."""
    from transformers.models.auto.tokenization_auto import get_tokenizer_config
    from transformers.utils.import_utils import is_sentencepiece_available

    kind = get_tokenizer_config(source).get("tokenizer_class")
    if kind in ("SiglipTokenizer", None) and not is_sentencepiece_available():
        raise MissingDependencyError(
            f"the tokenizer of {source} needs sentencepiece; run: pip install 'sceneprint[clip]'"
        )


def _text_options(config: Any, tokenizer: Any) -> dict[str, Any]:
    """How texts become tokens: cut where the network ends, filled as it was trained."""
    kind = config.model_type
    longest = _max_tokens(config, tokenizer)
    options: dict[str, Any] = {"truncation": True, "max_length": longest, "padding": True}
    if kind in _PADDED:
        options |= {"padding": "max_length", "max_length": min(longest, _PADDED[kind])}
    if kind in _UNMASKED:
        options["return_attention_mask"] = False
    return options


def _max_tokens(config: Any, tokenizer: Any) -> int:
    """Tokens that the network has places for; RoBERTa's kin begins to count after the padding."""
    text = getattr(config, "text_config", config)
    places = int(getattr(text, "max_position_embeddings", None) or _MAX_TOKENS)
    if "roberta" in text.model_type or config.model_type == "altclip":
        places -= int(text.pad_token_id) + 1
    return min(places, int(tokenizer.model_max_length), _MAX_TOKENS)


def _temperature(model: Any) -> float:
    """Factor on cosines; ALIGN divides by its temperature instead."""
    if hasattr(model, "logit_scale"):
        return float(model.logit_scale.exp())
    if hasattr(model, "temperature"):
        return 1.0 / float(model.temperature)
    raise InvalidInputError(
        f"{type(model).__name__} has no temperature that compares pictures with texts; "
        "choose a CLIP-like checkpoint"
    )


def _picture_side(preprocessing: Mapping[str, Any]) -> int | None:
    """The shorter side of what the network sees; None where it takes pictures of any aspect."""
    is_cropped = preprocessing.get("do_center_crop")
    size = preprocessing.get("crop_size" if is_cropped else "size")
    return min(size.values()) if isinstance(size, dict) else size


def describe_image_processor(image_processor: Any) -> dict[str, Any]:
    """What an image processor does to a picture, in plain values that do not depend on versions."""
    stated = {key: getattr(image_processor, key, None) for key in _PREPROCESSING}
    return {key: _plain(value) for key, value in stated.items() if value is not None}


def _plain(value: Any) -> Any:
    """Sizes as dicts without what is not set, enumerations as numbers, tuples as lists."""
    if isinstance(value, dict) or is_dataclass(value):
        pairs: dict[str, Any] = dict(value)  # type: ignore[arg-type]  # a SizeDict yields pairs
        return {key: _plain(item) for key, item in pairs.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | str | float) else int(value)
