"""What the lengths of groups tell about the encoder that made them."""

import math

import pytest

from retrieval.media.groups import Group, GroupPlan, _regular

FRAME = 1 / 24


def _of_lengths(*frames: int) -> list[Group]:
    """Groups one after the other, and the last one of a film, which tells nothing."""
    lengths = [number * FRAME for number in (*frames, 10)]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    return [Group(start, length, 1000) for start, length in zip(starts, lengths, strict=True)]


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
    assert _regular(_of_lengths(*frames), FRAME) == pytest.approx(expected * FRAME)


def test_no_groups_tell_nothing() -> None:
    assert _regular([], FRAME) == 0.0


def test_all_sync_frames_are_early_where_no_interval_ran_out() -> None:
    groups = _of_lengths(61, 157, 107)
    plan = GroupPlan(
        groups=tuple(groups),
        regular_seconds=_regular(groups, FRAME),
        grid_seconds=None,
        frame_seconds=FRAME,
        places_cuts=True,
    )
    assert plan.is_early(groups[1].start_seconds, groups[2].start_seconds)
    assert not plan.is_dense
