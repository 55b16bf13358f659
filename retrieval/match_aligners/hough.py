"""Hough voting: lines with the most votes, then the run along each.

Votes are counted by `match_voting` (Douze, Jégou, Schmid 2010) in windows of the query; each line
is then followed over the whole query, and the largest contiguous sum of evidence is the run.
"""

import numpy as np

from retrieval.match_aligners.base import AlignedRun, Aligner, EvidenceMatrix
from retrieval.match_lines import best_run
from retrieval.match_voting import Pairs, VotingOptions, vote

__all__ = ["HoughAligner"]

NUM_PAIRS = 24
"""Of one query frame."""
REACH_SECONDS = 0.75
MAX_LINES = 60
AROUND_SECONDS = 30.0
"""Query before and after a line's votes in which its run may lie."""


class HoughAligner(Aligner):
    """Votes for lines over windows of the query."""

    name = "hough"

    def _align(self, evidence: EvidenceMatrix, min_gain: float) -> list[AlignedRun]:
        values = evidence.values.copy()
        runs: list[AlignedRun] = []
        for candidate in vote({"": _pairs(evidence)}, options=VotingOptions())[:MAX_LINES]:
            times = candidate.pairs.query_times
            inside = np.flatnonzero(
                (evidence.query_times >= times.min() - AROUND_SECONDS)
                & (evidence.query_times <= times.max() + AROUND_SECONDS)
            )
            rows = slice(int(inside[0]), int(inside[-1]) + 1)
            run = best_run(
                values[rows],
                evidence.query_times[rows],
                evidence.ref_times,
                threshold=0.0,
                reach=REACH_SECONDS,
                near=candidate.line,
                speeds=np.unique(np.append(candidate.line.speed * np.geomspace(0.9, 1.11, 7), 1.0)),
                offset_step=0.25,
            )
            if run is None or run.gain < min_gain or run.last == run.first:
                continue
            first, last = rows.start + run.first, rows.start + run.last
            query = evidence.query_times[first : last + 1]
            moments = run.line.at(query)
            near = np.abs(evidence.ref_times[None, :] - moments[:, None]) <= 2.5
            telling = (np.where(near, values[first : last + 1], 0) > 0).any(axis=1).sum()
            runs.append(
                AlignedRun(run.line, float(query[0]), float(query[-1]), run.gain, int(telling))
            )
            part = values[first : last + 1]
            part[near] = np.minimum(part[near], 0)
        return runs


def _pairs(evidence: EvidenceMatrix) -> Pairs:
    count = min(NUM_PAIRS, evidence.values.shape[1])
    best = np.argpartition(-evidence.values, count - 1, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(best)), count)
    columns = best.ravel()
    kept = evidence.values[rows, columns] > 0
    rows, columns = rows[kept], columns[kept]
    return Pairs(
        rows,
        evidence.query_times[rows],
        evidence.ref_times[columns],
        evidence.values[rows, columns],
    )
