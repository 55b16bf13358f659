"""Measures of copy detection as the field defines them, over copied segments.

`pair_ap` and `segment_ap` are the descriptor and the matching track of the Meta video similarity
challenge (vsc2022; Pizzi et al., "The 2023 Video Similarity Dataset and Challenge"), `vcsl_f` the
segment-level F of VCSL (He et al., CVPR 2022). Segments of one query and one reference are boxes
in a plane of two times; what counts is how much of either side is covered, not how many boxes
there are. Numbers and strings alone: nothing here reads a file.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from eval.metrics import micro_average_precision

__all__ = ["CopySegment", "SegmentF", "covered_seconds", "pair_ap", "segment_ap", "vcsl_f"]

Side = tuple[float, float]
Pair = tuple[str, str]


@dataclass(frozen=True)
class CopySegment:
    """A stretch of a query that shows a stretch of a reference, true or predicted."""

    query_id: str
    ref_id: str
    query_start: float
    query_end: float
    ref_start: float
    ref_end: float
    score: float = 1.0

    def __post_init__(self) -> None:
        numbers = (*self.query_side, *self.ref_side, self.score)
        ordered = self.query_start <= self.query_end and self.ref_start <= self.ref_end
        if not (all(map(math.isfinite, numbers)) and ordered):
            raise ValueError(f"got {self}, expected finite numbers and starts before ends")

    @property
    def pair(self) -> Pair:
        """The two videos."""
        return self.query_id, self.ref_id

    @property
    def query_side(self) -> Side:
        """Start and end in the query."""
        return self.query_start, self.query_end

    @property
    def ref_side(self) -> Side:
        """Start and end in the reference."""
        return self.ref_start, self.ref_end

    def touches(self, other: "CopySegment") -> bool:
        """Whether the boxes share an area: both sides overlap by more than nothing."""
        return bool(
            min(self.query_end, other.query_end) > max(self.query_start, other.query_start)
            and min(self.ref_end, other.ref_end) > max(self.ref_start, other.ref_start)
        )


def covered_seconds(sides: Iterable[Side]) -> float:
    """Length of the union of intervals."""
    total, reach = 0.0, -math.inf
    for start, end in sorted(sides):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


# --- vsc2022


def pair_ap(truth: Iterable[CopySegment], found: Iterable[CopySegment]) -> float:
    """μAP over pairs of videos: the descriptor track of vsc2022.

    A pair scores what its best segment scores. Pairs of one score count together; vsc2022 takes
    them in the order of the file, which a file's author could bend to his favour.

    Raises:
        ValueError: there is no truth.
    """
    best: dict[Pair, float] = {}
    for item in found:
        best[item.pair] = max(best.get(item.pair, -math.inf), item.score)
    true = {item.pair for item in truth}
    is_correct = [pair in true for pair in best]
    return micro_average_precision(list(best.values()), is_correct, num_true=len(true))


def segment_ap(truth: Sequence[CopySegment], found: Iterable[CopySegment]) -> float:
    """The matching track of vsc2022: average precision over covered time.

    Predictions come in by falling score, those of one score together. After each step the covered
    time of all pairs is summed on either side: precision is `sqrt(P_query * P_ref)`, recall
    `sqrt(R_query * R_ref)`, and the result `sum_i P_i (R_i - R_{i-1})`. A true segment counts as
    reached only once a prediction touches it on both sides at once, so the right stretch of the
    query with the wrong one of the reference earns nothing; it counts towards the recall's total
    from the start.

    Raises:
        ValueError: there is no truth, or it has no length.
    """
    planes: dict[Pair, _Plane] = defaultdict(_Plane)
    for item in truth:
        planes[item.pair].true.append(item)
    totals = [sum(plane.true_seconds(side) for plane in planes.values()) for side in (0, 1)]
    if min(totals, default=0.0) <= 0:
        raise ValueError("got no true segments of any length, expected at least one")
    reached, claimed, recall, result = [0.0, 0.0], [0.0, 0.0], 0.0, 0.0
    ranked = sorted(found, key=lambda item: -item.score)
    for _, group in groupby(ranked, key=lambda item: item.score):
        for item in group:
            gain = planes[item.pair].add(item)
            for side in (0, 1):
                reached[side] += gain[side][0]
                claimed[side] += gain[side][1]
        now = math.sqrt(reached[0] / totals[0] * reached[1] / totals[1])
        if min(claimed) > 0:
            precision = math.sqrt(reached[0] / claimed[0] * reached[1] / claimed[1])
            result += precision * (now - recall)
        recall = now
    return result


class _Plane:
    """One pair of videos: its true segments and what was predicted so far."""

    def __init__(self) -> None:
        self.true: list[CopySegment] = []
        self._found: list[CopySegment] = []
        self._state = [(0.0, 0.0), (0.0, 0.0)]

    def true_seconds(self, side: int) -> float:
        return covered_seconds(_side(item, side) for item in self.true)

    def add(self, item: CopySegment) -> list[tuple[float, float]]:
        """Add a prediction; by how much reached and claimed time grow, for query and reference."""
        self._found.append(item)
        touched = [true for true in self.true if any(true.touches(one) for one in self._found)]
        gain = []
        for side in (0, 1):
            claims = [_side(one, side) for one in self._found]
            truths = [_side(one, side) for one in touched]
            claimed = covered_seconds(claims)
            shared = claimed + covered_seconds(truths) - covered_seconds([*claims, *truths])
            before = self._state[side]
            gain.append((shared - before[0], claimed - before[1]))
            self._state[side] = (shared, claimed)
        return gain


def _side(item: CopySegment, side: int) -> Side:
    return item.ref_side if side else item.query_side


# --- VCSL


@dataclass(frozen=True)
class SegmentF:
    """VCSL's precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean; 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def vcsl_f(
    truth: Iterable[CopySegment],
    found: Iterable[CopySegment],
    *,
    pairs: Iterable[Pair] | None = None,
    is_micro: bool = False,
) -> SegmentF:
    """VCSL's segment F: covered shares of both sides, multiplied, per pair of videos.

    Within a pair, each prediction is credited with its overlap with the true segments it touches,
    and the sum is divided by the summed length of predictions (precision) or, the other way round,
    of true segments (recall); the shares of both sides are multiplied. A pair with predictions
    alone has precision 0 and recall 1, one with truth alone precision 1 and recall 0.

    Args:
        truth: True segments.
        found: Predictions; scores do not matter, filter before.
        pairs: The pairs that count, as VCSL's split files list them; by default all that either
            side names.
        is_micro: Sum the lengths of all pairs, instead of averaging over the pairs of each query
            and then over the queries (macro, as VCSL reports).

    Raises:
        ValueError: there are no pairs.
    """
    true, predicted = _by_pair(truth), _by_pair(found)
    chosen = sorted(set(pairs) if pairs is not None else true.keys() | predicted.keys())
    if not chosen:
        raise ValueError("got no pairs of videos, expected at least one")
    if is_micro:
        overlaps = [_credits(predicted.get(p, []), true.get(p, [])) for p in chosen]
        return _segment_f([_sums(both[way] for both in overlaps) for way in (0, 1)])
    queries: dict[str, list[SegmentF]] = defaultdict(list)
    for pair in chosen:
        credit = _credits(predicted.get(pair, []), true.get(pair, []))
        queries[pair[0]].append(_segment_f(credit))
    return _mean([_mean(items) for items in queries.values()])


