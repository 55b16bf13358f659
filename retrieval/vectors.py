"""Embeddings of a library with their derived vector indexes, kept in step with the catalog.

The catalog is the truth. An index file carries the generation it was made from: that of now is
used as it is, an earlier state of the same library is brought up to date, anything else (damaged,
of another library or backend) is made again. Several threads and processes may do this at once:
files are replaced as a whole, and each stands for a state that was true.
"""

import logging
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index import (
    IndexDamagedError,
    IndexStaleError,
    VectorIndex,
    create_index,
    load_index,
    peek_generation,
)
from retrieval.catalog import Catalog
from retrieval.errors import CatalogBusyError, InvalidInputError
from retrieval.types import EncoderId, FloatArray

__all__ = ["FrameHits", "FrameVectors", "IndexState", "ShotVectors"]

logger = logging.getLogger(__name__)

Ids = NDArray[np.int64]
IndexState = Literal["empty", "missing", "stale", "current"]
MAX_TRIES = 5


class DerivedIndex(ABC):
    """A vector index over one kind of embedding, made from the catalog when it is needed.

    Args:
        catalog: The library.
        encoder: Whose embeddings.
        backend: Name of the index backend.
    """

    file_name: str

    def __init__(self, catalog: Catalog, encoder: EncoderId, *, backend: str) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._backend = backend
        self._index: VectorIndex | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the index file lies; named by encoder, so that two never share one."""
        name = f"{self.file_name}-{self._encoder.hash[:12]}-{self._backend}.index"
        return self._catalog.library / "index" / name

    def refresh(self) -> VectorIndex:
        """Return the index of the present generation.

        Raises:
            EncoderMismatchError: The library was made with another encoder.
            InvalidInputError: There is no such backend.
        """
        index = self._index
        if index is not None and index.generation == self._catalog.generation():
            return index
        with self._lock:
            return self._brought_up_to_date()

    def state(self) -> IndexState:
        """Whether the index, in memory or else in its file, is that of the present generation."""
        loaded = self._index
        generation = peek_generation(self.path) if loaded is None else loaded.generation
        if generation is None:
            return "missing"
        return "current" if generation == self._catalog.generation() else "stale"

    @abstractmethod
    def _update(self, index: VectorIndex | None) -> VectorIndex:
        """Make the index hold what the catalog holds; from nothing where `index` is None."""

    def _brought_up_to_date(self) -> VectorIndex:
        """Read until nothing was committed meanwhile; a busy writer may win a few times.

        What was read last then counts: every video in it is whole, it is only a moment old.
        """
        index = self._index or self._load()
        generation = self._catalog.generation()
        for _ in range(MAX_TRIES):
            if index is not None and index.generation == generation:
                break
            read_from = generation
            index = self._update(self._usable(index))
            index.generation = read_from  # no longer what it was; perhaps already a little more
            generation = self._catalog.generation()
            if read_from == generation:
                self._save(index, generation)
        if index is None:
            raise AssertionError("the loop above runs at least once")
        self._index = index
        return index

    def _usable(self, index: VectorIndex | None) -> VectorIndex | None:
        """The index where its ids still mean the same in this library, else None."""
        if index is None or index.generation is None:
            return None
        return index if self._catalog.was_at(index.generation) else None

    def _load(self) -> VectorIndex | None:
        try:
            index = load_index(self._backend, self.path, generation=None)
        except FileNotFoundError:
            return None
        except (IndexDamagedError, IndexStaleError, OSError) as exc:
            logger.warning("making the vector index again: %s", exc)
            return None
        except ValueError as exc:
            raise InvalidInputError(str(exc)) from exc
        return index if index.dim == self._encoder.dim else None

    def _create(self, ids: Ids, vectors: FloatArray) -> VectorIndex:
        try:
            index = create_index(self._backend, self._encoder.dim)
        except ValueError as exc:
            raise InvalidInputError(str(exc)) from exc
        index.add(ids, vectors)
        return index

    def _save(self, index: VectorIndex, generation: str) -> None:
        """Keep the index for the next process; a library that cannot be written still searches."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            index.save(self.path, generation=generation)
        except OSError as exc:
            logger.warning("the vector index is not kept for the next start: %s", exc)


