import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.scenes import SceneOptions, group_scenes, longest_shot
from retrieval.types import FloatArray, Segment, Shot

DIM = 16


def shots(lengths: list[float]) -> list[Shot]:
    ends = np.cumsum(lengths)
    return [
        Shot(0, "v", number, Segment(float(end - length), float(end)), 0, 1, 0.0)
        for number, (length, end) in enumerate(zip(lengths, ends, strict=True))
    ]


def kinds(names: str) -> FloatArray:
    """One axis a letter: the same letter has cosine 1, others 0."""
    return np.stack([np.eye(DIM, dtype=np.float32)[ord(name) - ord("A")] for name in names])


def scene_numbers(names: str, *, seconds: float = 3.0, **options: float) -> list[int]:
    numbered, _ = group_scenes(
        shots([seconds] * len(names)),
        kinds(names),
        options=SceneOptions(**options),  # type: ignore[arg-type]
    )
    return [shot.scene_number for shot in numbered]


def test_like_shots_are_one_scene() -> None:
    assert scene_numbers("AAABBC") == [0, 0, 0, 1, 1, 2]


def test_shot_and_counter_shot_are_one_scene() -> None:
    assert scene_numbers("ABABCCD") == [0, 0, 0, 0, 1, 1, 2]


def test_an_insert_stays_inside() -> None:
    assert scene_numbers("AABAA") == [0, 0, 0, 0, 0]


def test_a_late_return_is_a_new_scene() -> None:
    assert scene_numbers("ABCDA", seconds=20.0) == [0, 1, 2, 3, 4]


def test_links_reach_only_so_many_shots() -> None:
    assert scene_numbers("ABCDA", window_shots=4) == [0] * 5
    assert scene_numbers("ABCDA", window_shots=3) == [0, 1, 2, 3, 4]


def test_a_scene_ends_in_time() -> None:
    assert scene_numbers("AAAAAA", seconds=10.0, max_seconds=30.0) == [0, 0, 0, 1, 1, 1]


def test_scenes_say_where_they_are() -> None:
    numbered, scenes = group_scenes(shots([1.0, 4.0, 2.0]), kinds("AAB"))
    assert [(scene.first_shot, scene.last_shot) for scene in scenes] == [(0, 1), (2, 2)]
    assert scenes[0].segment == Segment(0.0, 5.0)
    assert longest_shot(numbered, scenes[0]) == 1


def test_none_and_few() -> None:
    assert group_scenes([], None) == ([], [])
    assert group_scenes([], np.empty((0, DIM), np.float32)) == ([], [])
    assert len(group_scenes(shots([1.0]), kinds("A"))[1]) == 1
    assert len(group_scenes(shots([1.0, 1.0]), None)[1]) == 2
    with pytest.raises(ValueError, match="2 shots"):
        group_scenes(shots([1.0, 1.0]), kinds("A"))


@given(
    st.lists(st.tuples(st.sampled_from("ABCD"), st.floats(0.04, 400.0)), min_size=1, max_size=40)
)
def test_every_shot_is_in_one_scene_and_scenes_follow_each_other(
    items: list[tuple[str, float]],
) -> None:
    given_shots = shots([length for _, length in items])
    numbered, scenes = group_scenes(given_shots, kinds("".join(name for name, _ in items)))
    expected = [
        number for scene in scenes for number in range(scene.first_shot, scene.last_shot + 1)
    ]
    assert expected == list(range(len(items)))
    assert [shot.scene_number for shot in numbered] == [
        scene.number for scene in scenes for _ in range(scene.first_shot, scene.last_shot + 1)
    ]
    longest = SceneOptions().max_seconds
    for scene in scenes:
        assert scene.first_shot == scene.last_shot or scene.segment.duration_seconds <= longest
