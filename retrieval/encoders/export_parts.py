"""What an encoder is made of, taken apart for `sceneprint export`.

A family that can be exported has a function in `EXPORTERS` that gives the two networks, the
preprocessing as an encoder folder writes it, and the tokenizer as a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.known import find_known
from retrieval.encoders.manifest import ImageTower, TextTower
from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "EXPORTERS",
    "IMAGE",
    "TEXT",
    "TOKENIZER",
    "ExportParts",
    "Networks",
    "TorchParts",
    "parts_of",
]

IMAGE, TEXT, TOKENIZER = "image.onnx", "text.onnx", "tokenizer.json"

EXPORTERS = {
    "builtin": "retrieval.encoders.export_folder:parts",
    "onnx": "retrieval.encoders.export_folder:parts",
    "open_clip": "retrieval.encoders.export_open_clip:parts",
    "transformers": "retrieval.encoders.export_transformers:parts",
}
"""Family -> `module:function` that takes the loaded encoder apart."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Both networks in float32 as ONNX, and how they are fed."""

    image: Path
    text: Path
    image_tower: ImageTower
    text_tower: TextTower


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportParts:
    """A picture-text encoder in pieces.

    Attributes:
        encoder: the original, for comparison.
        source: what a folder says that it was made from; the original, or the original's own.
        tokenizer: as the folder will hold it; cutting and padding are set later.
        bias: added to scaled cosines before a sigmoid (SigLIP); None for a softmax (CLIP).
        licence: of the weights, where it is known.
        networks: where there are files already; None for `TorchParts`.
    """

    encoder: PictureTextEncoder
    source: EncoderId
    tokenizer: "Tokenizer"
    bias: float | None = None
    licence: str | None = None
    networks: Networks | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchParts(ExportParts):
    """An encoder that torch runs.

    Attributes:
        image: torch module, (N, 3, H, W) float32 -> (N, D) float32.
        image_tower: its preprocessing.
        text: torch module, token ids (N, L) int64 (and their mask) -> (N, D) float32.
        text_tower: length, padding and inputs; `padding` is what the original does.
        tokenize: the original's own way: N texts -> (N, L) int64 ids, filled up to `max_length`.
    """

    image: Any
    image_tower: ImageTower
    text: Any
    text_tower: TextTower
    tokenize: Callable[[Sequence[str]], NDArray[np.int64]]


def parts_of(encoder: PictureTextEncoder) -> ExportParts:
    """Take an encoder apart.

    Raises:
        InvalidInputError: its family cannot be exported, or this checkpoint's preprocessing or
            tokenizer is of a kind that an encoder folder cannot say.
    """
    family = "onnx" if isinstance(encoder, BuiltinEncoder) else encoder.name.partition(":")[0]
    if family not in EXPORTERS:
        raise InvalidInputError(
            f"got encoder {encoder.name!r}, which cannot be exported; expected one of the families "
            f"{', '.join(EXPORTERS)}"
        )
    module_name, function_name = EXPORTERS[family].split(":")
    parts: Callable[[PictureTextEncoder], ExportParts]
    parts = getattr(import_module(module_name), function_name)
    try:
        taken = parts(encoder)
    except ValueError as exc:
        raise InvalidInputError(f"{encoder.name} cannot be exported: {exc}") from exc
    known = find_known(encoder.name)
    if taken.licence is None and known is not None:
        return replace(taken, licence=known.licence)
    return taken
