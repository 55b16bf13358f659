"""Edits of time: which moment of the reference plays at which moment of the query.

A copy is a row of pieces. Each piece plays a part of the reference at one speed, forwards or
backwards, so the true segments of a query follow from its pieces alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["TIME_EDITS", "Piece", "TimeEdit", "Timeline"]


@dataclass(frozen=True)
class Piece:
    """A part of the reference as it plays in the query."""

    ref_start: float
    ref_end: float
    speed: float = 1.0
    """Seconds of reference per second of query."""
    is_reversed: bool = False

    @property
    def seconds(self) -> float:
        """How long it plays in the query."""
        return (self.ref_end - self.ref_start) / self.speed

    def at(self, seconds: float) -> float:
        """Moment of the reference after `seconds` of the piece."""
        moved = seconds * self.speed
        return self.ref_end - moved if self.is_reversed else self.ref_start + moved


@dataclass(frozen=True)
class Timeline:
    """The pieces of a copy in the order in which they play."""

    pieces: tuple[Piece, ...]
    hold_seconds: float = 0.0
    """Frames stand still for this long at a time; 0 plays every frame."""
    keeps_pitch: bool = True
    """Whether sound is stretched (True) or played faster like a tape (False)."""

    @property
    def seconds(self) -> float:
        """Length in the query."""
        return sum(piece.seconds for piece in self.pieces)

    def at(self, seconds: float) -> float:
        """Moment of the reference that is seen after `seconds` of the copy."""
        if self.hold_seconds:
            seconds = np.floor(seconds / self.hold_seconds + 1e-6) * self.hold_seconds
        for piece in self.pieces[:-1]:
            if seconds < piece.seconds:
                return piece.at(seconds)
            seconds -= piece.seconds
        return self.pieces[-1].at(seconds)

    def rows(self, start_seconds: float) -> list[tuple[float, float, Piece]]:
        """Start and end in the query of each piece, for a copy that begins at `start_seconds`."""
        rows = []
        for piece in self.pieces:
            rows.append((start_seconds, start_seconds + piece.seconds, piece))
            start_seconds += piece.seconds
        return rows


@dataclass(frozen=True)
class TimeEdit:
    """One kind of edit of time."""

    name: str
    family: str
    make: Callable[[float, float, int, np.random.Generator], Timeline]
    """From start and end in the reference, strength and a random generator."""


def _speed(
    start: float, end: float, strength: int, rng: np.random.Generator, *, keeps_pitch: bool = True
) -> Timeline:
    reach = (1.12, 1.4, 1.95)[strength - 1]
    speed = float(rng.choice([reach, 1 / reach]))
    return Timeline((Piece(start, end, speed),), keeps_pitch=keeps_pitch)


def _tape(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    return _speed(start, end, strength, rng, keeps_pitch=False)


def _reverse(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    speed = (1.0, 1.25, 0.7)[strength - 1]
    return Timeline((Piece(start, end, speed, is_reversed=True),))


def _parts(start: float, end: float, count: int) -> list[tuple[float, float]]:
    edges = np.linspace(start, end, count + 1)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _cuts(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    """Parts are cut out: every second of three, five or seven."""
    kept = _parts(start, end, (3, 5, 7)[strength - 1])[::2]
    return Timeline(tuple(Piece(*part) for part in kept))


def _reorder(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    parts = _parts(start, end, (2, 3, 4)[strength - 1])
    order = {2: (1, 0), 3: (2, 0, 1), 4: (2, 0, 3, 1)}[len(parts)]
    return Timeline(tuple(Piece(*parts[place]) for place in order))


def _repeat(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    """The first part plays two, three or four times."""
    count = (2, 3, 4)[strength - 1]
    part = (start, start + max(2.5, (end - start) / count))
    return Timeline(tuple(Piece(*part) for _ in range(count)))


def _stutter(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    """Frames are dropped and others stand still in their place."""
    return Timeline((Piece(start, end),), hold_seconds=(0.5, 1.0, 2.0)[strength - 1])


def _frame_rate(start: float, end: float, strength: int, rng: np.random.Generator) -> Timeline:
    return Timeline((Piece(start, end),), hold_seconds=1 / (8, 5, 3)[strength - 1])


TIME_EDITS: tuple[TimeEdit, ...] = (
    TimeEdit("speed", "speed", _speed),
    TimeEdit("tape_speed", "speed", _tape),
    TimeEdit("reverse", "reverse", _reverse),
    TimeEdit("cuts", "cuts", _cuts),
    TimeEdit("reorder", "cuts", _reorder),
    TimeEdit("repeat", "cuts", _repeat),
    TimeEdit("stutter", "frame rate", _stutter),
    TimeEdit("frame_rate", "frame rate", _frame_rate),
)
