"""The `sentence-transformers` family: text encoders of that package, for subtitles.

`sentence-transformers:ORG/REPO` fetches published weights, `sentence-transformers:/path/to/folder`
reads a saved one. Only safetensors are read, and no code that comes with a checkpoint is run.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrieval.encoders.base import TextEncoder
from retrieval.encoders.hub import HubSource, full_name, load_offline, local_folder, model_folder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.torch_weights import choose_torch_device, first_line, hash_tensors
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray

__all__ = ["SentenceEncoder", "hub_sources", "load"]

_MAX_CHARACTERS = 10_000


class SentenceEncoder(TextEncoder):
    """A SentenceTransformer; made by `load`."""

    def __init__(self, name: str, model: Any) -> None:
        self._model = model.eval().requires_grad_(False)
        self._cache = TextCache()
        described = json.dumps([str(module) for module in model], sort_keys=True)
        digest = hashlib.sha256(f"{described} {model.max_seq_length}".encode())
        self.name = name
        self.hash = hash_tensors(model, digest)
        self.dim = int(model.get_embedding_dimension())

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._cache.encode(texts, self._run)

    def _run(self, texts: Sequence[str]) -> FloatArray:
        rows = self._model.encode(
            [text[:_MAX_CHARACTERS] for text in texts],
            batch_size=len(texts),
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(rows, dtype=np.float32)


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> SentenceEncoder:
    """Load a checkpoint by the name after `sentence-transformers:`; torch runs it.

    Raises:
        InvalidInputError: an empty name, a runtime, or a folder that holds none.
        NotFoundError: weights that are not there and cannot be fetched.
        MissingDependencyError: the package, torch or the asked-for device is not installed.
    """
    name = f"sentence-transformers:{rest}"
    if runtime != "auto" or not rest:
        raise InvalidInputError(
            f"got text encoder {name!r} with {runtime = }, expected sentence-transformers:ORG/REPO "
            "or sentence-transformers:/path/to/folder with runtime auto: it is run by torch"
        )
    try:
        from retrieval.encoders.torchvision_cure import cure_torchvision

        cure_torchvision()
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as exc:
        raise MissingDependencyError(
            f"sentence-transformers encoders need that package ({exc}); "
            "run: pip install sentence-transformers torch"
        ) from exc
    device = choose_torch_device(torch, options.device)
    folder = model_folder(rest, name=name, sources=hub_sources)
    try:
        with load_offline():
            model = SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except Exception as exc:  # the package raises many unrelated classes
        raise InvalidInputError(
            f"{name} cannot be loaded: {first_line(exc)}; give a folder that its `save` wrote"
        ) from exc
    return SentenceEncoder(full_name("sentence-transformers", rest), model)


def hub_sources(rest: str) -> tuple[HubSource, ...]:
    """What the name after the colon needs of a model hub; nothing where it is a folder.

    Raises:
        NotFoundError: it looks like a path, and there is no such folder.
        InvalidInputError: it is neither a folder nor `ORG/REPO`.
    """
    if local_folder(rest) is not None:
        return ()
    return (HubSource(rest if "/" in rest else f"sentence-transformers/{rest}", folders=True),)
