"""What names of pictures mean, and frames against seconds."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from retrieval.label_files import Moment
from retrieval.label_films import FilmFinder, FrameClock, picture_names
from tests.retrieval.label_files.samples import film

VIDEO = film("night.mp4").video


@pytest.mark.parametrize(
    ("name", "film", "moment"),
    [
        ("night@4.8.png", "night", Moment(seconds=4.8)),
        ("night.mp4@4.8s.jpg", "night.mp4", Moment(seconds=4.8)),
        ("night_000120.png", "night", Moment(frame=120)),
        ("night-frame-7.jpeg", "night", Moment(frame=7)),
        ("night2_frame000007.png", "night2", Moment(frame=7)),
        ("night.mp4_7", "night.mp4", Moment(frame=7)),
        ("night/frame_000120.png", "night", Moment(frame=120)),
        ("night/000120.png", "night", Moment(frame=120)),
        ("C:\\films\\night\\12.png", "night", Moment(frame=12)),
    ],
)
def test_picture_names(name: str, film: str, moment: Moment) -> None:
    assert (film, moment) in list(picture_names(name))


@pytest.mark.parametrize("name", ["", "night.png", "/", "@", "night@x.png"])
def test_other_names_mean_nothing(name: str) -> None:
    assert list(picture_names(name)) == []


def test_a_name_that_could_be_a_frame_is_a_film_where_there_is_one() -> None:
    finder = FilmFinder([VIDEO, film("take_2.mp4").video], base=Path("/films"))
    assert finder.film("take_2") is not None
    assert finder.picture("take_2_0005.png") == (finder.film("take_2"), Moment(frame=5))
    assert finder.picture("other_0005.png") is None


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001), Fraction(60000, 1001)])
def test_frames_and_seconds_go_both_ways(rate: Fraction) -> None:
    clock = FrameClock(replace(VIDEO, frame_rate=rate))
    for number in (0, 1, 99, 100_000):
        seconds = clock.seconds(Moment(frame=number))
        assert seconds == pytest.approx(number / float(rate))
        assert clock.frame(seconds) == number
        assert clock.after(Moment(frame=number)) == clock.seconds(Moment(frame=number + 1))


def test_timecode_counts_frames_at_the_nominal_rate() -> None:
    clock = FrameClock(replace(VIDEO, frame_rate=Fraction(24000, 1001)))
    assert clock.seconds(Moment(timecode=(10, 12))) == pytest.approx(252 * 1001 / 24000)


def test_milliseconds_where_the_rate_is_unknown() -> None:
    clock = FrameClock(replace(VIDEO, frame_rate=None))
    assert clock.seconds(Moment(frame=1500)) == 1.5
