"""Temporal network: the heaviest paths through a graph of look-alike pairs.

After Tan, Ngo, Hong, Chua 2009 ("Scalable detection of partial near-duplicate videos by visual-
temporal consistency", ACM Multimedia): each query frame's best reference frames are nodes; an edge
leads from a node to a later one where the reference moved on at an allowed speed. Unlike there,
the weight of a node is evidence that may be taken back by the frames that a jump leaves out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.match_aligners.base import (
    MAX_SPEED,
    MIN_SPEED,
    AlignedRun,
    Aligner,
    EvidenceMatrix,
    runs_of_points,
)

__all__ = ["NetworkAligner"]

Places = NDArray[np.int64]
NUM_NODES = 24
"""Nodes of one query frame."""
MAX_GAP_SECONDS = 2.0
"""Query that a path may jump over, where the reference has a frame a second."""
GAP_COST = 0.25
"""Evidence lost with each query frame jumped over."""
UNSTEADY_COST = 0.25
"""Evidence lost per second by which the reference moved on more or less than the query."""
MIN_TOLERANCE = 0.3
"""Seconds by which sampling may misplace a pair."""
MAX_PATHS = 200


@dataclass
class _Graph:
    """Nodes in order of their query frame, with the best path that ends in each."""

    rows: Places
    columns: Places
    totals: NDArray[np.float64]
    before: Places
    """The node before on that path; -1 where it begins."""


class NetworkAligner(Aligner):
    """Longest paths over the top pairs."""

    name = "network"

    def _align(self, evidence: EvidenceMatrix, min_gain: float) -> list[AlignedRun]:
        graph = _solved(evidence)
        runs: list[AlignedRun] = []
        used = np.zeros(len(graph.rows), dtype=bool)
        for end in np.argsort(-graph.totals, kind="stable"):
            if graph.totals[end] < min_gain or len(runs) >= MAX_PATHS:
                break
            path = _free_path(graph, int(end), used)
            if len(path) < 2:
                continue
            rows, columns = graph.rows[path], graph.columns[path]
            made = [run for run in runs_of_points(evidence, rows, columns) if run.gain >= min_gain]
            if made:
                runs += made
                for run in made:
                    used |= _near(evidence, graph, run)
        return runs


def _solved(evidence: EvidenceMatrix) -> _Graph:
    """Dynamic programming from the first query frame to the last."""
    rows, columns = _nodes(evidence)
    weights = evidence.values[rows, columns].astype(np.float64)
    query, ref = evidence.query_times[rows], evidence.ref_times[columns]
    ref_step = _usual_step(evidence.ref_times)
    tolerance = max(MIN_TOLERANCE, 0.6 * min(1.0, ref_step))
    gap_seconds = max(MAX_GAP_SECONDS, 2.2 * ref_step)
    gap_cost = GAP_COST / max(1.0, ref_step)  # nothing may be stored of what was jumped over
    step = evidence.query_step
    totals, before = weights.copy(), np.full(len(rows), -1, dtype=np.int64)
    starts = np.searchsorted(rows, np.arange(len(evidence.query_times) + 1))
    first = np.searchsorted(query, query - gap_seconds - 1e-6)
    for row in np.unique(rows):
        here = slice(int(starts[row]), int(starts[row + 1]))
        past = slice(int(first[here.start]), here.start)
        if past.start >= past.stop:
            continue
        passed = query[here.start] - query[past]
        moved = ref[here][:, None] - ref[past][None, :]
        allowed = (moved >= MIN_SPEED * passed - tolerance) & (
            moved <= MAX_SPEED * passed + tolerance
        )
        cost = gap_cost * np.maximum(0.0, passed / step - 1.0)
        cost = cost + UNSTEADY_COST * np.maximum(0.0, np.abs(moved - passed) - tolerance)
        # Going back within the tolerance is sampling, not time: it must not pay.
        cost = np.where(moved < -1e-6, cost + 0.1, cost)
        reached = np.where(allowed, totals[past][None, :] - cost, -np.inf)
        best = reached.argmax(axis=1)
        gained = reached[np.arange(len(best)), best]
        better = gained > 0
        totals[here] += np.where(better, gained, 0.0)
        before[here] = np.where(better, past.start + best, -1)
    return _Graph(rows, columns, totals, before)


def _nodes(evidence: EvidenceMatrix) -> tuple[Places, Places]:
    """The pairs with the most evidence of each query frame, by row and then column."""
    values = evidence.values
    count = min(NUM_NODES, values.shape[1])
    best = np.argpartition(-values, count - 1, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(values)), count)
    columns = np.sort(best, axis=1).ravel()
    kept = values[rows, columns] > 0
    return rows[kept].astype(np.int64), columns[kept].astype(np.int64)


def _free_path(graph: _Graph, end: int, used: NDArray[np.bool_]) -> Places:
    """The nodes of a path, in order, back to the first that another path has taken."""
    path = []
    node = end
    while node >= 0 and not used[node]:
        path.append(node)
        node = int(graph.before[node])
    return np.asarray(path[::-1], dtype=np.int64)


def _near(evidence: EvidenceMatrix, graph: _Graph, run: AlignedRun) -> NDArray[np.bool_]:
    """Nodes that say the same again: near a run, within its part of the query."""
    query = evidence.query_times[graph.rows]
    off = np.abs(evidence.ref_times[graph.columns] - run.line.at(query))
    inside = (query >= run.query_start - 1e-6) & (query <= run.query_end + 1e-6)
    return np.asarray(inside & (off <= 2.5))


def _usual_step(times: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.5
