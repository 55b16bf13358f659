"""TMK+PDQF as a peer, by its recipe: whole films as sums of frame features against time.

Frame features are PDQ's before they become bits. Their mean compares films whatever the order
(level 1); weighted with cosines and sines of time at several periods they make a feature whose
products with another film's peak at the shift between both (level 2, Poullot et al. 2015). Meta's
programs need its C++ sources, which no package carries, so this is the recipe over `pdqhash`, at
one frame a second where Meta's takes fifteen.
"""

from pathlib import Path

import numpy as np

from eval.copy_peers import Frames1, Overlap, Peer
from eval.copy_peers_hash import imported
from retrieval.engine import Engine
from retrieval.types import FloatArray

__all__ = ["Tmk", "kernel_feature", "kernel_score"]

PERIODS_SECONDS = (182.0, 293.0, 651.0, 977.0)
"""Meta's periods of 2731, 4391, 9767 and 14653 frames at fifteen a second."""
NUM_WAVES = 32
_Kernel = tuple[FloatArray, FloatArray, FloatArray, float]


class Tmk(Peer):
    """TMK+PDQF's two levels; the score is level 2 where level 1 lets a pair pass."""

    threshold = 0.7
    note = "recipe over pdqhash at a frame a second: level 1 from 0.7, then level 2; whole files"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._pdqhash = imported("pdqhash")

    def describe(self, path: Path, frames: Frames1) -> _Kernel | None:
        """Mean, cosine and sine features, and the length; None without pictures."""
        if not frames.images:
            return None
        features = np.array(
            [self._pdqhash.compute_float(np.ascontiguousarray(i))[0] for i in frames.images],
            dtype=np.float32,
        )
        return kernel_feature(features, frames.times.astype(np.float32))

    def compare(self, query: _Kernel | None, ref: _Kernel | None) -> list[Overlap]:
        """Level 1, then level 2."""
        if query is None or ref is None:
            return []
        first = _cosine(query[0], ref[0])
        score = 0.5 * max(0.0, first) if first < 0.7 else kernel_score(query, ref)
        return [Overlap(score, (0.0, query[3]), (0.0, ref[3]))]


def kernel_feature(features: FloatArray, times: FloatArray) -> _Kernel:
    """Sum features against time: (D,) mean, (P, W, D) cosine and sine sums, and the length."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    waves = np.arange(NUM_WAVES)[None, :] / np.asarray(PERIODS_SECONDS)[:, None]
    angles = 2 * np.pi * waves[:, :, None] * times[None, None, :]
    cosines, sines = np.cos(angles) @ unit, np.sin(angles) @ unit
    return (
        np.asarray(unit.mean(axis=0), dtype=np.float32),
        np.asarray(cosines, dtype=np.float32),
        np.asarray(sines, dtype=np.float32),
        float(times[-1]) + 1.0,
    )


def kernel_score(one: _Kernel, other: _Kernel) -> float:
    """The highest correlation over all shifts, averaged over the periods, in [0, 1]."""
    scores = []
    for place, period in enumerate(PERIODS_SECONDS):
        a, b = one[1][place] + 1j * one[2][place], other[1][place] + 1j * other[2][place]
        products = (a * b.conj()).sum(axis=1)
        norm = np.sqrt((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum())
        shifts = np.arange(-period / 2, period / 2, 1.0)
        turns = np.exp(2j * np.pi * np.arange(NUM_WAVES)[:, None] * shifts[None, :] / period)
        scores.append(float(np.real(products @ turns.conj()).max() / max(norm, 1e-9)))
    return float(np.clip(np.mean(scores), 0.0, 1.0))


def _cosine(one: FloatArray, other: FloatArray) -> float:
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norms if norms else 0.0
