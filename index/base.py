"""The interface of every vector index: inner product over unit-norm rows with int64 ids.

A backend stores rows in slots (0, 1, 2 …) and answers with slots; this class checks what comes in,
keeps the id of each slot, and makes the whole safe to use from several threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.locks import ReadWriteLock
from index.storage import (
    IndexDamagedError,
    IndexHeader,
    IndexStaleError,
    Section,
    Settings,
    StreamedSection,
    read_index,
    write_index,
)

__all__ = ["FloatArray", "Ids", "VectorIndex"]

FloatArray = NDArray[np.float32]
Ids = NDArray[np.int64]

_FREE = -1  # the id of a slot whose row was removed, and of a place that no neighbour fills
_NORM_TOLERANCE = 1e-2


class VectorIndex(ABC):
    """Nearest neighbours by inner product.

    Args:
        dim: Width of the vectors.
        is_compact: Whether less memory is worth a little of the scores' exactness, where the
            backend has a choice.
    """

    backend: ClassVar[str]
    """The name in the registry, also written to files."""

    def __init__(self, dim: int, *, is_compact: bool = False) -> None:
        if dim < 1:
            raise ValueError(f"got {dim = }, expected at least 1")
        self.dim = dim
        self.is_compact = is_compact
        self.generation: str | None = None
        """The state given to `save`, or found by `load`."""
        self._slot_ids: Ids = np.empty(0, np.int64)
        self._lock = ReadWriteLock()

    # What a backend implements; rows are in slots, calls come one writer or many readers at a time

    @abstractmethod
    def _append(self, vectors: FloatArray) -> None:
        """Store rows in the next slots."""

    @abstractmethod
    def _drop(self, is_dropped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Remove the rows of some slots; return which slots are left (False closes the gap)."""

    @abstractmethod
    def _nearest(
        self, queries: FloatArray, k: int, slots: Ids | None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Return scores and slots (Q, k), best first, missing ones with slot -1.

        `k` is at most the number of rows; `slots` limits the answer to those, when given.
        """

    @abstractmethod
    def _sections(self) -> tuple[Settings, list[Section | StreamedSection]]:
        """Return what `_restore` needs beside the ids of the slots."""

    @abstractmethod
    def _restore(self, settings: Settings, sections: Sequence[Section]) -> None:
        """Take over what `_sections` returned, as bytes; any error where it does not fit.

        The bytes lie in a file and cannot be changed; keep them for as long as they are used.
        """

    def _prepare(self, sample: FloatArray, total: int) -> None:  # noqa: B027 - optional
        """Learn from a sample what fits the vectors to come; nothing by default."""

    @property
    def rebuild_reason(self) -> str | None:
        """Why a new index, filled with all vectors in one `add`, would do better; None if not."""
        return None

    def num_training(self, total: int) -> int:
        """How many vectors `train` wants to see before `total` are added; 0 = none."""
        return 0

    # What callers use

    def __len__(self) -> int:
        return int(np.count_nonzero(self._slot_ids != _FREE))

    def ids(self) -> Ids:
        """Return the ids of all vectors, ascending."""
        with self._lock.reading():
            return np.sort(self._slot_ids[self._slot_ids != _FREE])

    def train(self, sample: ArrayLike, *, total: int) -> None:
        """Prepare an empty index for many vectors that come in several calls of `add`.

        Without it, a backend decides by the first call alone.

        Args:
            sample: (N, D) float32, drawn from the vectors to come; about `num_training(total)`.
            total: How many vectors will come.

        Raises:
            ValueError: The index is not empty or the sample does not fit.
        """
        if len(self._slot_ids):
            raise ValueError(f"got an index of {len(self)} vectors to train, expected an empty one")
        rows = _checked_rows(sample, self.dim, name="sample")
        with self._lock.writing():
            self._prepare(rows, total)

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> None:
        """Add vectors under new ids; all or, on an error, none.

        Args:
            ids: (N,) integers >= 0, each one new.
            vectors: (N, D) float32, finite, unit norm.

        Raises:
            ValueError: An id is already there or the arrays do not fit.
        """
        new_ids = _checked_ids(ids)
        rows = _checked_rows(vectors, self.dim, name="vectors")
        if len(new_ids) != len(rows):
            raise ValueError(f"got {len(new_ids)} ids for {len(rows)} vectors")
        norms = np.linalg.norm(rows, axis=1)
        if not np.all(np.abs(norms - 1.0) < _NORM_TOLERANCE):
            raise ValueError("got vectors that are not of unit norm; divide each by its norm")
        if len(np.unique(new_ids)) != len(new_ids):
            raise ValueError("got an id twice")
        with self._lock.writing():
            known = new_ids[np.isin(new_ids, self._slot_ids)]
            if len(known):
                raise ValueError(f"got ids that are already in: {known[:5].tolist()}; remove first")
            if len(rows):
                self._append(rows)
                self._slot_ids = np.concatenate([self._slot_ids, new_ids])

    def remove(self, ids: ArrayLike) -> int:
        """Remove the vectors of some ids, ignoring ids that are not there; return how many went."""
        given = _checked_ids(ids)
        with self._lock.writing():
            is_dropped = np.isin(self._slot_ids, given) & (self._slot_ids != _FREE)
            num_dropped = int(np.count_nonzero(is_dropped))
            if num_dropped:
                is_left = self._drop(is_dropped)
                self._slot_ids[is_dropped] = _FREE
                self._slot_ids = self._slot_ids[is_left]
        return num_dropped

    def search(
        self, queries: ArrayLike, k: int, *, allowed: ArrayLike | None = None
    ) -> tuple[FloatArray, Ids]:
        """Find the k vectors with the highest inner product for each query.

        Args:
            queries: (Q, D) float32, finite.
            k: How many; may exceed the number of vectors.
            allowed: (M,) ids that may be answered; None = all.

        Returns:
            Scores (Q, k) float32 and ids (Q, k) int64, best first; where there are fewer than k
            vectors, -inf and -1.

        Raises:
            ValueError: `k` is below 1 or the queries do not fit.
        """
        if k < 1:
            raise ValueError(f"got {k = }, expected at least 1")
        rows = _checked_rows(queries, self.dim, name="queries")
        with self._lock.reading():
            slots = None if allowed is None else self._slots_of(_checked_ids(allowed))
            num_found = min(k, len(self) if slots is None else len(slots))
            scores = np.full((len(rows), k), -np.inf, np.float32)
            ids = np.full((len(rows), k), _FREE, np.int64)
            if num_found and len(rows):
                best, found = self._nearest(rows, num_found, slots)
                is_missing = found < 0
                scores[:, :num_found] = np.where(is_missing, -np.inf, best)
                ids[:, :num_found] = np.where(is_missing, _FREE, self._slot_ids[found])
        return scores, ids

    def save(self, path: Path, *, generation: str) -> None:
        """Write the index to a file, atomically, marked with the state it was made from.

        Raises:
            OSError: The directory does not exist, is not writable or is full.
        """
        with self._lock.reading():
            settings, sections = self._sections()
            header = IndexHeader(self.backend, self.dim, len(self), generation, settings)
            write_index(path, header, [self._slot_ids, *sections])
            self.generation = generation

    @classmethod
    def load(cls, path: Path, *, generation: str | None) -> Self:
        """Read an index from a file.

        Args:
            path: What `save` wrote.
            generation: The state that it must have been made from; None = any, for a caller that
                looks at `generation` and brings the index up to date by itself.

        Raises:
            IndexStaleError: Made from another state, by another backend or format.
            IndexDamagedError: Truncated, altered or no index file.
            OSError: The file does not exist or cannot be read.
        """
        header, sections = read_index(path)
        if header.backend != cls.backend:
            raise IndexStaleError(
                f"got {path} of backend {header.backend!r}, expected {cls.backend!r}; rebuild it"
            )
        if generation is not None and header.generation != generation:
            raise IndexStaleError(
                f"got {path} of state {header.generation!r}, expected {generation!r}; rebuild it"
            )
        try:
            loaded = cls(header.dim)
            loaded._slot_ids = sections[0].view(np.int64).copy()
            loaded._restore(header.settings, sections[1:])
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise IndexDamagedError(f"got {path}, whose parts do not fit; rebuild it") from error
        if len(loaded) != header.count:
            raise IndexDamagedError(f"got {path} with a wrong count; rebuild it")
        loaded.generation = header.generation
        return loaded

    def _slots_of(self, ids: Ids) -> Ids:
        return np.flatnonzero(np.isin(self._slot_ids, ids) & (self._slot_ids != _FREE))


def _checked_ids(ids: ArrayLike) -> Ids:
    given = np.asarray(ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(f"got ids of {given.shape = } {given.dtype}, expected (N,) integers")
    checked = given.astype(np.int64)
    if given.size and (checked.min() < 0 or not np.array_equal(checked, given)):
        raise ValueError("got ids below 0 or above 2^63 - 1")
    return checked


def _checked_rows(vectors: ArrayLike, dim: int, *, name: str) -> FloatArray:
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ValueError(f"got {name} of shape {rows.shape}, expected (N, {dim})")
    if not np.isfinite(rows).all():
        raise ValueError(f"got {name} that are not finite")
    return rows
