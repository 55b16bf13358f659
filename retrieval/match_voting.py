"""Temporal voting: from pairs of look-alike frames to places where a copy may be.

The cheap first half of copy matching. Each query frame has some nearest reference frames; if a
segment was copied, many of those pairs lie on one line `ref = speed x query + offset`. A Hough
vote over lines (Douze, Jégou, Schmid 2010, IEEE Trans. Multimedia 12(4)) in short windows of the
query finds the lines; the strict second half then looks at the pictures.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.match_lines import Line
from retrieval.types import FloatArray

__all__ = ["Candidate", "Pairs", "VotingOptions", "vote"]

Times = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Look-alike pairs between the query and one reference video.

    Attributes:
        query_places: (P,) int64, which query frame.
        query_times: (P,) float64 seconds.
        ref_times: (P,) float64 seconds.
        weights: (P,) float32, more is more alike.
    """

    query_places: Places
    query_times: Times
    ref_times: Times
    weights: FloatArray

    def select(self, chosen: NDArray[np.bool_] | Places) -> "Pairs":
        """The chosen pairs."""
        return Pairs(
            self.query_places[chosen],
            self.query_times[chosen],
            self.ref_times[chosen],
            self.weights[chosen],
        )


@dataclass(frozen=True)
class Candidate:
    """A line that may be a copy, around one window of the query."""

    video_id: str
    line: Line
    votes: float
    pairs: Pairs
    """Those near the line, best first: where to look."""


@dataclass(frozen=True)
class VotingOptions:
    """How votes are counted.

    Attributes:
        window_seconds: Length of query looked at at once; windows overlap by half. Short enough
            that a coarse speed keeps the line within the tolerance.
        tolerance_seconds: Width of a vote. References may only have a frame every few seconds, so
            a pair says when something was on to within about such a gap.
        speeds: Ratios to vote for.
        lines_per_window: How many lines of one window and video are handed on.
    """

    window_seconds: float = 20.0
    tolerance_seconds: float = 2.0
    speeds: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0)
    lines_per_window: int = 3


def vote(pairs_by_video: dict[str, Pairs], *, options: VotingOptions) -> list[Candidate]:
    """Find the lines with most votes, over all windows and videos, best first."""
    candidates = []
    for video_id, pairs in pairs_by_video.items():
        hop = options.window_seconds / 2
        by_window: dict[int, list[int]] = defaultdict(list)
        for number, window in enumerate((pairs.query_times // hop).astype(int).tolist()):
            by_window[window].append(number)
        for window in sorted({0, *by_window}):
            places = by_window.get(window, []) + by_window.get(window + 1, [])
            if places:
                inside = pairs.select(np.asarray(places))
                candidates += _lines_of_window(video_id, inside, options)
    return sorted(candidates, key=lambda item: (-item.votes, item.video_id))


def _lines_of_window(video_id: str, pairs: Pairs, options: VotingOptions) -> list[Candidate]:
    found: list[Candidate] = []
    remaining = pairs
    for _ in range(options.lines_per_window):
        if len(remaining.weights) == 0:
            break
        line, votes = _best_line(remaining, options)
        near = _near(remaining, line, options.tolerance_seconds)
        inside = remaining.select(near)
        order = np.argsort(-inside.weights, kind="stable")
        found.append(Candidate(video_id, line, votes, inside.select(order)))
        remaining = remaining.select(~near)
    return found


def _best_line(pairs: Pairs, options: VotingOptions) -> tuple[Line, float]:
    """The speed and offset with most votes; one vote a query frame, its best pair's weight.

    With one vote a frame, a still picture that resembles a hundred reference frames has no more
    say than a moving one that resembles one. Offsets are taken at the window's middle, so that
    trying a wrong speed does not shift them.
    """
    middle = float(np.mean(pairs.query_times))
    best = Line(1.0, 0.0), -1.0
    for speed in sorted(options.speeds, key=lambda value: abs(np.log(value))):
        centred = pairs.ref_times - speed * (pairs.query_times - middle)
        for shift in (0.0, 0.5):
            bins = np.floor(centred / options.tolerance_seconds + shift).astype(np.int64)
            votes, bin_number = _fullest(bins, pairs)
            if votes > best[1] * (1.02 if best[1] > 0 else 1.0):
                inside = bins == bin_number
                at_middle = float(np.average(centred[inside], weights=pairs.weights[inside]))
                best = Line(speed, at_middle - speed * middle), votes
    return best


def _fullest(bins: Places, pairs: Pairs) -> tuple[float, int]:
    """Votes of the fullest bin, and which it is: the best pair of each query frame counts."""
    order = np.lexsort((-pairs.weights, pairs.query_places, bins))
    sorted_bins, sorted_places = bins[order], pairs.query_places[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(sorted_bins) != 0) | (np.diff(sorted_places) != 0)
    kept = order[is_first]
    unique, inverse = np.unique(bins[kept], return_inverse=True)
    totals = np.bincount(inverse, weights=pairs.weights[kept])
    fullest = int(np.argmax(totals))
    return float(totals[fullest]), int(unique[fullest])


def _near(pairs: Pairs, line: Line, tolerance: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(pairs.ref_times - line.at(pairs.query_times)) <= tolerance)
