"""What the lengths of groups tell about the encoder that made them."""

import math
from pathlib import Path

import pytest

from retrieval.media.groups import Group, GroupPlan, _interval, plan_groups
from tests import films

FRAME = 1 / 24


def _of_lengths(*frames: int) -> list[Group]:
    """Groups one after the other, and the last one of a film, which tells nothing."""
    lengths = [number * FRAME for number in (*frames, 10)]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    return [
        Group(start, length, 1000, round(length / FRAME))
        for start, length in zip(starts, lengths, strict=True)
    ]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ((60, 250, 250, 31), 250),  # the interval ran out twice
        ((60, 250, 31), 250),  # once, at x264's own interval
        ((17, 48, 31), 48),  # once, at two seconds
        ((61, 157, 107), math.inf),  # every group was ended by a cut
        ((157, 159, 61), math.inf),  # also where two are nearly of one length
    ],
)
def test_regular_length(frames: tuple[int, ...], expected: float) -> None:
    lengths = [number * FRAME for number in frames]
    assert _interval(lengths, 1.0, FRAME) == pytest.approx(expected * FRAME)
    assert _interval(list(frames), 24.0, 1.0) == pytest.approx(expected)


def test_no_groups_tell_nothing() -> None:
    assert _interval([], 1.0, FRAME) == 0.0


def test_all_sync_frames_are_early_where_no_interval_ran_out() -> None:
    groups = _of_lengths(61, 157, 107)
    plan = GroupPlan(
        groups=tuple(groups),
        regular_seconds=math.inf,
        regular_pictures=math.inf,
        grid_seconds=None,
        frame_seconds=FRAME,
        places_cuts=True,
    )
    assert plan.is_early(2, groups[1].start_seconds, groups[2].start_seconds)
    assert not plan.is_dense


def test_plan_of_a_regular_film(made_film: films.Film) -> None:
    plan = plan_groups(made_film.path)
    assert [round(group.start_seconds, 2) for group in plan.groups] == [0.0, 2.0, 4.0, 6.0]
    assert [group.num_pictures for group in plan.groups] == [50] * 4
    assert plan.regular_seconds == pytest.approx(2.0)
    assert plan.regular_pictures == 50
    assert plan.grid_seconds == pytest.approx(2.0)
    assert not plan.is_early(1, 0.0, 2.0)
    assert plan.spike(1, 2) > 0.5 > plan.spike(3, 4)  # the cut at 3.4 s, and none
    assert plan.spike(99, 100) == math.inf


def test_index_and_packets_agree(films_dir: Path) -> None:
    """MP4 tells by its index, Matroska has to be read."""
    plans = []
    for suffix in (".mp4", ".mkv"):
        film = films.film_with_cuts(
            films_dir / f"plan{suffix}", [30, 45, 60], gop=250, scene_cut=True
        )
        plans.append(plan_groups(film.path))
    for a, b in zip(plans[0].groups, plans[1].groups, strict=True):
        assert a.start_seconds == pytest.approx(b.start_seconds, abs=0.11)
        assert a.num_pictures == b.num_pictures
    assert [group.num_pictures for group in plans[0].groups] == [30, 45, 60]
    assert plans[1].is_early(1, 0.0, 1.2)


def test_interval_in_pictures_of_a_variable_rate(tmp_path: Path) -> None:
    times = [n / 25 if n < 60 else 2.4 + (n - 60) / 10 for n in range(120)]
    path = films.write_film(tmp_path / "vfr.mkv", films.moving_shot(1, 120), gop=30, times=times)
    plan = plan_groups(path)
    assert plan.regular_pictures == 30
    assert not plan.is_early(1, 0.0, 1.2)
