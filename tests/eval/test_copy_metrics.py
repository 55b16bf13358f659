"""Hand-computed values of the copy measures."""

from math import sqrt

import pytest

from eval.copy_metrics import CopySegment, covered_seconds, pair_ap, segment_ap, vcsl_f

TRUE = CopySegment("q", "r", 10, 20, 100, 110)


def seg(
    start: float,
    end: float,
    ref_start: float,
    ref_end: float,
    *,
    score: float = 1.0,
    query: str = "q",
    ref: str = "r",
) -> CopySegment:
    return CopySegment(query, ref, start, end, ref_start, ref_end, score)


@pytest.mark.parametrize(
    ("sides", "seconds"),
    [
        ([], 0.0),
        ([(0, 10), (2, 3), (4, 5)], 10.0),
        ([(2, 3), (0, 1.5), (2.5, 4)], 3.5),
        ([(0, 1), (1, 2)], 2.0),
        ([(5, 5)], 0.0),
    ],
)
def test_covered_seconds(sides: list[tuple[float, float]], seconds: float) -> None:
    assert covered_seconds(sides) == seconds


def test_segments_check_themselves() -> None:
    with pytest.raises(ValueError, match="starts before ends"):
        seg(2, 1, 0, 1)
    with pytest.raises(ValueError, match="finite"):
        seg(0, 1, 0, float("inf"))


# --- pairs


def test_pair_ap_perfect() -> None:
    assert pair_ap([TRUE], [seg(0, 1, 0, 1)]) == 1.0  # only the pair counts


def test_pair_ap_takes_the_best_segment_of_a_pair() -> None:
    found = [
        seg(0, 1, 0, 1, score=0.9),
        seg(0, 1, 0, 1, score=0.1),
        seg(0, 1, 0, 1, score=0.5, ref="x"),
    ]
    assert pair_ap([TRUE], found) == 1.0


def test_pair_ap_wrong_video_first() -> None:
    truth = [TRUE, seg(0, 1, 0, 1, query="p")]
    found = [
        seg(0, 1, 0, 1, score=0.9, ref="x"),
        seg(0, 1, 0, 1, score=0.8),
        seg(0, 1, 0, 1, score=0.7, query="p"),
    ]
    assert pair_ap(truth, found) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("order", [1, -1])
def test_pair_ap_ties_do_not_depend_on_order(order: int) -> None:
    found = [seg(0, 1, 0, 1, score=0.5), seg(0, 1, 0, 1, score=0.5, ref="x")][::order]
    assert pair_ap([TRUE], found) == 0.5


def test_pair_ap_nothing_found() -> None:
    assert pair_ap([TRUE], []) == 0.0


# --- segments of vsc2022


def test_segment_ap_perfect() -> None:
    assert segment_ap([TRUE], [TRUE]) == pytest.approx(1.0)


def test_segment_ap_nothing_found() -> None:
    assert segment_ap([TRUE], []) == 0.0


def test_segment_ap_split_in_two_is_as_good_as_whole() -> None:
    found = [seg(10, 14, 100, 104, score=0.9), seg(14, 20, 104, 110, score=0.3)]
    assert segment_ap([TRUE], found) == pytest.approx(1.0)


def test_segment_ap_half_overlap() -> None:
    # Half of the claim is true on either side, and half of the truth is reached.
    assert segment_ap([TRUE], [seg(15, 25, 105, 115)]) == pytest.approx(0.5 * 0.5)


def test_segment_ap_sides_count_by_geometric_mean() -> None:
    # All of the query side, a fifth of the reference side; nothing false is claimed.
    found = [seg(10, 20, 100, 102)]
    assert segment_ap([TRUE], found) == pytest.approx(1.0 * sqrt(1.0 * 0.2))


def test_segment_ap_wrong_video() -> None:
    assert segment_ap([TRUE], [seg(10, 20, 100, 110, ref="x")]) == 0.0


