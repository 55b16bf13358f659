"""The builder keeps little, chooses well and leaves no shot without a keyframe."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from retrieval.media.builder import ShotBuilder
from retrieval.media.detector import View
from retrieval.media.frames import Frame
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from tests import films


class _Taken:
    def __init__(self, path: Path) -> None:
        self.samples: list[Frame] = []
        self.keyframes: list[tuple[int, float]] = []
        self.builder = ShotBuilder(
            path,
            rate=Fraction(25),
            max_side=96,
            limits=MediaLimits(),
            on_frame=self.samples.append,
            on_keyframe=lambda number, frame: self.keyframes.append((number, frame.seconds)),
        )


def _view(image: films.Image, seconds: float) -> View:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    return View(round(seconds * 25), Picture(seconds, frame))


@pytest.fixture
def taken(made_film: films.Film) -> _Taken:
    return _Taken(made_film.path)


def test_cuts_close_shots_in_order(taken: _Taken) -> None:
    images = films.moving_shot(1, 8)
    for number, image in enumerate(images):
        taken.builder.sample(_view(image, float(number)))
        if number == 4:
            taken.builder.cut(2.4)  # known late: pictures 3 and 4 belong to the next shot
    shots = taken.builder.finish(8.0)
    assert [(s.start_frame, s.end_frame) for s in shots] == [(0, 60), (60, 200)]
    assert [number for number, _ in taken.keyframes] == [0, 1]
    assert taken.keyframes[0][1] in (0.0, 1.0, 2.0)
    assert taken.keyframes[1][1] >= 3.0
    assert len(taken.samples) == 8


def test_keyframe_is_sharp_and_typical(taken: _Taken) -> None:
    images = [
        films.flat_shot("dark", 1)[0],  # a fade
        *films.moving_shot(1, 3),
        films.moving_shot(9, 1)[0],  # something passes the camera
    ]
    for number, image in enumerate(images):
        taken.builder.sample(_view(image, float(number)))
    taken.builder.finish(5.0)
    assert taken.keyframes[0][1] in (1.0, 2.0, 3.0)


def test_few_pictures_are_held_in_a_long_shot(taken: _Taken) -> None:
    image = films.moving_shot(1, 1)[0]
    for number in range(500):
        taken.builder.sample(_view(image, float(number)))
        assert len(taken.builder._candidates) <= 8
    seconds = [item.frame.seconds for item in taken.builder._candidates]
    assert max(seconds) - min(seconds) > 250  # and they still cover the shot


def test_shot_without_a_sample_gets_one(taken: _Taken) -> None:
    taken.builder.sample(_view(films.moving_shot(1, 1)[0], 0.0))
    taken.builder.cut(2.0)
    taken.builder.keep_spare(_view(films.moving_shot(2, 1)[0], 2.16))
    taken.builder.cut(3.4)
    taken.builder.cut(6.0)  # nothing is known of this one: it is read from the film
    taken.builder.sample(_view(films.moving_shot(3, 1)[0], 7.0))
    shots = taken.builder.finish(8.0)
    assert [seconds for _, seconds in taken.keyframes] == pytest.approx([0.0, 2.16, 4.68, 7.0])
    assert len(shots) == len(taken.samples) == 4


def test_a_cut_at_the_start_or_twice_is_none(taken: _Taken) -> None:
    taken.builder.sample(_view(films.moving_shot(1, 1)[0], 0.0))
    taken.builder.cut(0.0)
    taken.builder.cut(2.0)
    taken.builder.cut(2.0)
    taken.builder.sample(_view(films.moving_shot(1, 1)[0], 2.0))
    assert len(taken.builder.finish(3.0)) == 2


def test_inexact_cut_marks_both_sides(taken: _Taken) -> None:
    for seconds in (0.0, 2.0, 4.0):
        taken.builder.sample(_view(films.moving_shot(1, 1)[0], seconds))
    taken.builder.cut(2.0, is_exact=False)
    taken.builder.cut(4.0)
    assert [shot.is_exact for shot in taken.builder.finish(5.0)] == [False, False, True]
