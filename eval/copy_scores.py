"""Scores of one method on a copy data set, from its predictions: the figures and their tables.

`Prediction`s come from Sceneprint or a peer alike, so every row of a table is computed the same
way. A method's default threshold is what its users get without an option.
"""

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eval.copy_metrics import (
    CopySegment,
    SegmentF,
    covered_seconds,
    pair_ap,
    segment_ap,
    vcsl_f,
)
from eval.copy_sets import CopySet, Label
from eval.table import Cell, Column, Table

__all__ = [
    "MethodRun",
    "Prediction",
    "accuracy_table",
    "group_tables",
    "overall_table",
    "read_predictions",
    "write_predictions",
]

PREDICTION_COLUMNS = (
    *("query_id", "ref_id", "score", "query_start", "query_end", "ref_start", "ref_end"),
    *("speed", "is_reversed"),
)
MIN_SHARE = 0.25
"""Share of a true segment that predictions must cover, on both sides, for it to be found."""


@dataclass(frozen=True)
class Prediction:
    """One predicted segment; `speed` None where a method does not tell."""

    segment: CopySegment
    speed: float | None = None
    is_reversed: bool = False


@dataclass(frozen=True)
class MethodRun:
    """All that a method predicted on a data set.

    Attributes:
        name: For the table.
        predictions: Of all queries, down to the lowest score that the method gives.
        threshold: Its default threshold; predictions at or above it are what a user sees.
        seconds: Wall time of all queries together.
        ingest_seconds: Wall time of preparing the references.
        notes: What a reader should know.
        has_segments: Whether it predicts times, not just videos.
    """

    name: str
    predictions: tuple[Prediction, ...]
    threshold: float
    seconds: float
    ingest_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    has_segments: bool = True
    is_missing: bool = False
    """It is not installed; its row has no figures."""
    failures: dict[str, str] = field(default_factory=dict)
    """Query id -> what went wrong, for queries that gave an error."""

    @property
    def segments(self) -> list[CopySegment]:
        """All predicted segments."""
        return [item.segment for item in self.predictions]

    @property
    def shown(self) -> list[Prediction]:
        """Predictions at or above the default threshold."""
        return [item for item in self.predictions if item.segment.score >= self.threshold]


# --- tables

OVERALL = (
    Column("method", "Method"),
    Column("pair_ap", "μAP", ".3f"),
    Column("segment_ap", "Segment AP", ".3f"),
    Column("f_macro", "F macro", ".3f"),
    Column("f_micro", "F micro", ".3f"),
    Column("recall", "Recall", ".3f"),
    Column("num_false", "False pairs"),
    Column("num_false_distractors", "of them on distractors"),
    Column("seconds", "Seconds", ".0f"),
    Column("real_time", "× real time", ".1f"),
)


def overall_table(data: CopySet, runs: Sequence[MethodRun], *, query_seconds: float) -> Table:
    """One row a method.

    Recall is the share of true segments found at the default threshold; false pairs are pairs of
    videos at or above it that share nothing, those on distractors have a query without any copy
    or a reference that nothing copies.
    """
    rows = [_overall_row(data, run, query_seconds) for run in runs]
    notes = [f"{run.name}: {note}" for run in runs for note in run.notes]
    copied = sum(item.query_end - item.query_start for item in data.truth)
    notes.insert(
        0,
        f"{len(data.queries)} queries, {query_seconds / 60:.0f} minutes, "
        f"{len(data.references)} references, {len(data.truth)} true segments of "
        f"{copied / 60:.1f} minutes together",
    )
    return Table(f"Copy detection on {data.kind}", OVERALL, tuple(rows), tuple(notes))


def _overall_row(data: CopySet, run: MethodRun, query_seconds: float) -> tuple[Cell, ...]:
    if run.is_missing:
        return (run.name, *([None] * (len(OVERALL) - 1)))
    shown = [item.segment for item in run.shown]
    true = {item.pair for item in data.truth}
    false = {item.pair for item in shown} - true
    copied = {query for query, _ in true}, {ref for _, ref in true}
    on_distractors = sum(q not in copied[0] or r not in copied[1] for q, r in false)
    timed = run.has_segments and not data.is_pictures
    macro = _f(data, shown) if timed else None
    micro = _f(data, shown, is_micro=True) if timed else None
    found = [_is_found(item, shown) for item in data.truth]
    return (
        run.name,
        pair_ap(data.truth, run.segments),
        segment_ap(data.truth, run.segments) if not data.is_pictures else None,
        macro.f1 if macro else None,
        micro.f1 if micro else None,
        float(np.mean(found)) if timed else _pair_recall(true, shown),
        len(false),
        on_distractors,
        run.seconds,
        query_seconds / run.seconds if query_seconds and run.seconds else None,
    )


def _f(data: CopySet, shown: list[CopySegment], *, is_micro: bool = False) -> SegmentF:
    return vcsl_f(data.truth, shown, pairs=data.pairs, is_micro=is_micro)


def _pair_recall(true: set[tuple[str, str]], shown: list[CopySegment]) -> float:
    return len(true & {item.pair for item in shown}) / len(true)


def group_tables(data: CopySet, runs: Sequence[MethodRun]) -> list[Table]:
    """Recall at the default threshold and segment AP by family, strength and what is copied.

    The segment AP of a group is over the queries of the group and those without any copy.
    """
    groups: tuple[tuple[str, str, Callable[[Label], str]], ...] = (
        ("By family of edits", "Family", lambda label: label.family),
        ("By strength", "Strength", lambda label: str(label.strength)),
        ("By what is copied", "Copied", lambda label: label.modalities),
    )
    return [_group_table(data, runs, *group) for group in groups] if data.labels else []


