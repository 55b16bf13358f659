"""Embeddings of a library with their derived vector indexes, kept in step with the catalog.

The catalog is the truth. An index file carries the generation it was made from: that of now is
used as it is, an earlier state of the same library is brought up to date, anything else (damaged,
of another library or backend) is made again. Several threads and processes may do this at once:
files are replaced as a whole, and each stands for a state that was true.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
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
from retrieval.catalog_frames import FrameRow, FrameTimes
from retrieval.errors import EncoderMismatchError, InvalidInputError
from retrieval.types import EncoderId, FloatArray

__all__ = ["FrameHits", "FrameVectors", "IndexState", "ShotVectors", "SoundVectors"]

logger = logging.getLogger(__name__)

Ids = NDArray[np.int64]
IndexState = Literal["empty", "missing", "stale", "current"]
MAX_TRIES = 5
_ADD_FRAMES = 1 << 16
_SEED = 1234


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
    """The shots' embeddings: ids are shot ids, which a library never uses twice.

    Those of an encoder that is no longer in use are read as long as the library keeps them; when
    they are pruned, what is in memory serves the searches that began before.
    """

    file_name = "shots"
    _outlives_its_set = True

    def refresh(self) -> VectorIndex:
        """As in the base class; the last one where the vectors were pruned meanwhile."""
        try:
            return super().refresh()
        except EncoderMismatchError:
            if self._index is None or not self._outlives_its_set:
                raise
            return self._index

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
        ids, vectors = self._stored()
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

    def _stored(self) -> tuple[Ids, FloatArray]:
        """Ids (N,) and embeddings (N, D) in the catalog."""
        return self._catalog.set_vectors(self._encoder)


class SoundVectors(ShotVectors):
    """The embeddings of the shots' sound, under the shots' ids; silent shots are not among them."""

    file_name = "shot-sounds"
    _outlives_its_set = False

    def _stored(self) -> tuple[Ids, FloatArray]:
        sounds = self._catalog.shot_sounds(self._encoder)
        return sounds.shot_ids[sounds.has_sound], sounds.vectors[sounds.has_sound]


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


class FrameVectors(DerivedIndex):
    """The copy descriptors of frames: ids are frame ids, which a library never uses twice.

    They are many (3.6 million in 1,000 hours), so they are never all in memory as float32: the
    index is trained on a sample and filled block by block.
    """

    file_name = "copies"
    _times: tuple[str, FrameTimes] | None = None
    """The frames' times, with the generation they are of."""

    def search(self, queries: FloatArray, k: int, *, video_id: str | None = None) -> FrameHits:
        """Find the reference frames with the highest cosine, in all videos or one.

        Args:
            queries: (Q, C) float32, unit norm.
            k: How many for each query.
            video_id: Look only here.
        """
        index, table = self.refresh(), self._frame_times()
        allowed = None if video_id is None else _frames_of(table, video_id)
        scores, ids = index.search(queries, k, allowed=allowed)
        if len(table.times) == 0:
            return FrameHits(scores, np.full_like(ids, -1), np.zeros(ids.shape), ())
        videos = np.searchsorted(table.first_ids, ids, side="right") - 1
        places = table.starts[videos] + ids - table.first_ids[videos]
        is_known = (ids >= 0) & (videos >= 0) & (places < table.starts[videos + 1])
        scores = np.where(is_known, scores, np.float32(-np.inf))  # of a video that went meanwhile
        times = table.times[np.where(is_known, places, 0)]
        return FrameHits(scores, np.where(is_known, videos, -1), times, table.video_ids)

    def _frame_times(self) -> FrameTimes:
        generation = self._catalog.generation()
        known = self._times
        if known is not None and known[0] == generation:
            return known[1]
        table = self._catalog.frame_times(self._encoder)
        self._times = generation, table  # perhaps already a little more: then read once more
        return table

    def _update(self, index: VectorIndex | None) -> VectorIndex:
        rows = self._catalog.frame_rows(self._encoder)
        if index is None:
            return self._filled(rows)
        before = index.ids()
        firsts = np.array([row.first_frame_id for row in rows], dtype=np.int64)
        ends = firsts + np.array([row.num_frames for row in rows], dtype=np.int64)
        videos = np.searchsorted(firsts, before, side="right") - 1
        is_left = (videos >= 0) & (before < np.append(ends, 0)[videos])
        index.remove(before[~is_left])
        is_there = np.isin(firsts, before)
        self._add(index, [row for row, known in zip(rows, is_there, strict=True) if not known])
        if index.rebuild_reason is not None:
            logger.info("making the frame index again: %s", index.rebuild_reason)
            return self._filled(rows)
        return index

    def _filled(self, rows: Sequence[FrameRow]) -> VectorIndex:
        """A new index over the frames of these videos."""
        try:
            index = create_index(self._backend, self._encoder.dim, is_compact=True)
        except ValueError as exc:
            raise InvalidInputError(str(exc)) from exc
        total = sum(row.num_frames for row in rows)
        wanted = index.num_training(total)
        if wanted:
            index.train(self._sample(rows, share=wanted / total), total=total)
        self._add(index, rows)
        return index

    def _sample(self, rows: Sequence[FrameRow], *, share: float) -> FloatArray:
        """About this share of all frames, (N, C) float32, from every video alike."""
        rng = np.random.default_rng(_SEED)
        parts = [np.empty((0, self._encoder.dim), dtype=np.float32)]
        for row in rows:
            vectors = self._catalog.frames(self._encoder, row.video_id).vectors
            parts.append(vectors[rng.random(len(vectors)) < share])
        return np.concatenate(parts)

    def _add(self, index: VectorIndex, rows: Sequence[FrameRow]) -> None:
        """Add the frames of some videos, read one by one and added in blocks."""
        ids: list[Ids] = []
        vectors: list[FloatArray] = []
        for number, row in enumerate(rows, start=1):
            stored = self._catalog.frames(self._encoder, row.video_id)
            if stored.first_frame_id == row.first_frame_id:  # else it was replaced meanwhile
                ids.append(row.first_frame_id + np.arange(len(stored.times), dtype=np.int64))
                vectors.append(stored.vectors)
            if ids and (sum(map(len, ids)) >= _ADD_FRAMES or number == len(rows)):
                index.add(np.concatenate(ids), np.concatenate(vectors))
                ids, vectors = [], []


def _frames_of(table: FrameTimes, video_id: str) -> Ids:
    """The ids of one video's frames."""
    if video_id not in table.video_ids:
        return np.empty(0, dtype=np.int64)
    place = table.video_ids.index(video_id)
    first, num_frames = table.first_ids[place], table.starts[place + 1] - table.starts[place]
    return np.arange(first, first + num_frames, dtype=np.int64)
