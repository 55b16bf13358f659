"""Ranked lists of one modality each, and their fusion: the middle of `search`.

A list holds shots or scenes, each once, best first; lines of sound-only files stand for
themselves.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from retrieval.catalog import Catalog
from retrieval.types import FloatArray, Modality, Provenance, Shot, Subtitle, Unit

if TYPE_CHECKING:
    from retrieval.vectors import ShotVectors

__all__ = [
    "Entry",
    "Fused",
    "Key",
    "Nearest",
    "RankedList",
    "entry_key",
    "fuse",
    "line_entries",
    "nearest_shots",
    "picture_entries",
]

RRF_K = 60
"""Rank offset of the fusion, from its paper; large enough that no single first place decides."""
MAX_SHOTS = 8_000
"""Shots that are asked for at most to fill a list of scenes."""

Nearest = Callable[[int], list[tuple[int, float]]]
"""Number of shots wanted -> shot ids with their scores, best first."""
Key = tuple[str, int]
"""Video id and number of the shot or scene; lines of a video without shots have -1 - line."""


@dataclass(frozen=True)
class Entry:
    """One shot, scene or line in one ranked list."""

    key: Key
    score: float
    shot: Shot | None
    """The shot that stands for it; None for a line of a video without shots."""
    line: Subtitle | None = None


@dataclass(frozen=True)
class RankedList:
    """Entries of one modality for one query part, best first, each key once."""

    modality: Modality
    query: str
    entries: tuple[Entry, ...]


# --- pictures


def nearest_shots(
    embeddings: FloatArray, vectors: "ShotVectors", count: int, video_id: str | None
) -> list[tuple[int, float]]:
    """Shot ids with their scores for one query part of F frames, best first.

    A still or a text has one frame. For a clip a shot's score is the mean over the third of the
    frames that it fits best: a shot need not fit the whole clip, and one odd frame does not carry
    it. Where a shot is not in a frame's list, that list's last score is an upper bound and counts.
    """
    scores, ids = vectors.search(embeddings, count, video_id=video_id)
    if len(embeddings) == 1:
        found = ids[0] >= 0
        return list(zip(ids[0][found].tolist(), scores[0][found].tolist(), strict=True))
    shot_ids, places = np.unique(ids, return_inverse=True)
    last = np.min(np.where(ids >= 0, scores, np.inf), axis=1)
    table = np.repeat(last[:, None], len(shot_ids), axis=1)
    rows = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    table[rows, places.reshape(ids.shape)] = scores
    best = -np.sort(-table, axis=0)[: math.ceil(len(ids) / 3)].mean(axis=0)
    pairs = [(int(i), float(s)) for i, s in zip(shot_ids, best, strict=True) if i >= 0]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:count]


def picture_entries(
    nearest: Nearest, catalog: Catalog, unit: Unit, depth: int
) -> tuple[Entry, ...]:
    """Fill a list with `depth` units: a scene takes several shots, so more are asked for."""
    count = depth
    while True:
        found = nearest(count)
        scores = dict(found)
        shots = catalog.shots_by_ids([shot_id for shot_id, _ in found])
        entries = _best_per_key(
            Entry(entry_key(shot, unit), scores[shot.shot_id], shot) for shot in shots
        )
        is_all = len(found) < count
        if unit == "shot" or is_all or len(entries) >= depth or count >= MAX_SHOTS:
            return entries[:depth]
        count *= 4


def entry_key(shot: Shot, unit: Unit) -> Key:
    """The key under which a shot is ranked."""
    return shot.video_id, shot.number if unit == "shot" else shot.scene_number


def _best_per_key(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Keep the best entry of each key; equal scores in the order of shot ids."""

    def order(entry: Entry) -> tuple[float, int, Key]:
        return -entry.score, 0 if entry.shot is None else entry.shot.shot_id, entry.key

    best: dict[Key, Entry] = {}
    for entry in sorted(entries, key=order):
        best.setdefault(entry.key, entry)
    return tuple(best.values())


# --- subtitles


def line_entries(
    lines: Sequence[tuple[Subtitle, float]], catalog: Catalog, unit: Unit
) -> tuple[Entry, ...]:
    """Put each line to the shot that shares most time with it."""
    entries = []
    for line, score in lines:
        shot = _shot_of(line, catalog)
        if shot is None:
            key = line.video_id, -1 - round(line.segment.start_seconds * 1000)
            entries.append(Entry(key, score, None, line))
        else:
            entries.append(Entry(entry_key(shot, unit), score, shot, line))
    return _best_per_key(entries)


def _shot_of(line: Subtitle, catalog: Catalog) -> Shot | None:
    """The shot that shares most time with a line; the last one for lines after the end."""
    shots = catalog.shots_between(line.video_id, line.segment)
    return max(
        shots, key=lambda shot: shot.segment.intersection_seconds(line.segment), default=None
    )


# --- fusion


@dataclass(frozen=True)
class Fused:
    """One entry of the list that is shown."""

    key: Key
    score: float
    shot: Shot | None
    line: Subtitle | None
    provenance: tuple[Provenance, ...]


def fuse(lists: Sequence[RankedList]) -> list[Fused]:
    """One list of all: its own scores where there is one list, fused ranks otherwise.

    Fused: score = sum over lists of 1 / (60 + rank), divided by what first place in all lists
    would give, so that 1 is the best there can be.
    """
    if len(lists) == 1:
        only = lists[0]
        return [
            Fused(entry.key, entry.score, entry.shot, entry.line, (_why(only, rank, entry),))
            for rank, entry in enumerate(only.entries, start=1)
        ]
    fused: dict[Key, Fused] = {}
    for item in lists:
        for rank, entry in enumerate(item.entries, start=1):
            share = (RRF_K + 1) / (RRF_K + rank) / len(lists)
            before = fused.get(entry.key, Fused(entry.key, 0.0, entry.shot, None, ()))
            fused[entry.key] = replace(
                before,
                score=before.score + share,
                line=before.line or entry.line,
                provenance=(*before.provenance, _why(item, rank, entry)),
            )
    return sorted(fused.values(), key=lambda item: (-item.score, item.key))


def _why(item: RankedList, rank: int, entry: Entry) -> Provenance:
    return Provenance(
        modality=item.modality,
        rank=rank,
        score=entry.score,
        text=None if entry.line is None else entry.line.text,
        query=item.query,
    )
