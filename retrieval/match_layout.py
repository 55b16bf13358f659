"""What a frame looks like, as a small layout of edges: the second, stricter eye of copy matching.

Embeddings say that two frames show the same kind of thing; a copy shows the same picture. The
layout of a frame is its 24 x 14 grid of light, differentiated along both axes and scaled to unit
norm: brightness and contrast fall out, and the inner product of two layouts is their normalised
correlation. On unrelated real films it stays below about 0.45 at the best of all moments, on
copies it is above 0.65 after re-encoding or a crop of a tenth.

A suspect is often a crop of the original, so reference frames are described in several windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.types import FloatArray

__all__ = ["COARSE_WINDOWS", "FULL", "Window", "describe", "describe_windows", "nearby_windows"]

GRID_WIDTH, GRID_HEIGHT = 24, 14
HALF = (GRID_WIDTH - 1) * (GRID_HEIGHT - 1)
MIN_CONTRAST = 25.0
"""Norm of the differentiated grid below which a frame is flat (black, white, fog): it would match
any other flat frame, so its layout is zero and speaks neither for nor against a match."""


@dataclass(frozen=True)
class Window:
    """A part of the frame that keeps its aspect: scale and place of its corner, all in [0, 1]."""

    scale: float
    x: float
    y: float
    """Place of the corner, 0 = left or top edge, 1 = as far right or down as it fits."""

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels."""
        left = self.x * (1.0 - self.scale) * width
        top = self.y * (1.0 - self.scale) * height
        return left, top, left + self.scale * width, top + self.scale * height


FULL = Window(1.0, 0.0, 0.0)
COARSE_WINDOWS = (
    FULL,
    *(Window(scale, x, y) for scale in (0.9, 0.8) for x in (0, 0.5, 1) for y in (0, 0.5, 1)),
)


def nearby_windows(window: Window) -> tuple[Window, ...]:
    """Windows between the coarse ones around `window`, to sharpen a first choice."""
    scales = {round(window.scale + step, 3) for step in (-0.05, 0.0, 0.05)}
    xs = {min(1.0, max(0.0, window.x + step)) for step in (-0.25, 0.0, 0.25)}
    ys = {min(1.0, max(0.0, window.y + step)) for step in (-0.25, 0.0, 0.25)}
    kept = sorted(scale for scale in scales if 0.7 <= scale < 1.0)
    return (
        window,
        *(Window(scale, x, y) for scale in kept for x in sorted(xs) for y in sorted(ys)),
    )


def describe(images: Sequence[NDArray[np.uint8]], window: Window = FULL) -> FloatArray:
    """Layouts of frames.

    Args:
        images: N frames, (H, W, 3) RGB or (H, W) light, uint8, of any sizes.
        window: Part of each frame to describe.

    Returns:
        (N, L) float32; unit norm, or all zero for a flat frame.
    """
    grids = np.empty((len(images), GRID_HEIGHT, GRID_WIDTH), dtype=np.float32)
    for grid, image in zip(grids, images, strict=True):
        picture = Image.fromarray(image)
        light = picture if picture.mode == "L" else picture.convert("L")
        box = window.box(light.width, light.height)
        small = light.resize((GRID_WIDTH, GRID_HEIGHT), Image.Resampling.BOX, box=box)
        grid[:] = np.asarray(small)
    across = np.diff(grids, axis=2)[:, :-1].reshape(len(images), HALF)
    down = np.diff(grids, axis=1)[:, :, :-1].reshape(len(images), HALF)
    layouts = np.concatenate([across, down], axis=1)
    norms = np.linalg.norm(layouts, axis=1, keepdims=True)
    return np.where(norms < MIN_CONTRAST, 0.0, layouts / np.maximum(norms, 1e-6)).astype(np.float32)


def describe_windows(
    images: Sequence[NDArray[np.uint8]], windows: Sequence[Window]
) -> NDArray[np.float32]:
    """Layouts of N frames in V windows: (V, N, L) float32."""
    return np.stack([describe(images, window) for window in windows])
