"""Tables show people rounded figures and machines the raw ones."""

import json

import pytest

from eval.table import Column, Table, machine, median_seconds

TABLE = Table(
    title="Speed",
    columns=(Column("what", "What"), Column("speed", "× real time", ".1f")),
    rows=(("fast", 81.26), ("查询", None)),
    notes=("Medians of 3.",),
)


def test_text_aligns_numbers_right_and_wide_characters() -> None:
    lines = TABLE.text().splitlines()
    assert lines == [
        "Speed",
        "",
        "What  × real time",
        "─────────────────",
        "fast         81.3",
        "查询            –",
        "",
        "Medians of 3.",
    ]


def test_dict_keeps_raw_numbers() -> None:
    data = json.loads(json.dumps(TABLE.to_dict()))
    assert data["rows"] == [{"what": "fast", "speed": 81.26}, {"what": "查询", "speed": None}]
    assert TABLE.value(0, "speed") == 81.26


def test_rows_must_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="expected one each"):
        Table(title="", columns=(Column("a", "A"),), rows=((1, 2),))


def test_empty_table_shows_its_headings() -> None:
    assert "A" in Table(title="", columns=(Column("a", "A"),), rows=()).text()


def test_median_seconds_counts_calls() -> None:
    calls: list[int] = []
    assert median_seconds(lambda: calls.append(1), runs=3, warm_up=2) >= 0
    assert len(calls) == 5
    with pytest.raises(ValueError, match="runs"):
        median_seconds(lambda: None, runs=0)


def test_machine_names_cores_and_python() -> None:
    assert "cores" in machine()
    assert "Python 3." in machine()
