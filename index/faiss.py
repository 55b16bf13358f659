"""The FAISS backend: exact while small, inverted lists with refinement when large.

Up to FLAT_BELOW vectors all of them are compared (a few milliseconds a query); an empty index that
is given more at once trains inverted lists (see index.faiss_ivf). Adding and removing never
trains: when the index outgrows its form, `rebuild_reason` says so and the owner of the vectors
fills a new one. The large form keeps half precision: its scores are within 0.0005 of exact. A
compact one keeps a byte a component, which is half the memory: its scores are within 0.01.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.base import FloatArray, Ids, VectorIndex
from index.faiss_ivf import IvfSettings, RefinedIvf, num_training, padded_width
from index.storage import Section, Settings, StreamedSection

__all__ = ["FaissIndex"]

FLAT_BELOW = 50_000
_MAX_GROWTH = 4.0
_MAX_DEAD_SHARE = 0.3
_MAX_IMBALANCE_GROWTH = 2.0


class FaissIndex(VectorIndex):
    """Inner product search by FAISS.

    Args:
        dim: Width of the vectors.
        is_compact: Whether the large form keeps bytes instead of half precision.
        flat_below: Number of vectors from which on inverted lists are trained.
    """

    backend = "faiss"

    def __init__(
        self, dim: int, *, is_compact: bool = False, flat_below: int | None = None
    ) -> None:
        super().__init__(dim, is_compact=is_compact)
        self._flat_below = FLAT_BELOW if flat_below is None else flat_below
        self._flat: Any = faiss.IndexFlatIP(dim)
        self._ivf: RefinedIvf | None = None

    @property
    def is_exact(self) -> bool:
        """Whether all vectors are compared, with exact scores."""
        return self._ivf is None

    @property
    def ivf_settings(self) -> IvfSettings | None:
        """How the inverted lists are searched; None while there are none."""
        return None if self._ivf is None else self._ivf.settings

    @property
    def rebuild_reason(self) -> str | None:
        """Why a new index, filled with all vectors in one `add`, would do better; None if not."""
        num_rows = len(self)
        if self._ivf is None:
            if num_rows >= self._flat_below:
                return f"{num_rows} vectors are compared one by one; lists pay from here on"
            return None
        trained = self._ivf.settings
        if num_rows > _MAX_GROWTH * trained.num_trained:
            return f"grew from {trained.num_trained} vectors to {num_rows} since its training"
        if num_rows < self._flat_below / 2:
            return f"shrank to {num_rows} vectors, few enough to compare all"
        if num_rows < (1 - _MAX_DEAD_SHARE) * len(self._slot_ids):
            return f"{len(self._slot_ids) - num_rows} removed vectors still take up space"
        if self._ivf.imbalance > _MAX_IMBALANCE_GROWTH * trained.imbalance:
            return "new vectors crowd into a few lists; the centres no longer fit"
        return None

    def num_training(self, total: int) -> int:
        """How many vectors `train` wants to see before `total` are added; 0 = none."""
        is_large = total >= self._flat_below
        return num_training(total, is_compact=self.is_compact) if is_large else 0

    def _prepare(self, sample: FloatArray, total: int) -> None:
        if total >= self._flat_below and len(sample):
            self._ivf = RefinedIvf.trained(sample, total=total, is_compact=self.is_compact)

    def _append(self, vectors: FloatArray) -> None:
        if self._ivf is not None:
            self._ivf.append(vectors)
        elif self._flat.ntotal == 0 and len(vectors) >= self._flat_below:
            self._ivf = RefinedIvf.build(vectors, is_compact=self.is_compact)
        else:
            self._flat.add(vectors)

    def _drop(self, is_dropped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self._ivf is not None:
            self._ivf.drop(is_dropped)
            return np.ones_like(is_dropped)
        self._flat.remove_ids(np.flatnonzero(is_dropped))  # moves the later rows up, in order
        return ~is_dropped

    def _nearest(
        self, queries: FloatArray, k: int, slots: Ids | None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        if self._ivf is not None:
            return self._ivf.nearest(queries, k, slots)
        if slots is None:
            scores, found = self._flat.search(queries, k)
        else:
            selector = faiss.IDSelectorBatch(slots)
            parameters = faiss.SearchParameters(sel=selector)
            scores, found = self._flat.search(queries, k, params=parameters)
        return scores, found

    def _sections(self) -> tuple[Settings, list[Section | StreamedSection]]:
        if self._ivf is None:
            return {}, [faiss.rev_swig_ptr(self._flat.get_xb(), self._flat.ntotal * self.dim)]
        parts = (self._ivf.lists, self._ivf.vectors)
        return asdict(self._ivf.settings), [_streamed(part) for part in parts]

    def _restore(self, settings: Settings, sections: Sequence[Section]) -> None:
        if settings:
            self._ivf = self._restored_ivf(settings, sections)
        else:
            (vectors,) = sections
            self._flat.add(vectors.view(np.float32).reshape(len(self._slot_ids), self.dim))

    def _restored_ivf(self, settings: Settings, sections: Sequence[Section]) -> RefinedIvf:
        lists, mapped = faiss.deserialize_index(sections[0]), sections[1]
        vectors = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(mapped), len(mapped)))
        width = padded_width(self.dim)
        if (vectors.ntotal, vectors.d, lists.d) != (len(self._slot_ids), width, width):
            raise ValueError("got inverted lists that do not fit their ids")
        is_live = self._slot_ids >= 0
        trained = IvfSettings(**settings)  # type: ignore[arg-type]
        return RefinedIvf(lists, vectors, trained, is_live, mapped=mapped)


def _streamed(part: Any) -> StreamedSection:
    """A FAISS index as a section, without a copy of it in memory."""
    sizes: list[int] = []
    faiss.write_index(part, faiss.PyCallbackIOWriter(lambda piece: sizes.append(len(piece))))
    return StreamedSection(
        sum(sizes), lambda write: faiss.write_index(part, faiss.PyCallbackIOWriter(write))
    )
