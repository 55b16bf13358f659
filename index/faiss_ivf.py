"""Inverted lists of 4-bit codes with a 16-bit refinement, for tens of thousands of vectors on.

A query looks into the `nprobe` lists whose centres are nearest, ranks what they hold by 4-bit
product-quantisation codes (FAISS fast scan), and ranks the best `k_factor` x k again by half
precision vectors. Both numbers are chosen when the lists are trained, so that a sample of queries
finds at least RECALL_TARGET of its true ten nearest. (8-bit refinement halves the memory, but its
rounding alone costs two per cent of recall among near neighbours, whatever is searched.)

A compact form does refine with 8 bits. It is for frames, a few million of them, where a query is a
copy of one frame and not a likeness of ten: it is tuned to find that one.

Rows live in slots. Removing one only marks its slot, and searches pass over marked slots, until a
rebuild (`FaissIndex.rebuild_reason` says when that pays): in FAISS 1.15 IndexRefine cannot remove,
and a fast-scan list that removed rows stores the next ones with wrong codes.
"""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.base import FloatArray, Ids

__all__ = ["IvfSettings", "RefinedIvf", "num_training", "padded_width"]

RECALL_TARGET = 0.985
K = 10  # the k that recall is measured at, and the least that is searched for
_SEED = 1234
_BYTE_MARGIN = 0.25  # of a component's range in the sample, for vectors unlike those in it
_LEAST_PER_LIST = 39  # FAISS's own advice
_NUM_TUNING_QUERIES = 128
_MAX_TUNING_PAIRS = 1 << 27
_MAX_SCORES = 1 << 24
_ADD_BLOCK = 1 << 16
_SCANNED_SHARE = 0.1


@dataclass(frozen=True)
class _Form:
    """How lists of one form are trained and tuned."""

    per_list: int
    """Vectors to a list that they are trained on."""
    num_rounds: int
    """Of k-means."""

    k: int
    """How many true neighbours each query has."""
    has_texts: bool
    """Whether half of the queries lie far to one side, as texts do."""
    steps: tuple[tuple[int, int], ...]
    """(nprobe, k_factor), of rising cost; beyond the last the lists would cost more than they
    save."""


_PRECISE = _Form(
    64,
    25,
    K,
    True,
    (
        (8, 16),
        (16, 32),
        (32, 32),
        (32, 64),
        (64, 64),
        (128, 64),
        (128, 128),
        (256, 128),
        (256, 256),
    ),
)
_COMPACT = _Form(40, 6, 1, False, ((8, 4), (16, 4), (32, 4), (48, 4), (64, 4), (64, 8), (128, 8)))
_UNTUNED = (32, 64)


@dataclass(frozen=True)
class IvfSettings:
    """The numbers that go with trained lists."""

    nprobe: int
    k_factor: int
    num_trained: int
    """How many vectors there were when the lists were trained."""
    imbalance: float
    """FAISS's imbalance factor of the list sizes then: 1 = all equal."""
    recall: float
    """On the tuning sample: of the ten nearest, or of the nearest in the compact form; 0 = not
    tuned."""


