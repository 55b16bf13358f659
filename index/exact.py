"""Exact search with numpy alone: the oracle that every other backend is held to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.base import FloatArray, Ids, VectorIndex
from index.storage import Section, Settings, StreamedSection

__all__ = ["ExactIndex"]

_MAX_SCORES = 1 << 24  # per block of queries: 64 MiB


class ExactIndex(VectorIndex):
    """All inner products, then the best; equal scores come in the order of adding."""

    backend = "exact"

    def __init__(self, dim: int, *, is_compact: bool = False) -> None:
        super().__init__(dim, is_compact=is_compact)
        self._buffer: FloatArray = np.empty((0, dim), np.float32)
        self._num_rows = 0

    def _append(self, vectors: FloatArray) -> None:
        needed = self._num_rows + len(vectors)
        if needed > len(self._buffer):
            grown = np.empty((max(needed, 2 * len(self._buffer)), self.dim), np.float32)
            grown[: self._num_rows] = self._buffer[: self._num_rows]
            self._buffer = grown
        self._buffer[self._num_rows : needed] = vectors
        self._num_rows = needed

    def _drop(self, is_dropped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        self._buffer = self._buffer[: self._num_rows][~is_dropped]
        self._num_rows = len(self._buffer)
        return ~is_dropped

    def _nearest(
        self, queries: FloatArray, k: int, slots: Ids | None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        rows = self._buffer[: self._num_rows]
        if slots is not None:
            rows = rows[slots]
        block = max(1, _MAX_SCORES // len(rows))
        parts = [
            _best(queries[start : start + block] @ rows.T, k)
            for start in range(0, len(queries), block)
        ]
        scores = np.concatenate([part[0] for part in parts])
        found = np.concatenate([part[1] for part in parts])
        return scores, found if slots is None else slots[found]

    def _sections(self) -> tuple[Settings, list[Section | StreamedSection]]:
        return {}, [self._buffer[: self._num_rows]]

    def _restore(self, settings: Settings, sections: Sequence[Section]) -> None:
        (vectors,) = sections
        self._num_rows = len(self._slot_ids)
        self._buffer = vectors.view(np.float32).reshape(self._num_rows, self.dim).copy()


def _best(scores: FloatArray, k: int) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the k highest of each row, best first, and their columns."""
    num_columns = scores.shape[1]
    if k < num_columns:
        columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        columns.sort(axis=1)
    else:
        columns = np.broadcast_to(np.arange(num_columns), scores.shape)
    chosen = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(columns, order, axis=1)
