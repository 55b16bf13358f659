"""Correcting labels: which shots to look at next, and what the present answers say of them.

`Engine.label_desk` is one of these. It keeps embeddings and answers of the library in memory, so
that the next shots are there within a click; both are read again when films or adapters change.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.objective import probabilities
from retrieval.adapter_list import newest_for
from retrieval.catalog import Catalog
from retrieval.catalog_reader import ShotTable
from retrieval.errors import CatalogBusyError, InvalidInputError
from retrieval.label_edits import (
    LabelEdit,
    clear_shot,
    label_shot,
    make_group,
    remove_label,
    take_back,
)
from retrieval.label_queue import doubts, order_rows
from retrieval.label_types import GroupKind, Label, LabelledGroup
from retrieval.lesson_rows import MIN_OVERLAP
from retrieval.taught import judge_library
from retrieval.teach import class_words, label_group
from retrieval.types import FloatArray, LabelScore, Segment, Shot, Video

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder

__all__ = ["LabelDesk", "LabelQueue", "QueuedShot"]

MAX_COUNT = 1_000
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class QueuedShot:
    """A shot that waits for a label.

    Attributes:
        shot: The shot.
        video: Its film.
        scores: What the present answers say, every class, best first.
        doubt: In [0, 1], how little they say.
        is_sure: Whether the adapter is sure of its answer; None where words alone answer.
    """

    shot: Shot
    video: Video
    scores: tuple[LabelScore, ...]
    doubt: float
    is_sure: bool | None


@dataclass(frozen=True)
class LabelQueue:
    """The shots to label next.

    Attributes:
        group: Of classes.
        adapter: What answers, as `name/version`; None: the words of the classes alone.
        shots: In the order in which to look at them.
        num_labelled: Labelled shots of each class that can be learned from.
        num_open: Shots without a label of the group.
        num_sure: Open shots of which the adapter is sure; None without an adapter.
    """

    group: LabelledGroup
    adapter: str | None
    shots: tuple[QueuedShot, ...]
    num_labelled: Mapping[str, int]
    num_open: int
    num_sure: int | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Classes without a labelled shot: nothing can be learned before each has one."""
        return tuple(name for name, count in self.num_labelled.items() if not count)


@dataclass(frozen=True, eq=False)
class _Footage:
    """All shots with embeddings, in step with the catalog while `state` is its own."""

    state: tuple[int, int, str]
    """Number and greatest id of the shots, and the hash of the encoder."""
    table: ShotTable
    embeddings: FloatArray
    rows: Mapping[str, NDArray[np.int64]]
    """Of each film."""


@dataclass(frozen=True, eq=False)
class _Answers:
    """What words and adapter say of all shots: (N, C) shares, and (N,) whether sure."""

    adapter: str | None
    words: FloatArray
    shares: FloatArray
    doubt: FloatArray
    is_sure: Bools | None