def _group_table(
    data: CopySet,
    runs: Sequence[MethodRun],
    title: str,
    heading: str,
    name: Callable[[Label], str],
) -> Table:
    columns = [Column("group", heading), Column("num", "Segments")]
    for place, run in enumerate(runs):
        columns.append(Column(f"recall_{place}", f"{run.name} recall", ".2f"))
        columns.append(Column(f"ap_{place}", "AP", ".2f"))
    truth: dict[str, list[CopySegment]] = {}
    for item, label in zip(data.truth, data.labels, strict=True):
        truth.setdefault(name(label), []).append(item)
    rows: list[tuple[Cell, ...]] = []
    for group, items in sorted(truth.items()):
        cells = [cell for run in runs for cell in _group_cells(data, run, items)]
        rows.append((group, len(items), *cells))
    return Table(title, tuple(columns), tuple(rows))


def _group_cells(data: CopySet, run: MethodRun, truth: list[CopySegment]) -> list[Cell]:
    queries = {item.query_id for item in truth}
    clean = set(data.queries) - {item.query_id for item in data.truth}
    counted = [s for s in run.segments if s.query_id in queries | clean]
    shown = [item.segment for item in run.shown]
    found = float(np.mean([_is_found(item, shown) for item in truth]))
    return [found, segment_ap(truth, counted)]


ACCURACY = (
    Column("method", "Method"),
    Column("num", "Found"),
    Column("speed_median", "Speed error %", ".2f"),
    Column("speed_p95", "95 %", ".2f"),
    Column("speed_near", "Within 3 % %", ".0f"),
    Column("bound_median", "Bound error s", ".2f"),
    Column("bound_p95", "95 %", ".2f"),
    Column("within_second", "Bounds within 1 s %", ".0f"),
    Column("is_reversed", "Reversal told %", ".0f"),
)


def accuracy_table(data: CopySet, runs: Sequence[MethodRun]) -> Table:
    """Errors of speed and bounds over the true segments that were found.

    A true segment is compared with the shown prediction that covers it best. Bounds are the four
    ends of both sides.
    """
    rows = [_accuracy_row(data, run) for run in runs if run.has_segments and not run.is_missing]
    return Table("Accuracy of what was found", ACCURACY, tuple(rows))


def _accuracy_row(data: CopySet, run: MethodRun) -> tuple[Cell, ...]:
    speeds: list[float] = []
    bounds: list[float] = []
    turns: list[bool] = []
    labels: Sequence[Label | None] = data.labels or [None] * len(data.truth)
    for true, label in zip(data.truth, labels, strict=True):
        best = max(run.shown, key=lambda item: _overlap(true, item.segment), default=None)
        if best is None or _overlap(true, best.segment) <= 0:
            continue
        near = best.segment
        bounds += [abs(a - b) for a, b in zip((*true.query_side, *true.ref_side),
                                              (*near.query_side, *near.ref_side),
                                              strict=True)]  # fmt: skip
        if label is not None and best.speed is not None:
            speeds.append(100 * abs(best.speed / label.speed - 1))
            turns.append(best.is_reversed == label.is_reversed)
    return (
        run.name,
        len(bounds) // 4,
        statistics.median(speeds) if speeds else None,
        float(np.percentile(speeds, 95)) if speeds else None,
        100 * float(np.mean(np.array(speeds) <= 3.0)) if speeds else None,
        statistics.median(bounds) if bounds else None,
        float(np.percentile(bounds, 95)) if bounds else None,
        100 * float(np.mean(np.array(bounds) <= 1.0)) if bounds else None,
        100 * float(np.mean(turns)) if turns else None,
    )


def _overlap(true: CopySegment, found: CopySegment) -> float:
    """Area that both boxes share, as a share of their union; 0 for other videos."""
    if true.pair != found.pair or not true.touches(found):
        return 0.0
    query = min(true.query_end, found.query_end) - max(true.query_start, found.query_start)
    ref = min(true.ref_end, found.ref_end) - max(true.ref_start, found.ref_start)
    areas = [(s.query_end - s.query_start) * (s.ref_end - s.ref_start) for s in (true, found)]
    return query * ref / (sum(areas) - query * ref)


def _is_found(true: CopySegment, shown: Iterable[CopySegment]) -> bool:
    """Whether touching predictions cover enough of both sides."""
    touching = [item for item in shown if item.pair == true.pair and true.touches(item)]
    for start, end, sides in (
        (*true.query_side, [item.query_side for item in touching]),
        (*true.ref_side, [item.ref_side for item in touching]),
    ):
        inside = covered_seconds((max(start, a), min(end, b)) for a, b in sides)
        if inside < MIN_SHARE * (end - start) or not sides:
            return False
    return True


# --- files


def write_predictions(path: Path, run: MethodRun) -> None:
    """Write the predictions as VSC CSV, with the speed after its columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(PREDICTION_COLUMNS)
        for item in sorted(run.predictions, key=lambda item: -item.segment.score):
            one = item.segment
            times = [f"{t:.3f}" for t in (*one.query_side, *one.ref_side)]
            speed = "" if item.speed is None else f"{item.speed:.4f}"
            row = [one.query_id, one.ref_id, f"{one.score:.6f}", *times, speed]
            writer.writerow([*row, int(item.is_reversed)])


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read predictions back."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Prediction(
                CopySegment(
                    row["query_id"],
                    row["ref_id"],
                    *(float(row[name]) for name in (*PREDICTION_COLUMNS[3:7], "score")),
                ),
                float(row["speed"]) if row.get("speed") else None,
                row.get("is_reversed") == "1",
            )
            for row in csv.DictReader(file)
        )
