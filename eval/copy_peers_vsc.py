"""The vsc2022 recipe as a peer, over the same copy encoder as Sceneprint's.

A descriptor a second; a query's score is lowered by its mean likeness to a background set (Pizzi
et al. 2023); neighbours among all reference frames; on each pair of films, the heaviest path
through the network of frame pairs (Tan et al. 2009) is a segment, scored by its best pair. No
local views, no decoding around the bounds, no sound.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.copy_peers import STEP_SECONDS, Frames1, Overlap, Peer
from retrieval.types import FloatArray

__all__ = ["Vsc2022", "network_paths"]

NUM_BACKGROUND = 10
"""Nearest background descriptors whose mean is taken away."""
TOP_PER_FRAME = 5
MIN_SIMILARITY = 0.15
"""Least normalised similarity of a pair in the network."""
MAX_STEP = 3
"""Longest step between two pairs of a path, in frames of either film."""
MIN_PAIRS = 3
MAX_PATHS = 3


class _Described:
    def __init__(self, times: NDArray[np.float64], vectors: FloatArray, bias: FloatArray) -> None:
        self.times, self.vectors, self.bias = times, vectors, bias


class Vsc2022(Peer):
    """The challenge's baseline over our copy encoder."""

    threshold = 0.58
    note = "recipe over the same copy encoder: a frame a second, normalised, temporal network"

    def describe(self, path: Path, frames: Frames1) -> _Described:
        """Descriptors, and what is taken from a query's similarities."""
        encoder = self.engine.copy_encoder
        vectors = encoder.encode_pictures(list(frames.images))
        background = encoder.background
        bias = np.zeros(len(vectors), dtype=np.float32)
        if len(background) and len(vectors):
            count = min(NUM_BACKGROUND, len(background))
            near = np.partition(vectors @ background.T, -count, axis=1)[:, -count:]
            bias = np.asarray(near.mean(axis=1), dtype=np.float32)
        return _Described(frames.times, vectors, bias)

    def compare(self, query: _Described, ref: _Described) -> list[Overlap]:
        """Segments along the heaviest paths."""
        if not (len(query.times) and len(ref.times)):
            return []
        similarity = query.vectors @ ref.vectors.T - query.bias[:, None]
        overlaps = []
        for rows, columns, score in network_paths(similarity):
            q = query.times[[rows[0], rows[-1]]].tolist()
            r = ref.times[[columns[0], columns[-1]]].tolist()
            speed = (r[1] - r[0]) / (q[1] - q[0]) if q[1] > q[0] and r[1] > r[0] else None
            spans = (q[0], q[1] + STEP_SECONDS), (r[0], r[1] + STEP_SECONDS)
            overlaps.append(Overlap(score, *spans, speed=speed))
        return overlaps


def network_paths(similarity: FloatArray) -> list[tuple[list[int], list[int], float]]:
    """The heaviest forward paths through the best pairs of each query frame.

    Args:
        similarity: (Q, R) normalised similarities.

    Returns:
        Rows and columns of each path and its best similarity, heaviest first; the paths share no
        query frame.
    """
    rows, columns = _nodes(similarity)
    paths: list[tuple[list[int], list[int], float]] = []
    alive = np.ones(len(rows), dtype=bool)
    while len(paths) < MAX_PATHS and alive.sum() >= MIN_PAIRS:
        path = _heaviest(rows, columns, similarity[rows, columns], alive)
        if len(path) < MIN_PAIRS:
            break
        used = rows[path]
        best = float(similarity[used, columns[path]].max())
        paths.append((used.tolist(), columns[path].tolist(), best))
        alive &= (rows < used[0]) | (rows > used[-1])
    return paths


def _nodes(similarity: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs in order of the query: of each frame the best few that are alike enough."""
    count = min(TOP_PER_FRAME, similarity.shape[1])
    best = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(similarity)), count)
    columns = best.ravel().astype(np.int64)
    is_kept = similarity[rows, columns] >= MIN_SIMILARITY
    return rows[is_kept], columns[is_kept]


def _heaviest(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: FloatArray,
    alive: NDArray[np.bool_],
) -> list[int]:
    """Indices of the nodes of the heaviest path; both films only go forward."""
    total = np.where(alive, weights, -np.inf).astype(np.float64)
    before = np.full(len(rows), -1)
    for node in np.flatnonzero(alive).tolist():
        low = int(np.searchsorted(rows, rows[node] - MAX_STEP))
        high = int(np.searchsorted(rows, rows[node]))
        step = columns[node] - columns[low:high]
        fits = np.flatnonzero(alive[low:high] & (step >= 1) & (step <= MAX_STEP)) + low
        if len(fits):
            best = int(fits[np.argmax(total[fits])])
            if total[best] > 0:
                total[node] += total[best]
                before[node] = best
    path = [int(np.argmax(total))] if np.isfinite(total).any() else []
    while path and before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]
