"""Chains of edits: view 0 of a picture is the plain one, the others look like copies of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.training.copy_edits import EDITS, picture_in_picture, stacked
from adapters.training.pairs import open_picture

__all__ = ["make_copy_view"]

_SHARES = {"place": 0.65, "light": 0.5, "coding": 0.45, "over": 0.45}
"""How often each kind of edit is part of a chain."""
_MIXED = 0.14
"""Share of views that hold a second picture."""


def make_copy_view(
    pictures: Sequence[bytes], row: int, *, view: int, seed: int, size: int
) -> tuple[NDArray[np.uint8], int]:
    """Decodes a picture and returns one of its views.

    Args:
        pictures: encoded JPEG or PNG; others than `row` serve as grounds.
        row: which one.
        view: 0 plain, 1 and above random.
        seed: makes the random views repeatable.
        size: side of the returned square; pictures are squashed to it, as in serving.

    Returns:
        (size, size, 3) uint8 RGB, and the row of the second picture that is in it or -1.
    """
    picture = _square(pictures[row], size)
    if view == 0:
        return np.asarray(picture), -1
    rng = np.random.default_rng([seed, row, view])
    other = -1
    order = list(EDITS)
    rng.shuffle(order)
    if rng.random() < _MIXED and len(pictures) > 1:
        other = (row + int(rng.integers(1, len(pictures)))) % len(pictures)
        mix = picture_in_picture if rng.random() < 0.6 else stacked
        picture = mix(picture, _square(pictures[other], size), rng, _strength(rng))
    chosen = [kind for kind in order if rng.random() < _SHARES[kind] * (0.6 if other >= 0 else 1)]
    for kind in chosen or ([] if other >= 0 else [order[0]]):
        edits = EDITS[kind]
        picture = edits[int(rng.integers(len(edits)))](picture, rng, _strength(rng))
    return np.asarray(picture, dtype=np.uint8), other


def _square(data: bytes, size: int) -> Image.Image:
    picture = open_picture(data)
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return picture


def _strength(rng: np.random.Generator) -> float:
    """Drawn so that weak edits are rarer than strong ones: those are learned anyway."""
    return float(rng.beta(1.6, 1.2))
