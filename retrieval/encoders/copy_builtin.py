"""The built-in copy encoder: the second output of the built-in picture tower."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.builtin import load as load_builtin
from retrieval.encoders.copy_background import read_background
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.errors import InvalidInputError
from retrieval.types import FloatArray

__all__ = ["BuiltinCopyEncoder", "load"]


class BuiltinCopyEncoder(CopyEncoder):
    """The copy output of a built-in encoder.

    Args:
        encoder: the search encoder whose picture network is shared.

    Raises:
        InvalidInputError: its folder was made without a copy output.
    """

    def __init__(self, encoder: BuiltinEncoder) -> None:
        copies = encoder.manifest.copies
        if copies is None:
            raise InvalidInputError(
                f"{encoder.name} in {encoder.manifest.folder} has no copy output; add one: "
                "sceneprint train copy --data DIR --out FOLDER"
            )
        self._encoder, self._tower = encoder, copies
        self.name = copies.name
        self.hash = encoder.manifest.copy_hash()
        self.dim = copies.dim
        if encoder.spec is not None:  # `onnx:FOLDER` and `builtin:FOLDER` are one
            self.spec = encoder.spec.replace("onnx:", "builtin:", 1)

    @cached_property
    def background(self) -> FloatArray:
        """Descriptors (B, C) float32 of pictures it was trained on, in the folder."""
        if self._tower.background is None:
            return super().background
        path: Path = self._encoder.manifest.checked_path(self._tower.background)
        return read_background(path, self.dim)

    def encode_beside(
        self, search: PictureTextEncoder, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[FloatArray, FloatArray]:
        """As in the base class; one pass where `search` is the encoder behind this one."""
        if search is self._encoder:
            return self._encoder.encode_images_and_copies(images)
        return super().encode_beside(search, images)

    def _encode_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        return self._encoder.encode_images_and_copies(images)[1]


def load(
    rest: str, *, runtime: str, options: RuntimeOptions, shared: PictureTextEncoder | None
) -> BuiltinCopyEncoder:
    """Load `builtin` or `builtin:FOLDER`; the network of `shared` is used where it is the same."""
    encoder = load_builtin(rest, runtime=runtime, options=options)
    if isinstance(shared, BuiltinEncoder) and shared.id == encoder.id and shared.manifest.copies:
        encoder = shared
    return BuiltinCopyEncoder(encoder)
