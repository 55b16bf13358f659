import numpy as np
import pytest

from retrieval.match_voting import Pairs, VotingOptions, vote


def pairs(triples: list[tuple[float, float, float]]) -> Pairs:
    """Pairs from (query seconds, ref seconds, weight); frames are half a second apart."""
    query, ref, weight = (
        np.array(column, dtype=np.float64) for column in zip(*triples, strict=True)
    )
    return Pairs((query * 2).astype(np.int64), query, ref, weight.astype(np.float32))


def test_a_line_beats_scattered_pairs() -> None:
    rng = np.random.default_rng(1)
    line = [(q, q + 100.0, 0.5) for q in np.arange(0.0, 8.0, 0.5)]
    noise = [(q, float(rng.uniform(0, 600)), 0.6) for q in np.arange(0.0, 8.0, 0.5)]
    best = vote({"v": pairs(line + noise)}, options=VotingOptions())[0]
    assert best.line.speed == 1.0
    assert best.line.offset_seconds == pytest.approx(100.0, abs=1.0)


def test_speed_is_voted_for() -> None:
    line = [(q, 1.8 * q + 50.0, 1.0) for q in np.arange(0.0, 20.0, 0.5)]
    best = vote({"v": pairs(line)}, options=VotingOptions())[0]
    assert best.line.at(np.array([9.75]))[0] == pytest.approx(1.8 * 9.75 + 50.0, abs=1.0)
    assert 1.6 <= best.line.speed <= 2.0


def test_one_vote_a_query_frame() -> None:
    """A frame that resembles a hundred reference frames weighs no more than one of a copy."""
    still = [(0.0, 300.0 + 0.01 * number, 1.0) for number in range(100)]
    line = [(q, q + 10.0, 1.0) for q in np.arange(0.0, 3.0, 0.5)]
    best = vote({"v": pairs(still + line)}, options=VotingOptions())[0]
    assert best.line.offset_seconds == pytest.approx(10.0, abs=1.0)
    assert best.votes == pytest.approx(6.0)


def test_videos_and_windows_are_kept_apart() -> None:
    first = [(q, q + 10.0, 1.0) for q in np.arange(0.0, 5.0, 0.5)]
    later = [(q, q + 10.0, 0.5) for q in np.arange(100.0, 105.0, 0.5)]
    found = vote({"b": pairs(first), "a": pairs(later)}, options=VotingOptions())
    assert found[0].video_id == "b"
    assert any(item.video_id == "a" for item in found)
    assert vote({}, options=VotingOptions()) == []
