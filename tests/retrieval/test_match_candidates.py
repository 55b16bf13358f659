import numpy as np

from retrieval.match_candidates import Neighbours, rank_candidates
from retrieval.types import FloatArray

TIMES = np.arange(0.0, 60.0, 0.5)


def neighbours(spans: dict[int, tuple[float, float]]) -> tuple[FloatArray, np.ndarray]:
    """Evidence 0.5 for each video within its span of the query, against it elsewhere."""
    values = np.full((len(TIMES), 3), -0.2, dtype=np.float32)
    videos = np.full((len(TIMES), 3), -1, dtype=np.int64)
    for column, (video, (start, end)) in enumerate(spans.items()):
        inside = (start <= TIMES) & (end > TIMES)
        values[inside, column], videos[inside, column] = 0.5, video
    return values, videos


def test_a_part_of_the_query_names_its_video() -> None:
    ((video, start, end, weight),) = rank_candidates(TIMES, *neighbours({7: (20.0, 25.0)}))
    assert video == 7
    assert start < 20.0 < 25.0 < end < 60.0
    assert weight == 5.0


def test_the_longer_one_comes_first() -> None:
    found = rank_candidates(TIMES, *neighbours({1: (0.0, 2.0), 2: (30.0, 40.0)}))
    assert [item[0] for item in found] == [2, 1]


def test_a_frame_counts_once_for_a_video() -> None:
    values, videos = neighbours({1: (0.0, 2.0)})
    values[:4, 1:], videos[:4, 1:] = 0.4, 1
    ((_, _, _, weight),) = rank_candidates(TIMES, values, videos)
    assert weight == 2.0


def test_one_weak_pair_is_not_enough() -> None:
    values, videos = neighbours({1: (0.0, 0.5)})
    assert rank_candidates(TIMES, values * 0.4, videos) == []
    assert rank_candidates(TIMES, np.full_like(values, -0.1), videos) == []


def test_rivals_are_other_videos() -> None:
    values, videos = neighbours({0: (0.0, 10.0), 1: (5.0, 10.0)})
    near = Neighbours(values, videos, ("a", "b"))
    assert near.rival("a", slice(0, 10)) < 0
    assert near.rival("a", slice(10, 20)) == 0.5