Credit = tuple[float, ...]
"""(seconds of the query credited, its total, seconds of the reference credited, its total)."""


def _by_pair(items: Iterable[CopySegment]) -> dict[Pair, list[CopySegment]]:
    pairs: dict[Pair, list[CopySegment]] = defaultdict(list)
    for item in items:
        pairs[item.pair].append(item)
    return pairs


def _credits(found: list[CopySegment], true: list[CopySegment]) -> list[Credit]:
    """Credit of the predictions by the truth, then of the truth by the predictions."""
    return [_credit(found, true), _credit(true, found)]


def _credit(claims: list[CopySegment], others: list[CopySegment]) -> Credit:
    sums: list[float] = []
    for side in (0, 1):
        shared = 0.0
        for claim in claims:
            start, end = _side(claim, side)
            parts = (_side(other, side) for other in others if claim.touches(other))
            shared += covered_seconds((max(start, a), min(end, b)) for a, b in parts)
        total = sum(end - start for start, end in (_side(claim, side) for claim in claims))
        sums += [shared, total]
    return tuple(sums)


def _sums(credit: Iterable[Credit]) -> Credit:
    return tuple(map(sum, zip(*credit, strict=True)))


def _segment_f(credit: Sequence[Credit]) -> SegmentF:
    return SegmentF(precision=_share(credit[0]), recall=_share(credit[1]))


def _share(credit: Credit) -> float:
    """Product of both sides' shares; 1 where nothing was claimed."""
    query, query_total, ref, ref_total = credit
    if query_total <= 0 and ref_total <= 0:
        return 1.0
    return (query / query_total if query_total else 0.0) * (ref / ref_total if ref_total else 0.0)


def _mean(items: Sequence[SegmentF]) -> SegmentF:
    count = len(items)
    return SegmentF(sum(i.precision for i in items) / count, sum(i.recall for i in items) / count)
