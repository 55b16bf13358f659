from dataclasses import replace

import numpy as np

from retrieval.match_calibration import Calibration, Signs, load_calibration, num_distinct

SURE = Signs(
    layout=0.9,
    evidence=0.9,
    lead=0.8,
    num_frames=20,
    num_distinct=5,
    seconds=10.0,
    is_turned=False,
)


def test_the_shipped_numbers_tell_a_copy_from_likeness() -> None:
    calibration = load_calibration()
    likeness = replace(SURE, layout=None, evidence=0.5, lead=-0.05, num_frames=6, seconds=3.0)
    assert calibration.probability(SURE) > 0.95
    assert calibration.probability(likeness) < calibration.default_score


def test_more_of_a_sign_never_makes_a_copy_less_likely() -> None:
    calibration = load_calibration()
    weak = replace(SURE, layout=0.6, evidence=0.3, lead=0.1, num_frames=6, num_distinct=2)
    base = calibration.probability(weak)
    for change in ({"layout": 0.8}, {"evidence": 0.6}, {"lead": 0.5}, {"num_distinct": 6}):
        assert calibration.probability(replace(weak, **change)) >= base


def test_a_score_stands_for_the_bound_at_its_level() -> None:
    made = Calibration((), 0.0, ((0.1, 8.0, 9.0), (0.5, 0.5, 2.0)), 0.5)
    assert made.false_matches_per_hour(0.05) is None
    assert made.false_matches_per_hour(0.3) == 9.0
    assert made.false_matches_per_hour(0.7) == 2.0


def test_distinct_pictures_are_counted_along_the_run() -> None:
    one, other, flat = np.eye(3, dtype=np.float32)
    layouts = np.stack([one, one, other, other, one, 0 * flat])
    assert num_distinct(layouts) == 3
