"""Two encoders on one library: the same queries to both vector sets, side by side.

How much the answers have in common (overlap@k), how many of the shots that labels call right are
found (recall@k), and how long an answer takes. Only shots that both sets have are searched, by the
index that search uses.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.compare_queries import Query, QueryKind
from eval.table import Column, Table, machine
from index import VectorIndex, create_index
from retrieval.catalog import Catalog
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.media.letterbox import crop_bars
from retrieval.types import EncoderId, FloatArray, Progress, ProgressCallback

__all__ = ["KINDS", "Comparison", "Found", "Side", "compare_encoders"]

KINDS: dict[QueryKind, str] = {
    "label": "names of labels",
    "subtitle": "subtitle lines",
    "plain": "plain words",
    "shot": "example shots",
    "text": "given words",
    "picture": "given pictures",
}
COLUMNS = (
    Column("queries", "Queries"),
    Column("num_queries", "n"),
    Column("overlap", "Overlap@k", ".2f"),
    Column("num_labelled", "Labelled"),
    Column("recall_old", "Recall@k old", ".2f"),
    Column("recall_new", "Recall@k new", ".2f"),
    Column("milliseconds_old", "ms old", ".1f"),
    Column("milliseconds_new", "ms new", ".1f"),
)

Found = tuple[tuple[int, float], ...]
"""Shot ids with their cosines, best first."""


@dataclass(frozen=True, eq=False)
class Side:
    """What both encoders answer to one query.

    Attributes:
        query: What was asked.
        old: The answer of the first, k shots at most.
        new: The answer of the second.
        seconds: What encoding and searching took, of each.
    """

    query: Query
    old: Found
    new: Found
    seconds: tuple[float, float]

    @property
    def overlap(self) -> float:
        """Share of the answers that both have."""
        one, two = ({shot_id for shot_id, _ in found} for found in (self.old, self.new))
        return len(one & two) / max(1, len(one), len(two))

    @property
    def recall(self) -> tuple[float, float] | None:
        """Share of the right shots that each found, of as many as the answer has room for."""
        if not self.query.right:
            return None
        old, new = (
            sum(shot_id in self.query.right for shot_id, _ in found)
            / min(len(self.query.right), max(1, len(found)))
            for found in (self.old, self.new)
        )
        return old, new


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two encoders over the same queries.

    Attributes:
        encoders: The first and the second.
        k: Answers to each query, at most.
        num_shots: Shots that both have vectors of.
        num_left_out: Shots that only one of them has.
        sides: Each query with both answers.
        backend: Name of the index.
    """

    encoders: tuple[EncoderId, EncoderId]
    k: int
    num_shots: int
    num_left_out: int
    sides: tuple[Side, ...]
    backend: str

    def table(self) -> Table:
        """One row for each kind of query, and one for all."""
        kinds = [kind for kind in KINDS if any(one.query.kind == kind for one in self.sides)]
        rows = [
            _row(KINDS[kind], [one for one in self.sides if one.query.kind == kind])
            for kind in kinds
        ]
        rows += [_row("all", self.sides)] if len(kinds) > 1 else []
        old, new = (f"{one.name} ({one.hash[:12]}, {one.dim}-d)" for one in self.encoders)
        notes = [
            f"Old: {old}. New: {new}.",
            f"k = {self.k}, {self.num_shots} shots, index {self.backend}, pictures only; "
            f"medians of encoding and searching one query. {machine()}.",
        ]
        if self.num_shots <= self.k:
            notes.append("There are no more shots than answers, so that the overlap says nothing.")
        if self.num_left_out:
            notes.append(f"{self.num_left_out} shots have a vector of one encoder alone: left out.")
        return Table("Two encoders, the same queries", COLUMNS, tuple(rows), tuple(notes))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the table, and each query with both answers."""
        names = ("old", "new")
        return {
            **self.table().to_dict(),
            "encoders": {
                name: {"name": one.name, "hash": one.hash, "dim": one.dim}
                for name, one in zip(names, self.encoders, strict=True)
            },
            "k": self.k,
            "num_shots": self.num_shots,
            "num_left_out": self.num_left_out,
            "queries": [_side_dict(one) for one in self.sides],
        }


def compare_encoders(
    old: PictureTextEncoder,
    new: PictureTextEncoder,
    queries: Sequence[Query],
    *,
    catalog: Catalog,
    k: int = 10,
    backend: str = "faiss",
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Comparison:
    """Ask both encoders the same.

    Args:
        old: The first encoder, whose vectors the library has, in use or not.
        new: The second.
        queries: What is asked.
        catalog: The library.
        k: Answers to each query, 1 to 1,000.
        backend: Name of the index backend.
        progress: Told queries.
        should_stop: Asked between two queries.

    Raises:
        InvalidInputError: No queries, the same encoder twice, `k` out of range, no such backend.
        EncoderMismatchError: The library has no vectors of one of them.
        OperationCancelled: `should_stop` said so.
    """
    if not queries or not 1 <= k <= 1_000 or old.id == new.id:
        raise InvalidInputError(
            f"got {len(queries)} queries, {k = }, {old.name} and {new.name}; expected some "
            "queries, k from 1 to 1,000 and two encoders"
        )
    stored = [catalog.set_vectors(one.id) for one in (old, new)]
    common = np.intersect1d(stored[0][0], stored[1][0], assume_unique=True)
    asked = [
        _Asked(encoder, _index(ids, vectors, common, backend), k)
        for encoder, (ids, vectors) in zip((old, new), stored, strict=True)
    ]
    searched, sides = frozenset(common.tolist()), []
    for number, given in enumerate(queries):
        if should_stop is not None and should_stop():
            raise OperationCancelled("stopped between two queries")
        if progress is not None:
            progress(Progress("compare", "queries", number, len(queries), "queries"))
        query = replace(given, right=given.right & searched)
        (first, one), (second, two) = (each.answer(query) for each in asked)
        sides.append(Side(query, first, second, (one, two)))
    return Comparison(
        encoders=(old.id, new.id),
        k=k,
        num_shots=len(common),
        num_left_out=len(np.union1d(stored[0][0], stored[1][0])) - len(common),
        sides=tuple(sides),
        backend=backend,
    )


@dataclass(frozen=True)
class _Asked:
    """One encoder with its vectors, loaded and warm."""

    encoder: PictureTextEncoder
    index: VectorIndex
    k: int

    def __post_init__(self) -> None:
        self.encoder.warm_up()

    def answer(self, query: Query) -> tuple[Found, float]:
        """The best shots and the seconds that it took."""
        started = time.perf_counter()
        if query.image is not None:
            rows = self.encoder.encode_images(crop_bars([query.image]))
        else:
            rows = self.encoder.encode_texts([query.text or ""])
        wanted = self.k + (query.shot_id is not None)
        scores, ids = self.index.search(rows, wanted)
        seconds = time.perf_counter() - started
        pairs = zip(ids[0].tolist(), scores[0].tolist(), strict=True)
        found = [(one, score) for one, score in pairs if one >= 0 and one != query.shot_id]
        return tuple(found[: self.k]), seconds


def _index(
    ids: NDArray[np.int64], vectors: FloatArray, common: NDArray[np.int64], backend: str
) -> VectorIndex:
    """An index over the shots that both have, in memory."""
    try:
        index = create_index(backend, vectors.shape[1])
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    is_common = np.isin(ids, common, assume_unique=True)
    index.add(ids[is_common], vectors[is_common])
    return index


def _row(name: str, sides: Sequence[Side]) -> tuple[str | int | float | None, ...]:
    recalls = [one.recall for one in sides if one.recall is not None]
    old, new = (
        statistics.fmean(pair[place] for pair in recalls) if recalls else None for place in (0, 1)
    )
    times = [1000 * statistics.median(one.seconds[place] for one in sides) for place in (0, 1)]
    overlap = statistics.fmean(one.overlap for one in sides)
    return (name, len(sides), overlap, len(recalls), old, new, *times)


def _side_dict(side: Side) -> dict[str, Any]:
    recall = side.recall
    return {
        "query": side.query.title,
        "kind": side.query.kind,
        "overlap": side.overlap,
        "num_right": len(side.query.right),
        "recall": None if recall is None else {"old": recall[0], "new": recall[1]},
        **{
            name: [{"shot_id": shot_id, "score": score} for shot_id, score in found]
            for name, found in (("old", side.old), ("new", side.new))
        },
    }