def test_segment_ap_wrong_video_before_the_right_one() -> None:
    found = [seg(10, 20, 100, 110, ref="x", score=0.9), seg(10, 20, 100, 110, score=0.8)]
    assert segment_ap([TRUE], found) == pytest.approx(0.5)


def test_segment_ap_right_query_wrong_part_of_the_reference() -> None:
    assert segment_ap([TRUE], [seg(10, 20, 300, 310)]) == 0.0


def test_segment_ap_duplicate_costs_nothing() -> None:
    found = [seg(10, 20, 100, 110, score=0.9), seg(10, 20, 100, 110, score=0.8)]
    assert segment_ap([TRUE], found) == pytest.approx(1.0)


def test_segment_ap_low_false_match_costs_nothing_after_full_recall() -> None:
    found = [seg(10, 20, 100, 110, score=0.9), seg(0, 50, 0, 50, ref="x", score=0.1)]
    assert segment_ap([TRUE], found) == pytest.approx(1.0)


@pytest.mark.parametrize("order", [1, -1])
def test_segment_ap_ties_count_together(order: int) -> None:
    found = [seg(10, 20, 100, 110, score=0.5), seg(10, 20, 100, 110, score=0.5, ref="x")][::order]
    assert segment_ap([TRUE], found) == pytest.approx(0.5)


def test_segment_ap_two_videos_by_hand() -> None:
    # 10 s found of 10 + 30 s, then 15 s more with 15 s beside the truth.
    truth = [TRUE, seg(0, 30, 0, 30, query="p")]
    found = [seg(10, 20, 100, 110, score=0.9), seg(15, 45, 15, 45, score=0.8, query="p")]
    first, second = 10 / 40, 25 / 40
    assert segment_ap(truth, found) == pytest.approx(1.0 * first + 25 / 40 * (second - first))


def test_segment_ap_needs_truth() -> None:
    with pytest.raises(ValueError, match="no true segments"):
        segment_ap([], [TRUE])


# --- VCSL


def test_vcsl_perfect() -> None:
    assert vcsl_f([TRUE], [TRUE]).f1 == pytest.approx(1.0)


def test_vcsl_split_in_two() -> None:
    found = [seg(10, 14, 100, 104), seg(14, 20, 104, 110)]
    assert vcsl_f([TRUE], found).f1 == pytest.approx(1.0)


def test_vcsl_half_overlap_multiplies_both_sides() -> None:
    scores = vcsl_f([TRUE], [seg(15, 25, 105, 115)])
    assert (scores.precision, scores.recall) == pytest.approx((0.25, 0.25))


def test_vcsl_duplicate_counts_twice_in_both_sums() -> None:
    scores = vcsl_f([TRUE], [TRUE, TRUE])
    assert (scores.precision, scores.recall) == pytest.approx((1.0, 1.0))


def test_vcsl_wrong_video_costs_precision_of_its_pair() -> None:
    scores = vcsl_f([TRUE], [TRUE, seg(10, 20, 100, 110, ref="x")])
    assert (scores.precision, scores.recall) == pytest.approx((0.5, 1.0))


def test_vcsl_missed() -> None:
    scores = vcsl_f([TRUE], [])
    assert (scores.precision, scores.recall) == (1.0, 0.0)
    assert scores.f1 == 0.0


def test_vcsl_macro_weighs_queries_and_micro_seconds() -> None:
    truth = [TRUE, seg(0, 90, 0, 90, query="p")]
    found = [TRUE]
    assert vcsl_f(truth, found).recall == pytest.approx(0.5)
    micro = vcsl_f(truth, found, is_micro=True)
    assert micro.recall == pytest.approx((10 / 100) ** 2)
    assert micro.precision == pytest.approx(1.0)


def test_vcsl_pairs_may_be_given() -> None:
    found = [TRUE, seg(10, 20, 100, 110, ref="x")]
    assert vcsl_f([TRUE], found, pairs=[("q", "r")]).precision == pytest.approx(1.0)
    assert vcsl_f([TRUE], [TRUE], pairs=[("q", "r"), ("q", "y")]).f1 == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no pairs"):
        vcsl_f([], [])
