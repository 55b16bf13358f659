"""The encoding benchmark names each runtime, and its figures fit together."""

import pytest

from eval import bench_encode
from retrieval.encoders.runtime import RUNTIMES
from retrieval.errors import InvalidInputError


def test_one_row_a_runtime() -> None:
    table = bench_encode.run(runs=1, batch=2, peer=False)
    assert [str(row[0]).partition(", ")[2] for row in table.rows] == list(RUNTIMES)
    for row in range(len(table.rows)):
        assert all(float(table.value(row, c.key) or 0) > 0 for c in table.columns[1:])


@pytest.mark.parametrize(("runs", "batch"), [(0, 1), (1, 0), (1, 257)])
def test_refuses_odd_numbers(runs: int, batch: int) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        bench_encode.run(runs=runs, batch=batch)
