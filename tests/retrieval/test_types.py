import math
from fractions import Fraction

import pytest

from retrieval.types import Classification, LabelScore, Segment, readable, timecode


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [
        (0.0, Fraction(25), "00:00:00:00"),
        (1.48, Fraction(25), "00:00:01:12"),  # frame 37
        (3661.04, Fraction(25), "01:01:01:01"),
        (1001 / 24000 * 24, Fraction(24000, 1001), "00:00:01:00"),  # 24 frames last 1.001 s
        (3600.0, Fraction(30000, 1001), "00:59:56:12"),  # frame 107,892 counted 30 to the second
        (0.5, Fraction(120), "00:00:00:060"),
        (0.999, Fraction(1, 2), "00:00:00:00"),
        (61.2345, None, "00:01:01.234"),
        (61.2345, Fraction(0), "00:01:01.234"),
    ],
)
def test_timecode(seconds: float, rate: Fraction | None, expected: str) -> None:
    assert timecode(seconds, rate) == expected


@pytest.mark.parametrize("bounds", [(-1, 1), (2, 1), (0, math.inf), (math.nan, 1), (0, math.nan)])
def test_segment_refuses_bad_bounds(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="start_seconds"):
        Segment(*bounds)


def test_segment_intersection() -> None:
    assert Segment(0, 4).intersection_seconds(Segment(3, 9)) == 1
    assert Segment(0, 4).intersection_seconds(Segment(4, 9)) == 0
    assert Segment(0, 4).intersection_seconds(Segment(1, 2)) == 1


def test_scores_of_a_group_sum_to_one() -> None:
    scores = (LabelScore("day", 0.7), LabelScore("night", 0.3))
    assert Classification("time", Segment(0, 1), scores).best.label == "day"
    with pytest.raises(ValueError, match="sum to"):
        Classification("time", Segment(0, 1), scores[:1])


def test_readable_replaces_only_what_utf8_cannot_carry() -> None:
    assert readable("film.mp4") == "film.mp4"
    assert readable("街é") == "街é"
    assert readable("a\udcffb") == "a\ufffdb"