class ShotVectors(DerivedIndex):
    """The shots' embeddings: ids are shot ids, which a library never uses twice."""

    file_name = "shots"

    def search(
        self, queries: FloatArray, k: int, *, video_id: str | None = None
    ) -> tuple[FloatArray, Ids]:
        """Find the shots with the highest cosine, among all or those of one video.

        Args:
            queries: (Q, D) float32, unit norm.
            k: How many for each query.
            video_id: Look only here; the filter holds inside the search, so k are found where the
                video has as many.

        Returns:
            Scores (Q, k) float32 and shot ids (Q, k), best first; -inf and -1 where there are
            fewer.
        """
        index = self.refresh()
        if video_id is None:
            return index.search(queries, k)
        allowed = [shot.shot_id for shot in self._catalog.shots(video_id)]
        return index.search(queries, k, allowed=np.asarray(allowed, dtype=np.int64))

    def _update(self, index: VectorIndex | None) -> VectorIndex:
        ids, vectors = self._catalog.shot_vectors(self._encoder)
        if index is None:
            return self._create(ids, vectors)
        before = index.ids()
        index.remove(np.setdiff1d(before, ids, assume_unique=True))
        is_new = ~np.isin(ids, before, assume_unique=True)
        index.add(ids[is_new], vectors[is_new])
        if index.rebuild_reason is not None:
            logger.info("making the shot index again: %s", index.rebuild_reason)
            return self._create(ids, vectors)
        return index


@dataclass(frozen=True)
class FrameHits:
    """Reference frames nearest to Q query frames, K each.

    Attributes:
        scores: (Q, K) float32 cosines, -inf where there are fewer.
        videos: (Q, K) int64 places in `video_ids`, -1 where there are fewer.
        times: (Q, K) float64 seconds.
        video_ids: The videos.
    """

    scores: FloatArray
    videos: Ids
    times: NDArray[np.float64]
    video_ids: tuple[str, ...]


@dataclass(frozen=True)
class _FrameTable:
    generation: str
    video_ids: tuple[str, ...]
    ends: Ids
    """(V,) place after the last frame of each video."""
    times: NDArray[np.float64]


class FrameVectors(DerivedIndex):
    """The frames' embeddings, for copy matching: ids are places in the catalog's frame list.

    Such ids change with the library, so a new generation makes the index again: a second for a
    hundred films, and only when something is matched.
    """

    file_name = "frames"
    _table: _FrameTable | None = None

    def search(self, queries: FloatArray, k: int, *, video_id: str | None = None) -> FrameHits:
        """Find the reference frames with the highest cosine, in all videos or one.

        Args:
            queries: (Q, D) float32, unit norm.
            k: How many for each query.
            video_id: Look only here.
        """
        index, table = self._consistent()
        allowed = None if video_id is None else self._frames_of(table, video_id)
        scores, ids = index.search(queries, k, allowed=allowed)
        if len(table.times) == 0:
            return FrameHits(scores, ids, np.zeros(ids.shape), ())
        videos = np.where(ids < 0, -1, np.searchsorted(table.ends, ids, side="right"))
        return FrameHits(scores, videos, table.times[np.maximum(ids, 0)], table.video_ids)

    def _consistent(self) -> tuple[VectorIndex, _FrameTable]:
        """The index and the list of its frames, both of one generation.

        Raises:
            CatalogBusyError: The library changes all the time.
        """
        for _ in range(MAX_TRIES):
            index = self.refresh()
            table = self._table
            if table is None or table.generation != index.generation:
                video_ids, counts, times, _ = self._catalog.all_frame_vectors(self._encoder)
                generation = self._catalog.generation()
                table = _FrameTable(generation, tuple(video_ids), np.cumsum(counts), times)
            if table.generation == index.generation and len(table.times) == len(index):
                self._table = table
                return index, table
        raise CatalogBusyError("the library is being changed all the time; match again later")

    def _frames_of(self, table: _FrameTable, video_id: str) -> Ids:
        if video_id not in table.video_ids:
            return np.empty(0, dtype=np.int64)
        place = table.video_ids.index(video_id)
        start = int(table.ends[place - 1]) if place else 0
        return np.arange(start, int(table.ends[place]), dtype=np.int64)

    def _update(self, index: VectorIndex | None) -> VectorIndex:
        _, _, _, vectors = self._catalog.all_frame_vectors(self._encoder)
        return self._create(np.arange(len(vectors), dtype=np.int64), vectors)