class LabelDesk:
    """Labels by hand over one library.

    Args:
        catalog: The library.
        load_encoder: Gives the encoder of the library.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        load_encoder: "Callable[[], PictureTextEncoder]",
    ) -> None:
        self._catalog = catalog
        self._load_encoder = load_encoder
        self._footage: _Footage | None = None
        self._answers: dict[tuple[object, ...], _Answers] = {}
        self._lock = threading.Lock()

    # --- what is said

    def make_group(self, name: str, *, kind: GroupKind, classes: Sequence[str]) -> LabelledGroup:
        """Make a group or add classes to it; see `label_edits.make_group`."""
        return make_group(self._catalog, name, kind=kind, classes=classes)

    def label(
        self, group: str, name: str, *, video: str, segment: Segment, source: str
    ) -> LabelEdit:
        """Say that a class holds in a segment; see `label_edits.label_shot`."""
        return label_shot(self._catalog, group, name, video=video, segment=segment, source=source)

    def clear(self, group: str, *, video_id: str, segment: Segment, name: str | None) -> LabelEdit:
        """Take back what a group says of a segment; see `label_edits.clear_shot`."""
        return clear_shot(self._catalog, group, video_id=video_id, segment=segment, name=name)

    def take_back(self, edit: LabelEdit) -> LabelEdit:
        """Undo an edit; see `label_edits.take_back`."""
        return take_back(self._catalog, edit)

    def remove(self, label_id: int) -> Label:
        """Forget one label; see `label_edits.remove_label`."""
        return remove_label(self._catalog, label_id)

    # --- what to look at next

    def newest_adapter(self, group: str, *, name: str | None = None) -> str | None:
        """The adapter that learned this group, as `name/version`; None where there is none."""
        encoder_hash = self._load_encoder().hash
        return newest_for(self._catalog.library, group, encoder_hash=encoder_hash, name=name)

    def queue(
        self,
        group: str,
        *,
        adapter: str | None = None,
        video: str | None = None,
        count: int = 20,
    ) -> LabelQueue:
        """The next shots to label: examples of classes without one, then the least certain.

        Args:
            group: Of labels.
            adapter: Whose answers count, `mine` or `mine/2`; None for the words of the classes.
            video: Only shots of this film: id, start of an id, path or file name.
            count: How many, 1 to 1,000.

        Raises:
            NotFoundError: There is no such group, film or adapter.
            InvalidInputError: `count` is out of range, or the adapter learned another group.
            EncoderMismatchError: Library or adapter are of another encoder.
        """
        if not 1 <= count <= MAX_COUNT:
            raise InvalidInputError(f"got {count = }, expected 1 to {MAX_COUNT}")
        known = label_group(self._catalog, group)
        video_id = None if video is None else self._catalog.resolve_video(video).video_id
        footage = self._current_footage()
        answers = self._current_answers(known, adapter, footage)
        is_open, num_labelled = _labelled(footage, known, self._catalog.labels(group=group))
        here = np.full(len(is_open), video_id is None)
        if video_id is not None:
            here[footage.rows.get(video_id, np.zeros(0, np.int64))] = True
        rows = order_rows(
            footage.embeddings,
            answers.doubt,
            answers.words,
            is_open=is_open & here,
            is_known=~is_open,
            num_labelled=num_labelled,
            count=count,
        )
        sure = answers.is_sure
        return LabelQueue(
            group=known,
            adapter=answers.adapter,
            shots=self._shots(footage, known, answers, rows),
            num_labelled=dict(zip(known.classes, num_labelled.tolist(), strict=True)),
            num_open=int((is_open & here).sum()),
            num_sure=None if sure is None else int((sure & is_open & here).sum()),
        )

    def _shots(
        self, footage: _Footage, group: LabelledGroup, answers: _Answers, rows: NDArray[np.int64]
    ) -> tuple[QueuedShot, ...]:
        places = {int(footage.table.shot_ids[row]): int(row) for row in rows}
        shots = self._catalog.shots_by_ids(list(places))
        videos = self._catalog.videos_by_ids([shot.video_id for shot in shots])
        found = []
        for shot in shots:
            if shot.video_id not in videos:  # removed a moment ago
                continue
            row = places[shot.shot_id]
            shares = answers.shares[row]
            scores = tuple(
                LabelScore(group.classes[one], float(shares[one]))
                for one in np.argsort(-shares, kind="stable")
            )
            sure = None if answers.is_sure is None else bool(answers.is_sure[row])
            doubt = float(answers.doubt[row])
            found.append(QueuedShot(shot, videos[shot.video_id], scores, doubt, sure))
        return tuple(found)

    # --- what is kept in memory

    def _current_footage(self) -> _Footage:
        with self._lock:
            encoder = self._load_encoder()
            state = (*self._catalog.shots_state(), encoder.hash)
            if self._footage is None or self._footage.state != state:
                self._footage = _read_footage(self._catalog, encoder, state)
                self._answers.clear()
            return self._footage

    def _current_answers(
        self, group: LabelledGroup, adapter: str | None, footage: _Footage
    ) -> _Answers:
        exact = self._exact(adapter, group)
        key = (footage.state, group, exact)
        with self._lock:
            if key not in self._answers:
                for old in [one for one in self._answers if one[1] == group]:
                    del self._answers[old]  # of an earlier version
                self._answers[key] = self._answer(group, exact, footage)
            return self._answers[key]

    def _exact(self, adapter: str | None, group: LabelledGroup) -> str | None:
        """Name and version of an adapter that was named with or without one."""
        if adapter is None or "/" in adapter:
            return adapter
        return self.newest_adapter(group.name, name=adapter) or adapter

    def _answer(self, group: LabelledGroup, adapter: str | None, footage: _Footage) -> _Answers:
        encoder = self._load_encoder()
        weights = class_words(group.classes, encoder)
        logits = np.float32(encoder.temperature) * (footage.embeddings @ weights.T)
        if not group.is_exclusive and len(logits):
            logits -= logits.mean(axis=0)  # cosines have no zero: above the library's mean counts
        words = probabilities(logits, is_exclusive=group.is_exclusive)
        if adapter is None:
            doubt = doubts(words, is_exclusive=group.is_exclusive)
            return _Answers(None, words, words, doubt, None)
        shares, is_sure = self._adapter_answers(group, adapter, footage)
        known = shares[:, ~np.isnan(shares).all(axis=0)] if len(shares) else shares
        doubt = doubts(np.nan_to_num(known), is_exclusive=group.is_exclusive)
        return _Answers(adapter, words, np.nan_to_num(shares), doubt, is_sure)

    def _adapter_answers(
        self, group: LabelledGroup, adapter: str, footage: _Footage
    ) -> tuple[FloatArray, Bools]:
        """(N, C) shares, NaN for classes that the adapter does not know, and (N,) sureness."""
        shares = np.full((len(footage.embeddings), len(group.classes)), np.nan, np.float32)
        if not len(shares):
            return shares, np.zeros(0, bool)
        found = judge_library(
            adapter,
            list(footage.rows),
            pictures=footage.embeddings,
            catalog=self._catalog,
            encoder=self._load_encoder(),
        )
        common = [name for name in group.classes if name in found.classes]
        if not common:
            raise InvalidInputError(
                f"adapter {adapter!r} knows no class of group {group.name!r}; it learned another"
            )
        if len(found.shares) != len(shares):
            raise CatalogBusyError("films came or went while they were judged; ask again")
        columns = [group.classes.index(name) for name in common]
        shares[:, columns] = found.shares[:, [found.classes.index(name) for name in common]]
        return shares, found.is_sure


def _read_footage(
    catalog: Catalog, encoder: "PictureTextEncoder", state: tuple[int, int, str]
) -> _Footage:
    """Shots that have an embedding, as a film without picture has none."""
    table = catalog.shot_table()
    ids, embeddings = catalog.shot_vectors(encoder.id)
    rows = np.searchsorted(table.shot_ids, ids)
    kept = ShotTable(
        table.shot_ids[rows],
        tuple(table.video_ids[row] for row in rows),
        table.start_seconds[rows],
        table.end_seconds[rows],
    )
    return _Footage(state, kept, embeddings, _rows_by_video(kept.video_ids))


def _labelled(
    footage: _Footage, group: LabelledGroup, labels: Sequence[Label]
) -> tuple[Bools, NDArray[np.int64]]:
    """(N,) which shots have no label of the group, and (C,) shots of each class to learn from.

    A label is on a shot by the rule of `teach`: it covers half of the shorter of the two.
    """
    table = footage.table
    is_open = np.ones(len(table.shot_ids), bool)
    counts = np.zeros(len(group.classes), np.int64)
    by_video: dict[str, list[Label]] = {}
    for label in labels:
        by_video.setdefault(label.video_id, []).append(label)
    for video_id, own in by_video.items():
        rows = footage.rows.get(video_id)
        if rows is None:
            continue
        starts, ends = table.start_seconds[rows, None], table.end_seconds[rows, None]
        first = np.array([label.segment.start_seconds for label in own])
        last = np.array([label.segment.end_seconds for label in own])
        shared = np.minimum(ends, last) - np.maximum(starts, first)
        is_on = (shared > 0) & (shared >= MIN_OVERLAP * np.minimum(ends - starts, last - first))
        is_open[rows] &= ~is_on.any(axis=1)
        can_learn = np.array([label.split in (None, "train") for label in own])
        numbers = np.array([group.classes.index(label.name) for label in own])
        for place in range(len(counts)):
            counts[place] += int(is_on[:, can_learn & (numbers == place)].any(axis=1).sum())
    return is_open, counts


def _rows_by_video(video_ids: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Row numbers of each film; its rows stand together."""
    names = np.array(video_ids, dtype=object)
    changes = np.flatnonzero(names[1:] != names[:-1]) + 1 if len(names) else np.zeros(0, int)
    bounds = [0, *changes.tolist(), len(names)]
    return {
        video_ids[start]: np.arange(start, end) for start, end in pairwise(bounds) if end > start
    }
