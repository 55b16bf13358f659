from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from retrieval.media.frames import sampled_frames
from retrieval.media.inner_frames import find_inner_frames, overlap
from retrieval.types import Box
from tests.films import moving_shot

Images = list[NDArray[np.uint8]]


def shot(seed: int) -> Images:
    return moving_shot(seed, 50, size=(320, 180))[::5]


def pasted(ground: Images, patch: Images, box: Box) -> Images:
    made = []
    for below, above in zip(ground, patch, strict=True):
        height, width = below.shape[:2]
        left, top = round(box.left * width), round(box.top * height)
        size = round((box.right - box.left) * width), round((box.bottom - box.top) * height)
        image = below.copy()
        image[top : top + size[1], left : left + size[0]] = np.asarray(
            Image.fromarray(above).resize(size)
        )
        made.append(image)
    return made


@pytest.mark.parametrize(
    "box",
    [
        Box(0.55, 0.5, 0.95, 0.9),  # in a corner
        Box(0.1, 0.1, 0.9, 0.9),  # within a border
        Box(0.0, 0.3, 1.0, 0.7),  # between blurred sides
    ],
)
def test_a_film_within_a_film_is_found(box: Box) -> None:
    found = find_inner_frames(pasted(shot(4), shot(9), box))
    assert found
    assert max(overlap(box, one) for one in found) > 0.85


def test_both_halves_of_a_stack_are_found() -> None:
    stacked = pasted(shot(4), shot(9), Box(0.0, 0.0, 0.5, 1.0))
    found = find_inner_frames(stacked)
    for half in (Box(0.0, 0.0, 0.5, 1.0), Box(0.5, 0.0, 1.0, 1.0)):
        assert max(overlap(half, one) for one in found) > 0.9


def test_plain_footage_has_no_inner_frame(bikes: Path, world: Path) -> None:
    assert find_inner_frames(shot(4)) == []
    for path in (bikes, world):
        images = [f.image for f in sampled_frames(path, every_seconds=0.5, end=5.0, max_side=320)]
        assert find_inner_frames(images) == []


def test_a_still_picture_or_too_few_pictures_tell_nothing() -> None:
    made = pasted(shot(4), shot(9), Box(0.5, 0.5, 1.0, 1.0))
    assert find_inner_frames([made[0]] * 8) == []
    assert find_inner_frames(made[:2]) == []
