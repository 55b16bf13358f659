"""From inner products to evidence: what a similarity says once it is held against a background.

A frame that resembles everything (a dark road, a plain wall) has high inner products with frames
it has nothing to do with. So each frame's similarities are taken relative to its nearest pictures
in a background set that no query copies (score normalisation as in Douze et al. 2021, "The 2021
image similarity dataset and challenge"), and mapped so that 0 is where copies and look-alikes are
as frequent, and 1 is identity.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.types import EncoderId, FloatArray

if TYPE_CHECKING:
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = ["EvidenceScale", "made_pictures", "sharpened"]

NUM_NEAREST = 5
"""Background pictures whose mean similarity is a frame's bias."""
NEUTRAL = 0.12
"""Similarity above the bias, as a share of what is left up to identity, that says nothing."""
FLOOR = -0.35
"""Least evidence of one pair: an overlay may hide a frame or two of a copy."""
PEAK_WIDTH = 0.08
"""Evidence below its row's maximum at which a pair counts as off the peak."""
QUANTILE = 0.999
"""Of the similarities in the background that say nothing: a weak descriptor says little."""
NUM_MADE = 48
_made: dict[EncoderId, FloatArray] = {}
"""Descriptors of the made pictures, by encoder."""


@dataclass(frozen=True, eq=False)
class EvidenceScale:
    """Maps inner products of descriptors to evidence.

    Attributes:
        background: (B, C) float32, unit norm.
        neutral: See `NEUTRAL`.
    """

    background: FloatArray
    neutral: float = NEUTRAL

    @classmethod
    def of(cls, encoder: "CopyEncoder") -> "EvidenceScale":
        """The scale of an encoder; made pictures stand in where it brings no background."""
        background = encoder.background
        if len(background) < NUM_NEAREST:
            background = _made_background(encoder)
        plain = cls(background)
        shares = plain._among_background()
        return cls(background, float(np.clip(np.quantile(shares, QUANTILE), NEUTRAL, 0.8)))

    def bias(self, vectors: FloatArray) -> FloatArray:
        """Mean similarity (N,) of frames (N, C) with their nearest background pictures."""
        if len(vectors) == 0:
            return np.empty(0, dtype=np.float32)
        similarities = vectors @ self.background.T
        count = min(NUM_NEAREST, similarities.shape[1])
        nearest = np.partition(similarities, -count, axis=1)[:, -count:]
        return np.asarray(np.clip(nearest.mean(axis=1), 0.0, 0.98), dtype=np.float32)

    def _among_background(self) -> FloatArray:
        """Shares of the way from bias to identity among unrelated pictures."""
        some = self.background[:1024]
        similarities = some @ some.T
        np.fill_diagonal(similarities, -1.0)
        count = min(NUM_NEAREST, len(some) - 1)
        nearest = np.partition(similarities, -count, axis=1)[:, -count:]
        base = np.clip(nearest.mean(axis=1, keepdims=True), 0.0, 0.98)
        apart = similarities[~np.eye(len(some), dtype=bool)].reshape(len(some), -1)
        return np.asarray((apart - base) / (1.0 - base), dtype=np.float32)

    def evidence(self, similarities: FloatArray, bias: FloatArray) -> FloatArray:
        """Evidence, of the shape of `similarities`, whose rows belong to frames of these biases.

        Args:
            similarities: (Q, …) inner products; -inf for none.
            bias: (Q,) of the query frames.
        """
        base = bias.reshape(-1, *[1] * (similarities.ndim - 1))
        share = (similarities - base) / (1.0 - base)
        scaled = (share - self.neutral) / (1.0 - self.neutral)
        return np.clip(scaled, FLOOR, 1.0).astype(np.float32)


def sharpened(values: FloatArray) -> FloatArray:
    """Evidence (Q, R) of one video, with less of it off each query frame's own peak.

    In a quiet scene every moment resembles every other, and the sum along a path hardly tells
    paths apart; most of what a pair says is therefore how near it is to its row's maximum.
    """
    if values.size == 0:
        return values
    peaks = values.max(axis=1, keepdims=True)
    nearness = np.exp((values - peaks) / PEAK_WIDTH)
    return np.where(values > 0, values * (0.3 + 0.7 * nearness), values).astype(np.float32)


def _made_background(encoder: "CopyEncoder") -> FloatArray:
    if encoder.id not in _made:
        _made[encoder.id] = encoder.encode_pictures(made_pictures())
    return _made[encoder.id]


def made_pictures() -> NDArray[np.uint8]:
    """Pictures (N, 96, 160, 3) uint8 drawn from a seed: gradients, blobs and stripes."""
    rng = np.random.default_rng(20_100_412)
    y, x = np.mgrid[0:96, 0:160].astype(np.float32) / 96.0
    pictures = []
    for _ in range(NUM_MADE):
        light = rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y
        for _ in range(int(rng.integers(2, 7))):
            centre, width = rng.uniform(0, 1.6, 2), rng.uniform(0.05, 0.5)
            blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2)
            light = light + rng.uniform(-2, 2) * blob
        light = light + rng.uniform(0, 0.5) * np.sin(rng.uniform(4, 30) * (x + rng.uniform() * y))
        levels = (light - light.min()) / max(float(np.ptp(light)), 1e-6)
        low, high = rng.uniform(0, 110, 3), rng.uniform(130, 255, 3)
        pictures.append(low + levels[:, :, None] * (high - low))
    return np.asarray(pictures).astype(np.uint8)
