"""Reads the background of a copy encoder: descriptors of pictures that no query copies."""

from pathlib import Path

import numpy as np

from retrieval.encoders.base import unit_rows
from retrieval.errors import InvalidInputError
from retrieval.types import FloatArray

__all__ = ["read_background"]


def read_background(path: Path, dim: int) -> FloatArray:
    """Read an `.npz` file with one array `vectors`, (B, dim) float16 or float32.

    Returns:
        (B, dim) float32, unit norm.

    Raises:
        InvalidInputError: not such a file; nothing in it is ever unpickled.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            vectors = stored["vectors"]
    except (OSError, ValueError, KeyError) as exc:
        raise InvalidInputError(f"{path} is not a background of descriptors: {exc}") from exc
    if vectors.ndim != 2 or vectors.shape[1] != dim or vectors.dtype.kind != "f":
        raise InvalidInputError(
            f"{path}: got {vectors.shape = } of {vectors.dtype}, expected (B, {dim}) floats"
        )
    return unit_rows(vectors.astype(np.float32))
