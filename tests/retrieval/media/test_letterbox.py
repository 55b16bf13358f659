"""Bars are found where they are sure, and dark pictures are left alone."""

from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.media.frames import sampled_frames
from retrieval.media.letterbox import Box, common_box, crop_bars, find_bars
from tests import films

WHOLE = Box(0, 108, 0, 192)


@pytest.fixture(scope="module")
def picture() -> films.Image:
    return films.moving_shot(3, 1)[0]


def _barred(
    image: films.Image, *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0
) -> films.Image:
    result = image.copy()
    result[:top] = 0
    result[len(result) - bottom :] = 0
    result[:, :left] = 0
    result[:, result.shape[1] - right :] = 0
    return result


def test_no_bars(picture: films.Image) -> None:
    assert find_bars(picture) == WHOLE


@pytest.mark.parametrize(
    ("bars", "box"),
    [
        ({"top": 14, "bottom": 14}, Box(14, 94, 0, 192)),
        ({"left": 24, "right": 24}, Box(0, 108, 24, 168)),
        ({"top": 10, "bottom": 11, "left": 20, "right": 20}, Box(10, 97, 20, 172)),
    ],
)
def test_letterbox_pillarbox_and_both(bars: dict[str, int], box: Box, picture: films.Image) -> None:
    assert find_bars(_barred(picture, **bars)) == box


@pytest.mark.parametrize(
    "bars",
    [{"top": 30}, {"top": 30, "bottom": 10}, {"top": 1, "bottom": 1}, {"top": 45, "bottom": 45}],
)
def test_what_is_no_letterbox_is_kept(bars: dict[str, int], picture: films.Image) -> None:
    """One dark side, uneven ones, a line of dirt, a slit."""
    assert find_bars(_barred(picture, **bars)) == WHOLE


def test_dark_pictures_are_kept() -> None:
    black = np.zeros((108, 192, 3), np.uint8)
    assert find_bars(black) == WHOLE
    night = black.copy()
    night[50:60, 90:100] = 255  # a lamp in the dark
    assert find_bars(night) == WHOLE
    rows = np.linspace(0, 1, 54)[:, None, None]
    vignette = np.concatenate([rows, rows[::-1]]) * np.full((108, 192, 3), 60.0)
    assert find_bars(vignette.astype(np.uint8)) == WHOLE


def test_smallest_bars_of_several_pictures_win(picture: films.Image) -> None:
    wide = _barred(picture, top=14, bottom=14)
    darker = _barred(picture, top=20, bottom=20)
    black = np.zeros_like(picture)
    assert common_box([wide, darker, black]) == Box(14, 94, 0, 192)
    assert common_box([wide, picture]) == WHOLE
    assert common_box([black]) == WHOLE


def test_crop_bars_of_a_film(tmp_path: Path) -> None:
    images = films.letterboxed(films.moving_shot(3, 50), bar=14)
    path = films.write_film(tmp_path / "boxed.mp4", images)
    frames = [frame.image for frame in sampled_frames(path, every_seconds=0.5)]
    cropped = crop_bars(frames)
    assert len(cropped) == len(frames)
    heights = {image.shape[0] for image in cropped}
    assert len(heights) == 1
    assert 78 <= heights.pop() <= 84  # a coded edge is soft


def test_each_size_is_cut_for_itself(picture: films.Image) -> None:
    other = films.moving_shot(4, 1, size=(96, 96))[0]
    shapes = [image.shape[:2] for image in crop_bars([_barred(picture, top=14, bottom=14), other])]
    assert shapes == [(80, 192), (96, 96)]
    assert crop_bars([]) == []


def test_real_footage_is_not_cut(carphone: Path, bunny: Path, world: Path) -> None:
    for path in (carphone, bunny):
        frames = [frame.image for frame in sampled_frames(path, every_seconds=1, max_side=320)]
        assert common_box(frames) == Box(0, frames[0].shape[0], 0, frames[0].shape[1])
    space = [frame.image for frame in sampled_frames(world, every_seconds=10, max_side=320)]
    kept = crop_bars(space)[0]
    assert kept.size > 0.8 * space[0].size  # black space is no bar


def test_wrong_arrays() -> None:
    with pytest.raises(InvalidInputError):
        find_bars(np.zeros((4, 4), np.uint8))
    with pytest.raises(InvalidInputError):
        common_box([])
    with pytest.raises(ValueError, match="expected"):
        Box(5, 5, 0, 1)
