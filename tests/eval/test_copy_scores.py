"""Figures and tables from predictions, by hand."""

from pathlib import Path

import pytest

from eval.copy_metrics import CopySegment
from eval.copy_scores import (
    MethodRun,
    Prediction,
    accuracy_table,
    group_tables,
    overall_table,
    read_predictions,
    write_predictions,
)
from eval.copy_sets import CopySet, Label

TRUTH = (
    CopySegment("Q1", "R1", 10, 20, 0, 20),
    CopySegment("Q2", "R2", 0, 10, 30, 40),
)
LABELS = (
    Label("speed", "speed3", 3, 2.0, False, "picture"),
    Label("reverse", "reverse1", 1, 1.0, True, "picture"),
)
DATA = CopySet(
    kind="attacks",
    queries={name: Path(f"{name}.mp4") for name in ("Q1", "Q2", "Q3")},
    references={name: Path(f"{name}.mp4") for name in ("R1", "R2", "R3")},
    truth=TRUTH,
    labels=LABELS,
)


def run(*predictions: Prediction, name: str = "ours", **options: object) -> MethodRun:
    return MethodRun(name, predictions, 0.5, 30.0, **options)  # type: ignore[arg-type]


GOOD = Prediction(CopySegment("Q1", "R1", 10.5, 20, 1, 20, 0.9), speed=1.96)
WEAK = Prediction(CopySegment("Q2", "R2", 0, 10, 30, 40, 0.4), speed=1.0, is_reversed=True)
FALSE = Prediction(CopySegment("Q3", "R1", 0, 10, 0, 10, 0.8), speed=1.0)


def test_perfect() -> None:
    perfect = run(*(Prediction(item, 1.0) for item in TRUTH))
    table = overall_table(DATA, [perfect], query_seconds=60.0)
    assert [table.value(0, key) for key in ("pair_ap", "segment_ap", "f_macro", "recall")] == [
        pytest.approx(1.0)
    ] * 4
    assert table.value(0, "num_false") == 0
    assert table.value(0, "real_time") == 2.0


def test_default_threshold_decides_what_counts_as_found() -> None:
    table = overall_table(DATA, [run(GOOD, WEAK)], query_seconds=60.0)
    assert table.value(0, "pair_ap") == 1.0  # ranks every pair
    assert table.value(0, "recall") == 0.5  # shows one


def test_false_pairs_on_distractors_are_told() -> None:
    wrong = Prediction(CopySegment("Q1", "R2", 0, 10, 0, 10, 0.6))
    table = overall_table(DATA, [run(GOOD, FALSE, wrong)], query_seconds=60.0)
    assert table.value(0, "num_false") == 2
    assert table.value(0, "num_false_distractors") == 1


def test_sliver_is_not_found() -> None:
    sliver = Prediction(CopySegment("Q1", "R1", 10, 12, 0, 4, 0.9))
    assert overall_table(DATA, [run(sliver)], query_seconds=60.0).value(0, "recall") == 0.0


def test_wrong_place_of_the_reference_is_not_found() -> None:
    wrong = Prediction(CopySegment("Q1", "R1", 10, 20, 40, 60, 0.9))
    assert overall_table(DATA, [run(wrong)], query_seconds=60.0).value(0, "recall") == 0.0


def test_groups() -> None:
    tables = group_tables(DATA, [run(GOOD, WEAK, FALSE)])
    assert [[row[0] for row in table.rows] for table in tables[1:]] == [["1", "3"], ["picture"]]
    table = tables[0]
    assert [row[0] for row in table.rows] == ["reverse", "speed"]
    assert table.value(1, "recall_0") == 1.0
    assert table.value(0, "recall_0") == 0.0
    # In the family's list: FALSE with 10 s at 0.8, then WEAK with 10 s at 0.4, all of it true.
    assert table.value(0, "ap_0") == pytest.approx(0.5)


def test_accuracy() -> None:
    table = accuracy_table(DATA, [run(GOOD, WEAK)])
    assert table.value(0, "num") == 1
    assert table.value(0, "speed_median") == pytest.approx(2.0)
    assert table.value(0, "speed_near") == 100.0
    assert table.value(0, "bound_median") == pytest.approx(0.25)
    assert table.value(0, "within_second") == 100.0
    assert table.value(0, "is_reversed") == 100.0


def test_accuracy_without_finds_is_absent() -> None:
    table = accuracy_table(DATA, [run()])
    assert table.value(0, "speed_median") is None
    assert table.value(0, "bound_p95") is None


def test_missing_method_has_no_figures() -> None:
    missing = MethodRun("theirs", (), 1.0, 0.0, notes=("not installed",), is_missing=True)
    table = overall_table(DATA, [run(GOOD), missing], query_seconds=60.0)
    assert set(table.rows[1][1:]) == {None}
    assert "theirs: not installed" in table.notes
    assert len(accuracy_table(DATA, [run(GOOD), missing]).rows) == 1


def test_overlapping_predictions_do_not_add_up() -> None:
    sliver = Prediction(CopySegment("Q1", "R1", 10, 12, 0, 4, 0.9))
    table = overall_table(DATA, [run(sliver, sliver)], query_seconds=60.0)
    assert table.value(0, "recall") == 0.0


def test_predictions_survive_the_file(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.csv", run(WEAK, GOOD))
    assert read_predictions(tmp_path / "a.csv") == (GOOD, WEAK)
    head = (tmp_path / "a.csv").read_text().splitlines()[0]
    assert head.startswith("query_id,ref_id,score,query_start,query_end,ref_start,ref_end")
