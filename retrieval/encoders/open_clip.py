"""The `open_clip` family: any checkpoint that open_clip loads, run by torch (extra `clip`).

`open_clip:ARCHITECTURE/TAG` fetches published weights, `open_clip:ARCHITECTURE//path/to/file`
reads a checkpoint from disk, `open_clip:hf-hub:ORG/REPO` and `open_clip:local-dir:/path` read the
architecture too. Pictures and texts go through the checkpoint's own preprocessing and tokenizer.
"""

import difflib
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.torch_weights import (
    MAX_CHARACTERS,
    choose_torch_device,
    features,
    first_line,
    hash_tensors,
)
from retrieval.errors import InvalidInputError, MissingDependencyError, NotFoundError
from retrieval.types import FloatArray

__all__ = ["OpenClipEncoder", "load"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """What the name after `open_clip:` says."""

    architecture: str
    """An open_clip architecture, or `hf-hub:…` / `local-dir:…`."""
    tag: str | None
    """A published tag or the path of a checkpoint; None where the architecture says all."""

    @property
    def is_local(self) -> bool:
        return self.architecture.startswith("local-dir:") or "/" in (self.tag or "")


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
    source = _parse(open_clip, rest)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    model, tokenizer = _create(open_clip, source, device)
    return OpenClipEncoder(f"open_clip:{rest}", model, tokenizer, device=device)


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


def _parse(open_clip: Any, rest: str) -> _Source:
    """Read the name and check what can be checked before anything is loaded."""
    if rest.startswith(("hf-hub:", "local-dir:")):
        return _Source(architecture=rest, tag=None)
    architecture, _, tag = rest.partition("/")
    if not architecture or not tag:
        raise InvalidInputError(
            f"got encoder 'open_clip:{rest}', expected open_clip:ARCHITECTURE/TAG or "
            "open_clip:ARCHITECTURE//path/to/checkpoint"
        )
    known = open_clip.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=5, cutoff=0.4) or known[:5]
        raise NotFoundError(
            f"open_clip has no architecture {architecture!r}; near: {', '.join(near)}"
        )
    source = _Source(architecture=architecture, tag=tag)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if source.is_local and not Path(tag).is_file():
        raise NotFoundError(f"no checkpoint file at {tag}")
    if not source.is_local and tag not in tags:
        raise NotFoundError(
            f"open_clip has no weights {tag!r} for {architecture}; it knows "
            f"{', '.join(sorted(tags)) or 'none'}, or give a file: open_clip:{architecture}//path"
        )
    return source


def _create(open_clip: Any, source: _Source, device: str) -> tuple[Any, Any]:
    """Build the network, load its weights (tensors only, never code) and its tokenizer."""
    try:
        model = open_clip.create_model(
            source.architecture,
            source.tag,
            device=device,
            require_pretrained=True,
            weights_only=True,
            force_preprocess_cfg=_preprocessing_of_file(open_clip, source),
        )
        return model, open_clip.get_tokenizer(source.architecture)
    except Exception as exc:  # open_clip, torch and the hub raise many unrelated classes
        if source.is_local:
            raise InvalidInputError(
                f"{source.tag or source.architecture} cannot be loaded as open_clip "
                f"{source.architecture}: {first_line(exc)}; give a checkpoint of that architecture"
            ) from exc
        raise NotFoundError(
            f"weights of open_clip {source.architecture}/{source.tag} cannot be fetched: "
            f"{first_line(exc)}; {_how_to_fetch(open_clip, source)}"
        ) from exc


def _preprocessing_of_file(open_clip: Any, source: _Source) -> dict[str, Any] | None:
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


def _how_to_fetch(open_clip: Any, source: _Source) -> str:
    """One command for a machine that reaches the hub, and what to do with the file then."""
    repository = source.architecture.removeprefix("hf-hub:")
    if source.tag is not None:
        repository = open_clip.get_pretrained_cfg(source.architecture, source.tag)["hf_hub"]
    command = f"hf download {'/'.join(repository.split('/')[:2])}"
    return (
        f"on a machine that reaches the network run: {command}, copy the files here and load them "
        f"as open_clip:{source.architecture if source.tag else 'ARCHITECTURE'}//path/to/checkpoint"
        " or open_clip:local-dir:/path/to/folder"
    )


def _hash(model: Any, preprocessing: dict[str, Any], tokenizer: Any) -> str:
    """SHA-256 over every tensor, the preprocessing and the kind of tokenizer."""
    described = json.dumps(preprocessing, sort_keys=True, default=str)
    described += f" {type(tokenizer).__name__} {tokenizer.context_length}"
    return hash_tensors(model, hashlib.sha256(described.encode()))
