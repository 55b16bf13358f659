"""The `open_clip` family: any checkpoint that open_clip loads, run by torch (extra `clip`).

`open_clip:ARCHITECTURE/TAG` takes published weights, `open_clip:ARCHITECTURE//path/to/file` reads
a checkpoint from disk, `open_clip:hf-hub:ORG/REPO` and `open_clip:local-dir:/path` read the
architecture too. Pictures and texts go through the checkpoint's own preprocessing and tokenizer;
some architectures (SigLIP, multilingual ones) take the tokenizer from a model hub.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.hub import TOKENIZER, HubSource, cached_folder, ensure, load_offline
from retrieval.encoders.open_clip_names import (
    OpenClipSource,
    needed_files,
    parse_source,
    text_config,
)
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.torch_weights import (
    MAX_CHARACTERS,
    choose_torch_device,
    describe_tokenizer,
    features,
    first_line,
    hash_tensors,
    unfilled_weights,
)
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray

__all__ = ["OpenClipEncoder", "hub_sources", "load", "published_names"]

logger = logging.getLogger(__name__)


class OpenClipEncoder(PictureTextEncoder):
    """An open_clip network with its preprocessing and tokenizer; made by `load`."""

    def __init__(self, name: str, model: Any, tokenizer: Any, *, device: str) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        preprocessing = dict(model.visual.preprocess_cfg)
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
        self._device = device
        self._cache = TextCache()
        self.name = name
        self.hash = _hash(model, preprocessing, tokenizer)
        _fuse_branches(model)
        self.preprocessing = preprocessing
        self.picture_side = int(np.min(preprocessing["size"]))
        self.temperature = float(model.logit_scale.exp())
        self.dim = self._run_text(["dim"]).shape[1]

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._cache.encode(texts, self._run_text)

    def _run_text(self, texts: Sequence[str]) -> FloatArray:
        tokens = self._tokenizer([text[:MAX_CHARACTERS] for text in texts])
        return features(self._model.encode_text, tokens.to(self._device))

    def _encode_image_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        import torch

        pictures = [Image.fromarray(np.ascontiguousarray(image)) for image in images]
        batch = torch.stack([self._transform(picture) for picture in pictures])
        return features(self._model.encode_image, batch.to(self._device))


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> OpenClipEncoder:
    """Load a checkpoint.

    Args:
        rest: the name after `open_clip:`.
        runtime: only `auto`: torch runs it.
        options: device; `threads` counts for all of torch in this process.

    Raises:
        InvalidInputError: a name, runtime, device or checkpoint that cannot be used.
        NotFoundError: an architecture, tag or file that is not there or cannot be fetched.
        MissingDependencyError: the extra `clip` or the asked-for device is not installed.
    """
    if runtime != "auto":
        raise InvalidInputError(
            f"got {runtime = } for open_clip:{rest}, which is run by torch; leave it at auto"
        )
    open_clip, torch = _import()
    device = choose_torch_device(torch, options.device)
    source = parse_source(open_clip, rest)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    ensure(f"open_clip:{rest}", lambda: needed_files(open_clip, source))
    model, tokenizer = _create(open_clip, source, device)
    return OpenClipEncoder(f"open_clip:{source.full_name}", model, tokenizer, device=device)


def hub_sources(rest: str) -> tuple[HubSource, ...]:
    """What the name after the colon needs of a model hub: weights, tokenizer, text configuration.

    Raises:
        InvalidInputError: a name that cannot be.
        NotFoundError: an architecture, tag or file that is not there.
        MissingDependencyError: the extra `clip` is not installed.
    """
    open_clip, _ = _import()
    return needed_files(open_clip, parse_source(open_clip, rest))


def published_names() -> list[str]:
    """`ARCHITECTURE/TAG` of all weights that open_clip knows.

    Raises:
        MissingDependencyError: the extra `clip` is not installed.
    """
    open_clip, _ = _import()
    return [f"{architecture}/{tag}" for architecture, tag in open_clip.list_pretrained()]


def _import() -> tuple[Any, Any]:
    """Import open_clip and torch, or say which extra installs them."""
    try:
        from retrieval.encoders.torchvision_cure import import_torchvision

        import_torchvision()
        import open_clip
        import torch
    except ImportError as exc:
        raise MissingDependencyError(
            f"open_clip encoders need torch and open_clip ({exc}); "
            "run: pip install 'sceneprint[clip]'"
        ) from exc
    return open_clip, torch


def _create(open_clip: Any, source: OpenClipSource, device: str) -> tuple[Any, Any]:
    """Build the network, load its weights (tensors only, never code) and its tokenizer."""
    try:
        with load_offline(), unfilled_weights():
            model = open_clip.create_model(
                source.architecture,
                source.tag,
                device=device,
                require_pretrained=True,
                weights_only=True,
                force_quick_gelu=_wants_quick_gelu(open_clip, source),
                force_preprocess_cfg=_preprocessing_of_file(open_clip, source),
            )
            return model, _tokenizer(open_clip, source)
    except Exception as exc:  # open_clip and torch raise many unrelated classes
        raise InvalidInputError(
            f"{source.tag or source.architecture} cannot be loaded as open_clip "
            f"{source.architecture}: {first_line(exc)}; give a checkpoint of that architecture"
        ) from exc


def _tokenizer(open_clip: Any, source: OpenClipSource) -> Any:
    """As open_clip makes it, but from the folder that the cache holds, which needs no network."""
    text = text_config(open_clip, source)
    if source.folder is not None or "hf_tokenizer_name" not in text:
        return open_clip.get_tokenizer(source.architecture)
    name = text["hf_tokenizer_name"]
    folder = name if Path(name).is_dir() else cached_folder(HubSource(name, TOKENIZER))
    length = text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
    return open_clip.tokenizer.HFTokenizer(
        str(folder),
        context_length=length,
        tokenizer_mode=text.get("tokenizer_mode"),
        **text.get("tokenizer_kwargs", {}),
    )


def _wants_quick_gelu(open_clip: Any, source: OpenClipSource) -> bool:
    """Whether the published weights were trained with QuickGELU, whatever the architecture says.

    open_clip itself only warns where `ViT-B-32/openai` meets an architecture with GELU.
    """
    if source.tag is None or source.is_local:
        return False
    return bool(open_clip.get_pretrained_cfg(source.architecture, source.tag).get("quick_gelu"))


def _fuse_branches(model: Any) -> None:
    """Join the branches that networks like MobileCLIP keep for training: the same, but faster."""
    if any(hasattr(part, "reparameterize") for part in model.modules()):
        from timm.utils.model import reparameterize_model

        reparameterize_model(model, inplace=True)


def _preprocessing_of_file(open_clip: Any, source: OpenClipSource) -> dict[str, Any] | None:
    """Preprocessing for a checkpoint file, which does not say its own.

    Where all published weights of the architecture agree it is theirs, else open_clip's default.
    """
    if source.tag is None or not source.is_local:
        return None
    keys = ("mean", "std", "interpolation", "resize_mode")
    tags = open_clip.list_pretrained_tags_by_model(source.architecture)
    published = [open_clip.get_pretrained_cfg(source.architecture, tag) for tag in tags]
    chosen = [{key: config[key] for key in keys if key in config} for config in published]
    if chosen and all(config == chosen[0] for config in chosen):
        return chosen[0]
    logger.warning(
        "preprocessing of %s is not known for sure; using open_clip's default", source.tag
    )
    return None


def _hash(model: Any, preprocessing: dict[str, Any], tokenizer: Any) -> str:
    """SHA-256 over every tensor, the preprocessing and the tokenizer."""
    described = json.dumps(preprocessing, sort_keys=True, default=str)
    described += f" {type(tokenizer).__name__} {tokenizer.context_length}"
    inner = getattr(tokenizer, "tokenizer", None)  # of transformers, where the hub brings it
    if inner is not None:
        cleaning = tokenizer.clean_fn.__name__
        described += f" {cleaning} {tokenizer.tokenizer_mode} {describe_tokenizer(inner)}"
    return hash_tensors(model, hashlib.sha256(described.encode()))
