"""The match benchmark on a library of two made films."""

from pathlib import Path

import pytest

from eval import bench_match
from eval.walks import COPY_SECONDS
from retrieval.errors import InvalidInputError


def test_planted_copies_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_match, "_in_own_process", lambda work, *rest: work(*rest))
    monkeypatch.setattr(bench_match, "FILM_FRAMES", 400)
    monkeypatch.setattr(bench_match, "NUM_COPIES", 4)
    table = bench_match.run(
        hours=[2, 1], dim=256, query_seconds=int(8 * COPY_SECONDS), library=tmp_path
    )
    assert [row[0] for row in table.rows] == [1, 2]
    for number in range(2):
        assert table.value(number, "found") in {"3/4", "4/4"}
        assert table.value(number, "false_finds") == 0
        stages = [float(table.value(number, f"{name}_seconds") or 0) for name in STAGES]
        total = float(table.value(number, "total_seconds") or 0)
        assert sum(stages) == pytest.approx(total)
        assert min(stages) > 0
        assert float(table.value(number, "peak_mb") or 0) > 50
        assert float(table.value(number, "index_mb") or 0) > 0.05


STAGES = ("search", "read", "align", "other")


@pytest.mark.parametrize("hours", [[], [0], [-1, 5]])
def test_refuses_odd_numbers(hours: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        bench_match.run(hours=hours)
    with pytest.raises(InvalidInputError, match="expected"):
        bench_match.run(query_seconds=10)


def test_hours_are_read() -> None:
    assert bench_match.parse_hours("10, 100") == [10, 100]
    with pytest.raises(InvalidInputError, match="10,100"):
        bench_match.parse_hours("many")
