"""Every measure against figures worked out by hand."""

import numpy as np
import pytest

from eval.metrics import (
    Agreement,
    average_precision,
    cut_agreement,
    mean_average_precision,
    median_rank,
    micro_average_precision,
    ranks_of_targets,
    recall_at_k,
    segment_iou,
)


def test_ranks_of_targets() -> None:
    scores = [[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.2, 0.8, 0.3]]
    assert ranks_of_targets(scores, [0, 1, 2]).tolist() == [1, 3, 2]


def test_ranks_of_targets_ties_never_help() -> None:
    assert ranks_of_targets(np.zeros((2, 5)), [0, 4]).tolist() == [5, 5]


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        (np.zeros((2, 3)), [0]),
        (np.zeros(3), [0]),
        (np.zeros((1, 3)), [3]),
        (np.zeros((1, 3)), [-1]),
        ([[np.nan, 1.0]], [1]),
    ],
)
def test_ranks_of_targets_refuses(scores: np.ndarray, targets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"expected|outside"):
        ranks_of_targets(scores, targets)


def test_recall_at_k() -> None:
    ranks = [1, 2, 11, 10]
    assert recall_at_k(ranks, 1) == 0.25
    assert recall_at_k(ranks, 10) == 0.75
    assert median_rank(ranks) == 6.0


@pytest.mark.parametrize(("ranks", "k"), [([], 1), ([0], 1), ([1], 0)])
def test_recall_at_k_refuses(ranks: list[int], k: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        recall_at_k(ranks, k)


def test_average_precision_perfect() -> None:
    assert average_precision([True, True, False]) == 1.0


def test_average_precision_split() -> None:
    # relevant at places 1 and 3: (1/1 + 2/3) / 2
    assert average_precision([True, False, True]) == pytest.approx(5 / 6)


def test_average_precision_counts_what_is_missing() -> None:
    # the same list, but two more relevant items exist: (1/1 + 2/3) / 4
    assert average_precision([True, False, True], num_relevant=4) == pytest.approx(5 / 12)


def test_average_precision_refuses_nothing_relevant() -> None:
    with pytest.raises(ValueError, match="num_relevant"):
        average_precision([False, False])


def test_mean_average_precision() -> None:
    # 1 for the first query, 1/2 for the second
    assert mean_average_precision([[True, False], [False, True]]) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="no queries"):
        mean_average_precision([])


def test_micro_average_precision_perfect() -> None:
    assert micro_average_precision([0.9, 0.8, 0.1], [1, 1, 0], num_true=2) == 1.0


def test_micro_average_precision_split() -> None:
    # sorted: right, wrong, right of 4 true: 1/4 * 1/1 + 1/4 * 2/3
    value = micro_average_precision([0.7, 0.9, 0.8], [1, 1, 0], num_true=4)
    assert value == pytest.approx(0.25 + 0.25 * 2 / 3)


def test_micro_average_precision_one_threshold_for_all_queries() -> None:
    # each query alone is perfect (mAP 1), but the second one's copy scores below the first
    # one's mistake, so a common threshold cannot separate them
    scores = [0.9, 0.8, 0.3, 0.2]
    assert micro_average_precision(scores, [1, 0, 1, 0], num_true=2) == pytest.approx(5 / 6)


@pytest.mark.parametrize("flags", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
def test_micro_average_precision_ties_ignore_order(flags: list[int]) -> None:
    # one right pair among three equal scores: precision 1/3 at recall 1
    assert micro_average_precision([0.5] * 3, flags, num_true=1) == pytest.approx(1 / 3)


def test_micro_average_precision_without_candidates() -> None:
    assert micro_average_precision([], [], num_true=3) == 0.0


@pytest.mark.parametrize(
    ("scores", "flags", "num_true"),
    [([0.1], [1, 0], 1), ([np.nan], [1], 1), ([0.1, 0.2], [1, 1], 1), ([], [], 0)],
)
def test_micro_average_precision_refuses(
    scores: list[float], flags: list[int], num_true: int
) -> None:
    with pytest.raises(ValueError, match="expected"):
        micro_average_precision(scores, flags, num_true=num_true)


def test_segment_iou() -> None:
    table = segment_iou([[0.0, 4.0], [10.0, 10.0]], [[2.0, 6.0], [0.0, 4.0], [10.0, 10.0]])
    np.testing.assert_allclose(table, [[2 / 6, 1.0, 0.0], [0.0, 0.0, 0.0]])


def test_segment_iou_refuses_reversed() -> None:
    with pytest.raises(ValueError, match="end before"):
        segment_iou([[4.0, 0.0]], [[0.0, 1.0]])


def test_cut_agreement() -> None:
    result = cut_agreement([1.0, 2.04, 7.0], [1.02, 2.0, 3.0, 5.0], tolerance_seconds=0.05)
    assert result == Agreement(num_correct=2, num_found=3, num_true=4)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == pytest.approx(1 / 2)
    assert result.f1 == pytest.approx(4 / 7)


def test_cut_agreement_is_one_to_one() -> None:
    assert cut_agreement([1.0, 1.01], [1.0], tolerance_seconds=0.1).num_correct == 1


def test_cut_agreement_pairs_as_many_as_possible() -> None:
    # nearest first would give 1.0 to 1.04 and leave 1.08 alone
    assert cut_agreement([1.0, 1.08], [0.95, 1.04], tolerance_seconds=0.06).num_correct == 2


def test_agreement_of_nothing_is_perfect() -> None:
    nothing = cut_agreement([], [], tolerance_seconds=0.1)
    assert (nothing.precision, nothing.recall, nothing.f1) == (1.0, 1.0, 1.0)


def test_agreement_refuses_more_correct_than_found() -> None:
    with pytest.raises(ValueError, match="num_correct"):
        Agreement(num_correct=2, num_found=1, num_true=3)
