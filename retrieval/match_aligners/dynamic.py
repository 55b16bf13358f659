"""Dynamic programming: local alignment after Smith and Waterman 1981, with the slopes of film.

The reference is laid on the query's clock, so that one step of the query goes on by half a step,
one or two of the reference. A path may start anywhere and ends where going on no longer pays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.match_aligners.base import AlignedRun, Aligner, EvidenceMatrix, runs_of_points
from retrieval.types import FloatArray

__all__ = ["DynamicAligner"]

Places = NDArray[np.int64]
REACH_SECONDS = 0.75
"""How far from a moment of the reference a stored frame may be to speak for it."""
SLANT_COST = 0.08
"""Evidence lost with each step that is not one to one."""
MAX_PATHS = 200
DIAGONAL, FAST, SLOW = 1, 2, 3
"""How a cell was reached; 0 where a path begins."""


@dataclass
class _Table:
    totals: FloatArray
    moves: NDArray[np.int8]


class DynamicAligner(Aligner):
    """Smith-Waterman over the clock of the query."""

    name = "dynamic"

    def _align(self, evidence: EvidenceMatrix, min_gain: float) -> list[AlignedRun]:
        grid, nearest = _on_query_clock(evidence)
        table = _filled(grid)
        runs: list[AlignedRun] = []
        free = np.ones(grid.shape, dtype=bool)
        rows, columns = np.nonzero(table.totals >= min_gain)
        order = np.argsort(-table.totals[rows, columns], kind="stable")
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            if not free[row, column]:
                continue
            path = _back(table, row, column, free)
            runs += [run for run in _runs(evidence, nearest, path) if run.gain >= min_gain]
            _close(free, path)
            if len(runs) >= MAX_PATHS:
                break
        return runs


def _on_query_clock(evidence: EvidenceMatrix) -> tuple[FloatArray, Places]:
    """Evidence (Q, T) at steps of the query's clock, and the reference frame (T,) of each."""
    step = evidence.query_step
    clock = np.arange(evidence.ref_times[0], evidence.ref_times[-1] + step, step)
    after = np.clip(np.searchsorted(evidence.ref_times, clock), 0, len(evidence.ref_times) - 1)
    before = np.maximum(after - 1, 0)
    distances = np.abs(evidence.ref_times[np.stack([before, after])] - clock)
    nearest = np.where(distances[0] <= distances[1], before, after)
    grid = np.where(distances.min(axis=0) <= REACH_SECONDS, evidence.values[:, nearest], 0.0)
    return grid.astype(np.float32), nearest


def _filled(grid: FloatArray) -> _Table:
    """Best total of a path that ends in each cell, row by row."""
    totals = np.zeros(grid.shape, np.float32)
    moves = np.zeros(grid.shape, np.int8)
    totals[0] = np.maximum(grid[0], 0)
    for row in range(1, len(grid)):
        above = totals[row - 1]
        choices = np.zeros((4, grid.shape[1]), np.float32)
        choices[DIAGONAL, 1:] = above[:-1]
        choices[FAST, 2:] = above[:-2] - SLANT_COST
        if row > 1:
            half = totals[row - 2, :-1] + 0.5 * (grid[row - 1, :-1] + grid[row - 1, 1:])
            choices[SLOW, 1:] = half - SLANT_COST
        best = choices.argmax(axis=0)
        reached = grid[row] + choices[best, np.arange(grid.shape[1])]
        totals[row] = np.maximum(reached, 0)
        moves[row] = np.where(reached > 0, best, 0)
    return _Table(totals, moves)


def _back(table: _Table, row: int, column: int, free: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The cells of a path, in order, back to where it begins or meets one that is taken."""
    path = [(row, column)]
    while table.moves[row, column] and table.totals[row, column] > 0:
        move = table.moves[row, column]
        if move == SLOW and free[row - 1, column]:
            path.append((row - 1, column))
        row, column = row - (2 if move == SLOW else 1), column - (2 if move == FAST else 1)
        if row < 0 or column < 0 or not free[row, column]:
            break
        path.append((row, column))
    return path[::-1]


def _runs(
    evidence: EvidenceMatrix, nearest: Places, path: list[tuple[int, int]]
) -> list[AlignedRun]:
    rows = np.array([row for row, _ in path], dtype=np.int64)
    columns = nearest[np.array([column for _, column in path])]
    telling = np.flatnonzero(evidence.values[rows, columns] > 0)
    if len(telling) < 2:
        return []
    inside = slice(int(telling[0]), int(telling[-1]) + 1)
    return runs_of_points(evidence, rows[inside], columns[inside])


def _close(free: NDArray[np.bool_], path: list[tuple[int, int]]) -> None:
    """Take a path and what lies within a few steps of it."""
    for row, column in path:
        free[row, max(0, column - 5) : column + 6] = False
