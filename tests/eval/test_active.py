from pathlib import Path

import numpy as np
import pytest

from eval.active import STRATEGIES, ActiveOptions, _needed, _spread, evaluate_active
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from tests.eval.picture_classes import make_classes
from tests.fakes import FakeEncoder

FAST = "anchored-probe"


def options(**changes: object) -> ActiveOptions:
    given = {"num_seeds": 2, "per_step": 2, "max_labels": 6, "adapter": FAST, **changes}
    return ActiveOptions(**given)  # type: ignore[arg-type]


def test_every_order_is_measured_on_the_same_pools(tmp_path: Path) -> None:
    table = evaluate_active(
        FakeEncoder(), make_classes(tmp_path / "colours"), options=options(), cache=tmp_path / "c"
    )
    assert [row[0] for row in table.rows] == list(STRATEGIES)
    assert [column.heading for column in table.columns][1:5] == ["0", "2", "4", "6"]
    starts = {row[1] for row in table.rows}
    assert len(starts) == 1  # the words alone, on the same tests
    assert table.value(0, "ahead") is None
    assert "paired by seed" in table.text()
    again = evaluate_active(
        FakeEncoder(), tmp_path / "colours", options=options(), cache=tmp_path / "c"
    )
    assert again == table


def test_the_queue_finds_rare_classes_sooner(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "colours", num_each=30)
    table = evaluate_active(
        FakeEncoder(), data, options=options(rare=0.1, target=99.0, max_labels=8, num_seeds=3)
    )
    needed = {row[0]: row[-1] for row in table.rows}
    assert needed["queue"] == "0"  # the words of colours are right at once
    assert "keeps 10 %" in table.text()


def test_the_first_step_that_reaches_the_target() -> None:
    means = np.array([10.0, 50.0, 40.0, 60.0])
    assert _needed(means, [0, 8, 16, 24], 50.0) == 8
    assert _needed(means, [0, 8, 16, 24], 70.0) is None


def test_a_few_steps_are_shown_with_the_first_and_the_last() -> None:
    assert _spread(13) == [0, 2, 4, 6, 8, 10, 12]
    assert _spread(3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_seeds": 0}, "seeds"),
        ({"per_step": 9}, "labels a step"),
        ({"adapter": "none"}, "blended-probe"),
        ({"rare": 0}, "rare"),
        ({"target": 101.0}, "percent"),
    ],
)
def test_bad_options_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        options(**changes)


def test_data_that_cannot_do(tmp_path: Path) -> None:
    data = make_classes(tmp_path / "colours")
    with pytest.raises(InvalidInputError, match="the pool has 12 pictures"):
        evaluate_active(FakeEncoder(), data, options=options(max_labels=13))
    with pytest.raises(NotFoundError):
        evaluate_active(FakeEncoder(), tmp_path / "none", options=options())
    with pytest.raises(OperationCancelled):
        evaluate_active(FakeEncoder(), data, options=options(), should_stop=lambda: True)
