"""The plan of an attack benchmark: which films are made of what, and which query copies what.

Plans are data: they depend on split, size and the amount of material alone, and a manifest lists
them. Making the films is `attacks.py`'s work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Literal

import numpy as np

from eval.attacks_edits import EDITS
from eval.attacks_material import Material, Split, seeded
from eval.attacks_scenes import Footage, Scene, Shapes, Still, total_seconds
from eval.attacks_sound import SOUND_EDITS
from eval.attacks_time import TIME_EDITS, Piece, Timeline
from retrieval.media.probe import probe

__all__ = ["CopyPlan", "EditUse", "FilmPlan", "Plan", "QueryPlan", "SoundMode", "make_plan"]

BenchSize = Literal["small", "full"]
SoundMode = Literal["copied", "replaced", "muted"]
SIZES = ((568, 320), (426, 320), (480, 320))
REF_RATE, STILLS_RATE = Fraction(25, 2), Fraction(10)
"""Frames a second of references with footage, and of those without."""
MAX_FOOTAGE_SECONDS = 40.0
FILMS = {"small": 12, "full": 16}
DISTRACTOR_SECONDS = {"small": (12, 75.0), "full": (16, 90.0)}
SINGLES_PER_EDIT = {"small": 1, "full": 3}
NUM_CHAINS = {"small": 8, "full": 20}
NUM_COMPILATIONS = {"small": 2, "full": 5}
SOUND_MODES: tuple[SoundMode, ...] = ("copied", "replaced", "muted", "copied", "replaced")
"""What becomes of the sound where the picture is edited, in turn."""
_LAYOUTS = ("blurred_sides", "inset", "covered", "stacked", "border", "letterbox")
_LONG = ("cuts", "reorder", "repeat", "stutter")
"""Edits of time that need a longer stretch to be told apart at all."""


@dataclass(frozen=True)
class FilmPlan:
    """A reference, or other footage."""

    name: str
    scenes: tuple[Scene, ...]
    size: tuple[int, int]
    rate: Fraction = STILLS_RATE
    clips: tuple[int, ...] = ()
    """Places of its sound clips in the material; no two films share one."""

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return total_seconds(self.scenes)


@dataclass(frozen=True)
class EditUse:
    """An edit at a strength from 1 to 3."""

    name: str
    strength: int


@dataclass(frozen=True)
class CopyPlan:
    """One copied stretch of one reference."""

    ref: str
    timeline: Timeline
    edits: tuple[EditUse, ...]
    has_picture: bool = True
    sound: SoundMode = "copied"

    @property
    def modalities(self) -> str:
        """Which sides of the film are copied, as the ground truth names them."""
        heard = self.sound == "copied" and not any(p.is_reversed for p in self.timeline.pieces)
        return "+".join(["picture"] * self.has_picture + ["sound"] * heard)


@dataclass(frozen=True)
class QueryPlan:
    """A query: other footage with copies in it, or other footage alone."""

    name: str
    parts: tuple[CopyPlan | float, ...]
    """Copies, and seconds of other footage between them."""
    other: FilmPlan
    rate: Fraction
    is_sound_file: bool = False

    @property
    def copies(self) -> list[CopyPlan]:
        """The copies alone."""
        return [part for part in self.parts if isinstance(part, CopyPlan)]

    @property
    def seconds(self) -> float:
        """Length of the query."""
        return sum(
            part.timeline.seconds if isinstance(part, CopyPlan) else part for part in self.parts
        )


@dataclass(frozen=True)
class Plan:
    """A whole benchmark."""

    split: Split
    size: BenchSize
    references: tuple[FilmPlan, ...]
    distractors: tuple[FilmPlan, ...]
    """References that no query copies."""
    queries: tuple[QueryPlan, ...]


def make_plan(material: Material, *, split: Split, size: BenchSize) -> Plan:
    """Plan a benchmark: all films and all queries."""
    number = FILMS[size]
    pool = _Pool(material, split, num_films=2 * number)
    films = [pool.film(f"R{1 + split_base(split) + place}") for place in range(2 * number)]
    pool.close_references()
    return Plan(
        split=split,
        size=size,
        references=tuple(films[:number]),
        distractors=tuple(films[number:]),
        queries=tuple(_Queries(pool, films[:number], split, size).all()),
    )


def split_base(split: Split) -> int:
    """Numbers of films begin here, so that two splits never share a name."""
    return {"dev": 100_000, "test": 200_000}[split]


class _Pool:
    """Hands out material; what is in a reference is never handed out again."""

    def __init__(self, material: Material, split: Split, *, num_films: int) -> None:
        self._material = material
        self._clips = seeded(split, "clips").permutation(len(material.sounds)).tolist()
        self._clips_each = len(self._clips) // num_films
        self._split = split
        self._footage = [part for path in material.footage for part in _footage_parts(path)]
        seeded(split, "footage").shuffle(self._footage)
        self._next_still = 0
        self._first_free = 0

    def film(self, name: str) -> FilmPlan:
        """A reference of 60 to 110 s: stills under a camera, footage, drawn motion."""
        rng = seeded(self._split, name)
        scenes: list[Scene] = []
        seconds = float(rng.uniform(60, 90)) if self._num_stills > 400 else 60.0
        if self._footage:
            scenes.append(self._footage.pop())
        while total_seconds(scenes) < seconds:
            if rng.random() < 0.12:
                scenes.append(Shapes(float(rng.uniform(3, 7)), f"{name}-{len(scenes)}"))
            else:
                place = self._next_still
                self._next_still += 1
                length = float(np.round(rng.uniform(2.5, 7.5), 2))
                scenes.append(Still(place, length, f"{name}-{len(scenes)}"))
        scenes = [scenes[place] for place in rng.permutation(len(scenes))]
        has_footage = any(isinstance(scene, Footage) for scene in scenes)
        rate = REF_RATE if has_footage else STILLS_RATE
        size = SIZES[int(rng.integers(len(SIZES)))]
        clips = tuple(self._clips.pop() for _ in range(self._clips_each))
        return FilmPlan(name, tuple(scenes), size, rate, clips)

    def close_references(self) -> None:
        """From now on hand out other footage only."""
        self._first_free = self._next_still

    def other(self, name: str, seconds: float, size: tuple[int, int]) -> FilmPlan:
        """Footage that is in no reference; stills of it may come again in another query."""
        rng = seeded(self._split, "other", name)
        scenes: list[Scene] = []
        while total_seconds(scenes) < seconds:
            if rng.random() < 0.15:
                scenes.append(Shapes(float(rng.uniform(3, 7)), f"{name}-{len(scenes)}"))
            else:
                free = max(1, self._num_stills - self._first_free)
                place = self._first_free + int(rng.integers(free))
                scenes.append(Still(place, float(rng.uniform(2.5, 7.5)), f"{name}-{len(scenes)}"))
        return FilmPlan(f"{name}-other", tuple(scenes), size)

    @property
    def _num_stills(self) -> int:
        return len(self._material.stills)


def _footage_parts(path: Path) -> list[Footage]:
    """The first one or two stretches of a film."""
    seconds = probe(path).duration_seconds
    count = max(1, int(seconds // MAX_FOOTAGE_SECONDS))
    length = min(seconds, MAX_FOOTAGE_SECONDS)
    return [Footage(path, place * MAX_FOOTAGE_SECONDS, length) for place in range(min(count, 2))]


class _Queries:
    """Plans the queries of one split."""

    def __init__(
        self, pool: _Pool, films: Sequence[FilmPlan], split: Split, size: BenchSize
    ) -> None:
        self._pool, self._split, self._size = pool, split, size
        self._films = {film.name: film for film in films}
        self._refs = cycle(films)
        self._number = split_base(split)
        self._sounds = cycle(SOUND_MODES)

    def all(self) -> list[QueryPlan]:
        """Singles, chains, compilations, and queries without any copy."""
        queries: list[QueryPlan] = []
        for name, strengths in self._singles():
            queries.extend(self._single(name, strength) for strength in strengths)
        for place in range(NUM_CHAINS[self._size]):
            queries.append(self._chain(2 + place % 3))
        queries.extend(self._compilation() for _ in range(NUM_COMPILATIONS[self._size]))
        count, seconds = DISTRACTOR_SECONDS[self._size]
        queries.extend(self._distractor(seconds) for _ in range(count))
        return queries

    def _singles(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every edit, at one strength that goes round (small) or at all three (full)."""
        names = [edit.name for edits in (EDITS, TIME_EDITS, SOUND_EDITS) for edit in edits]
        shift = 0 if self._split == "dev" else 1
        if SINGLES_PER_EDIT[self._size] == 1:
            return [(name, ((place + shift) % 3 + 1,)) for place, name in enumerate(names)]
        return [(name, (1, 2, 3)) for name in names]

    def _single(self, name: str, strength: int) -> QueryPlan:
        is_sound = name in {edit.name for edit in SOUND_EDITS}
        return self._query([EditUse(name, strength)], is_sound=is_sound)

    def _chain(self, length: int) -> QueryPlan:
        rng = seeded(self._split, "chain", self._number)
        plain = [edit.name for edit in EDITS if edit.name not in _LAYOUTS]
        chosen = [str(name) for name in rng.choice(plain, length, replace=False)]
        if rng.random() < 0.6:
            chosen[-1] = str(rng.choice(_LAYOUTS))
        if length > 2:
            chosen[0] = str(rng.choice([edit.name for edit in TIME_EDITS]))
        uses = [EditUse(name, int(rng.integers(1, 3))) for name in chosen]
        return self._query(uses, is_sound=False)

    def _query(self, uses: list[EditUse], *, is_sound: bool) -> QueryPlan:
        name = self._name()
        rng, film = seeded(self._split, name), next(self._refs)
        is_whole = rng.random() < 0.3
        needs_more = any(use.name in _LONG for use in uses)
        span = float(rng.uniform(18, 30) if is_whole else rng.uniform(3.5, 10))
        span = max(span, 12.0 if needs_more else 3.5) if not is_sound else max(span, 6.0)
        copy = self._copy(film, span, uses, rng, is_sound=is_sound)
        around = (0.0, 0.0) if is_whole else rng.uniform(8, 20, 2).tolist()
        parts: list[CopyPlan | float] = [around[0], copy, around[1]]
        return self._finish(name, [p for p in parts if p], film, rng, is_sound=is_sound)

    def _compilation(self) -> QueryPlan:
        """Parts of three films, lightly edited, with other footage between."""
        name = self._name()
        rng = seeded(self._split, name)
        parts: list[CopyPlan | float] = [float(rng.uniform(5, 9))]
        first = next(self._refs)
        for place in range(3):
            film = first if place == 0 else next(self._refs)
            use = EditUse(str(rng.choice(["crop", "jpeg", "tint", "logo", "gamma"])), 1)
            parts.append(self._copy(film, float(rng.uniform(4, 9)), [use], rng, is_sound=False))
            parts.append(float(rng.uniform(4, 9)))
        return self._finish(name, parts, first, rng, is_sound=False)

    def _distractor(self, seconds: float) -> QueryPlan:
        name = self._name()
        rng = seeded(self._split, name)
        size = SIZES[int(rng.integers(len(SIZES)))]
        other = self._pool.other(name, seconds, size)
        return QueryPlan(name, (seconds,), other, Fraction(10))

    def _copy(
        self,
        film: FilmPlan,
        span: float,
        uses: list[EditUse],
        rng: np.random.Generator,
        *,
        is_sound: bool,
    ) -> CopyPlan:
        span = min(span, film.seconds - 1.0)
        start = float(np.round(rng.uniform(0.0, film.seconds - span), 2))
        timeline = Timeline((Piece(start, start + span),))
        for use in uses:
            for edit in TIME_EDITS:
                if edit.name == use.name:
                    timeline = edit.make(start, start + span, use.strength, rng)
        mode: SoundMode = "copied" if is_sound else next(self._sounds)
        return CopyPlan(film.name, timeline, tuple(uses), has_picture=not is_sound, sound=mode)

    def _finish(
        self,
        name: str,
        parts: Sequence[CopyPlan | float],
        film: FilmPlan,
        rng: np.random.Generator,
        *,
        is_sound: bool,
    ) -> QueryPlan:
        rate = Fraction(str(rng.choice(["8", "10", "12.5"])))
        plan = QueryPlan(name, tuple(parts), film, rate, is_sound and bool(rng.random() < 0.4))
        other = self._pool.other(name, plan.seconds, film.size)
        return QueryPlan(name, plan.parts, other, rate, plan.is_sound_file)

    def _name(self) -> str:
        self._number += 1
        return f"Q{self._number}"
