"""Random walks on the unit sphere that stand for the copy descriptors of films.

A film is a chain of shots of 2 to 8 seconds. Shots of one film lie a little to one side of the
sphere, frames of one shot wander from its first frame: neighbours a second apart have a cosine of
about 0.94, shots of one film of about 0.14, films are unrelated. A copy is a stretch of a film with
an edit, which moves all of its frames aside by the same amount, and noise in each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import GRID_HEIGHT, GRID_WIDTH
from retrieval.match_views import QueryView
from retrieval.types import FloatArray

__all__ = ["Planted", "make_query", "walk"]

Rows = NDArray[np.float64]

SHORTEST_SHOT, LONGEST_SHOT = 2.0, 8.0
FILM_WEIGHT = 0.4
STEP = 0.35
"""Length of a second's step beside a unit vector."""
QUERY_STEP_SECONDS = 0.5
COPY_SECONDS = 20.0
SPEEDS = (1.0, 1.0, 1.25, 0.8)
COSINES = (0.6, 0.9)
"""Between a frame and its edited copy, from the heaviest edit to the lightest."""
STEADY_SHARE = 0.8
"""Of the way that a copy's frames are moved, what is the same for all of them."""


@dataclass(frozen=True)
class Planted:
    """A copy in the query.

    Attributes:
        film: Number of the reference.
        query_seconds: Where it starts in the query.
        ref_seconds: Where it starts in the reference.
        speed: Seconds of reference in one second of the query.
    """

    film: int
    query_seconds: float
    ref_seconds: float
    speed: float


def walk(
    seed: int, *, num_frames: int, dim: int, step_seconds: float = 1.0
) -> tuple[NDArray[np.float64], FloatArray]:
    """Make a film.

    Args:
        seed: The same seed gives the same film.
        num_frames: How long.
        dim: Width of the descriptors.
        step_seconds: Time between two frames.

    Returns:
        Times (N,) seconds, and descriptors (N, dim) float32, unit norm.
    """
    rng = np.random.default_rng([seed, 20_000])
    film = FILM_WEIGHT * _unit(np.asarray(rng.standard_normal(dim)))
    shots = []
    reached = 0
    while reached < num_frames:
        length = int(rng.uniform(SHORTEST_SHOT, LONGEST_SHOT) / step_seconds)
        length = min(max(1, length), num_frames - reached)
        steps = rng.standard_normal((length, dim)) * (STEP * np.sqrt(step_seconds / dim))
        steps[0] = _unit(np.asarray(rng.standard_normal(dim))) + film
        shots.append(_unit(np.cumsum(steps, axis=0)))
        reached += length
    times = np.arange(num_frames, dtype=np.float64) * step_seconds
    return times, np.concatenate(shots).astype(np.float32)


def make_query(
    *, num_films: int, film_frames: int, num_frames: int, num_copies: int, dim: int, seed: int
) -> tuple[QueryView, list[Planted]]:
    """Make a query that shows parts of some films, and otherwise what is in none.

    Args:
        num_films: The references are the films of seeds 0 to this.
        film_frames: Frames, a second apart, of each of them.
        num_frames: Of the query, half a second apart.
        num_copies: Spread evenly over the query.
        dim: Width of the descriptors.
        seed: Chooses what is copied.
    """
    rng = np.random.default_rng([seed, 30_000])
    times, vectors = walk(
        1_000_000 + seed,
        num_frames=num_frames,
        dim=dim,
        step_seconds=QUERY_STEP_SECONDS,
    )
    length = int(COPY_SECONDS / QUERY_STEP_SECONDS)
    planted = []
    for number, start in enumerate(np.linspace(0, num_frames - length, num_copies).astype(int)):
        film, speed = int(rng.integers(num_films)), SPEEDS[number % len(SPEEDS)]
        ref_start = float(rng.uniform(0, film_frames - 2 - speed * COPY_SECONDS))
        moments = ref_start + speed * QUERY_STEP_SECONDS * np.arange(length, dtype=np.float64)
        rows = slice(start, start + length)
        vectors[rows] = _edited(_frames_at(film, moments, film_frames, dim), rng)
        planted.append(Planted(film, float(times[start]), ref_start, speed))
    grids = rng.uniform(0, 255, (num_frames, GRID_HEIGHT, GRID_WIDTH)).astype(np.float32)
    view = QueryView(
        times=times,
        vectors=vectors,
        grids=grids,
        side_grids=grids,
        is_plain=np.zeros(num_frames, dtype=bool),
    )
    return view, planted


def _frames_at(
    film: int, moments: NDArray[np.float64], num_frames: int, dim: int
) -> NDArray[np.float64]:
    """What a film shows between its frames: a mean of both."""
    _, vectors = walk(film, num_frames=num_frames, dim=dim)
    before = np.floor(moments).astype(int)
    share = (moments - before)[:, None]
    return _unit((1 - share) * vectors[before] + share * vectors[before + 1])


def _edited(vectors: NDArray[np.float64], rng: np.random.Generator) -> FloatArray:
    cosine = rng.uniform(*COSINES)
    steady = STEADY_SHARE * _unit(np.asarray(rng.standard_normal(vectors.shape[1])))
    loose = np.sqrt(1 - STEADY_SHARE**2) * _unit(rng.standard_normal(vectors.shape))
    moved = cosine * vectors + np.sqrt(1 - cosine**2) * (steady + loose)
    return _unit(moved).astype(np.float32)


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float64)