class RefinedIvf:
    """Lists and half precision vectors, searched one after the other.

    Args:
        lists: Trained `IndexIVFPQFastScan`; its ids are slots.
        vectors: `IndexScalarQuantizer` of half precision, or of bytes; row i is slot i.
        settings: How they are searched.
        is_live: (N,) False for the slots that were removed.
        mapped: The bytes of a file in which `vectors` lies; None where it has memory of its own.
    """

    def __init__(
        self,
        lists: Any,
        vectors: Any,
        settings: IvfSettings,
        is_live: NDArray[np.bool_],
        *,
        mapped: NDArray[np.uint8] | None = None,
    ) -> None:
        self.lists = lists
        self._mapped = mapped
        self.vectors = vectors
        self.settings = settings
        self._refine = faiss.IndexRefine(lists, vectors)
        self._take_live(is_live)

    @classmethod
    def build(cls, vectors: FloatArray, *, is_compact: bool = False) -> "RefinedIvf":
        """Train on vectors (N, D), store them in slots 0 … N-1, and tune the search."""
        num_rows = len(vectors)
        rng = np.random.default_rng(_SEED)
        chosen = np.sort(
            rng.choice(num_rows, num_training(num_rows, is_compact=is_compact), replace=False)
        )
        built = cls.trained(vectors[chosen], total=num_rows, is_compact=is_compact)
        built.append(vectors)
        return built

    @classmethod
    def trained(cls, sample: FloatArray, *, total: int, is_compact: bool) -> "RefinedIvf":
        """Make empty lists, trained on a sample (S, D) of the `total` rows that will come.

        The search is tuned when they are in; until then it uses a middle setting.
        """
        padded = _padded(sample)
        width = padded.shape[1]
        num_lists = min(_num_lists(total), max(1, len(padded) // _LEAST_PER_LIST))
        lists = faiss.IndexIVFPQFastScan(
            faiss.IndexFlatIP(width), width, num_lists, width // 4, 4, faiss.METRIC_INNER_PRODUCT
        )
        kind = faiss.ScalarQuantizer.QT_8bit if is_compact else faiss.ScalarQuantizer.QT_fp16
        refined = faiss.IndexScalarQuantizer(width, kind, faiss.METRIC_INNER_PRODUCT)
        refined.sq.rangestat_arg = _BYTE_MARGIN
        lists.cp.niter = (_COMPACT if is_compact else _PRECISE).num_rounds
        lists.train(padded)
        refined.train(padded)
        untuned = IvfSettings(*_UNTUNED, total, 1.0, 0.0)
        return cls(lists, refined, untuned, np.ones(0, np.bool_))

    @property
    def imbalance(self) -> float:
        """FAISS's imbalance factor of the list sizes now."""
        return float(self.lists.invlists.imbalance_factor())

    def append(self, vectors: FloatArray) -> None:
        """Store rows in the next slots."""
        self._unmap()
        for start in range(0, len(vectors), _ADD_BLOCK):
            self._refine.add(_padded(vectors[start : start + _ADD_BLOCK]))
        self._take_live(np.concatenate([self._is_live, np.ones(len(vectors), np.bool_)]))
        is_tuned = self.settings.recall > 0
        if not is_tuned and self._num_live >= self.settings.num_trained:
            self.settings = self._tuned()

    def _unmap(self) -> None:
        """Take the vectors out of their file: FAISS ends the process when it is to add there."""
        if self._mapped is None:
            return
        codes = faiss.rev_swig_ptr(
            self.vectors.codes.data(), self.vectors.ntotal * self.vectors.code_size
        )
        own = faiss.IndexScalarQuantizer(
            self.vectors.d, self.vectors.sq.qtype, self.vectors.metric_type
        )
        own.sq, own.is_trained = self.vectors.sq, True
        own.add_sa_codes(codes.reshape(-1, self.vectors.code_size))
        self.vectors, self._mapped = own, None
        self._refine = faiss.IndexRefine(self.lists, self.vectors)

    def drop(self, is_dropped: NDArray[np.bool_]) -> None:
        """Mark slots as removed."""
        self._take_live(self._is_live & ~is_dropped)

    def nearest(
        self, queries: FloatArray, k: int, slots: Ids | None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Return scores and slots (Q, k), best first; k is at most the number of rows.

        A small part of all rows is compared one by one, and so is all where k asks for much of it:
        the lists drop a few of the worst rows and would cost no less.
        """
        rows = _padded(queries)
        most = self._num_live if slots is None else len(slots)
        searched = min(max(k, K), most)
        num_candidates = searched * self.settings.k_factor
        is_small_part = slots is not None and most < _SCANNED_SHARE * self._num_live
        selector = self._live_selector if slots is None else faiss.IDSelectorBatch(slots)
        if is_small_part or num_candidates > most / 2:
            return self._scanned(rows, k, selector)
        scores, found = self._listed(
            rows, searched, num_candidates, selector, is_part=slots is not None
        )
        scores, found = scores[:, :k], found[:, :k]
        is_short = found[:, -1] < 0  # its lists held too few
        if is_short.any():
            scores[is_short], found[is_short] = self._scanned(rows[is_short], k, selector)
        return scores, found

    def _scanned(
        self, rows: FloatArray, k: int, selector: Any
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Compare with the half precision of every selected row."""
        scores, found = self.vectors.search(rows, k, params=faiss.SearchParameters(sel=selector))
        return scores, found

    def _listed(
        self, rows: FloatArray, k: int, num_candidates: int, selector: Any, *, is_part: bool
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Search the nearest lists, all of them for a part of the rows, and refine."""
        nprobe = max(self.settings.nprobe, self._lists_with(2 * num_candidates))
        parameters = faiss.IndexRefineSearchParameters(
            k_factor=num_candidates / k,
            base_index_params=faiss.SearchParametersIVF(
                nprobe=self.lists.nlist if is_part else nprobe, sel=selector
            ),
        )
        block = max(1, _MAX_SCORES // num_candidates)
        parts = [
            self._refine.search(rows[start : start + block], k, params=parameters)
            for start in range(0, len(rows), block)
        ]
        return np.concatenate([part[0] for part in parts]), np.concatenate(
            [part[1] for part in parts]
        )

    def _lists_with(self, num_rows: int) -> int:
        """Return how many average lists hold so many rows: a large k needs more than nprobe."""
        average = max(1.0, self._num_live / self.lists.nlist)
        return min(int(self.lists.nlist), int(np.ceil(num_rows / average)))

    def _take_live(self, is_live: NDArray[np.bool_]) -> None:
        """Set which slots are left, and FAISS's filter for them (None while all are)."""
        self._is_live = is_live
        self._num_live = int(np.count_nonzero(is_live))
        bits = np.packbits(is_live, bitorder="little")
        self._live_selector = None if is_live.all() else faiss.IDSelectorBitmap(bits)

    def _tuned(self) -> IvfSettings:
        """Return the cheapest settings that reach the recall target on noisy stored vectors.

        A stored vector itself would be too easy: each query is one moved by noise as long as it is
        (cosine 0.7 to where it was), as pictures of the same thing are. In the precise form half of
        them also move far to one side together (cosine 0.35), as the texts of a picture-text
        encoder lie apart from all pictures.
        """
        rng = np.random.default_rng(_SEED)
        num_rows = self._num_live
        num_queries = min(num_rows, _NUM_TUNING_QUERIES, max(16, _MAX_TUNING_PAIRS // num_rows))
        chosen = np.sort(rng.choice(len(self._is_live), num_queries, replace=False))
        queries = self.vectors.reconstruct_batch(chosen)
        queries = queries + _unit(rng.standard_normal(queries.shape, dtype=np.float32))
        is_compact = self.vectors.sq.qtype == faiss.ScalarQuantizer.QT_8bit
        form = _COMPACT if is_compact else _PRECISE
        if form.has_texts:
            aside = _unit(rng.standard_normal((1, queries.shape[1]), dtype=np.float32))
            queries[num_queries // 2 :] += 2.5 * aside
        queries = _unit(queries)
        truth = self.vectors.search(queries, min(form.k, num_rows))[1]
        for nprobe, k_factor in form.steps:
            tried = IvfSettings(
                min(nprobe, self.lists.nlist), k_factor, num_rows, self.imbalance, 0.0
            )
            self.settings = tried
            _, found = self.nearest(queries, truth.shape[1], None)
            shared = [len(set(a) & set(b)) for a, b in zip(truth, found, strict=True)]
            recall = max(float(np.sum(shared)) / truth.size, 1e-9)  # 0 means not tuned
            if recall >= RECALL_TARGET:
                break
        return IvfSettings(tried.nprobe, k_factor, num_rows, self.imbalance, recall)


def num_training(num_rows: int, *, is_compact: bool) -> int:
    """Return how many of so many rows the lists are trained on."""
    per_list = (_COMPACT if is_compact else _PRECISE).per_list
    return min(num_rows, max(per_list * _num_lists(num_rows), 20_000))


def _num_lists(num_rows: int) -> int:
    return int(max(1, 2 ** round(np.log2(np.sqrt(num_rows)))))


def _unit(rows: FloatArray) -> FloatArray:
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def padded_width(dim: int) -> int:
    """Return the width that the codes need: the next multiple of 8."""
    return dim + -dim % 8


def _padded(vectors: FloatArray) -> FloatArray:
    """Widen with zeros, which change no inner product."""
    missing = padded_width(vectors.shape[1]) - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors
