"""Pictures come at the right times, upright, in the right size, and as far as they can be read."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import InvalidInputError, MediaLimitError, NotMediaError, OperationCancelled
from retrieval.media.frames import Frame, frame_at, frames_between, sampled_frames, sync_frames
from retrieval.media.limits import MediaLimits
from tests import films


def _times(frames: Sequence[Frame]) -> list[float]:
    return [round(frame.seconds, 3) for frame in frames]


def _difference(first: films.Image, second: films.Image) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def test_sync_frames(made_film: films.Film) -> None:
    frames = list(sync_frames(made_film.path))
    assert _times(frames) == [0.0, 2.0, 4.0, 6.0]
    assert frames[0].image.shape == (108, 192, 3)
    assert _times(list(sync_frames(made_film.path, min_gap_seconds=3))) == [0.0, 4.0]


def test_sync_frames_are_the_frames(made_film: films.Film) -> None:
    exact = {round(f.seconds, 3): f.image for f in frames_between(made_film.path)}
    assert len(exact) == 200
    for frame in sync_frames(made_film.path):
        assert _difference(frame.image, exact[round(frame.seconds, 3)]) < 0.5


@pytest.mark.parametrize(
    ("options", "codec", "suffix"),
    [
        ({"x264-params": "open-gop=1:scenecut=0"}, "libx264", ".mp4"),
        ({"x265-params": "log-level=none"}, "libx265", ".mkv"),
        ({}, "mpeg2video", ".ts"),
    ],
)
def test_sync_frames_of_open_groups(
    options: dict[str, str], codec: str, suffix: str, tmp_path: Path
) -> None:
    images = films.moving_shot(1, 200)
    path = films.write_film(
        tmp_path / f"film{suffix}", images, gop=25, codec=codec, options=options
    )
    frames = list(sync_frames(path))
    assert len(frames) >= 8
    for frame in frames:
        assert _difference(frame.image, images[round(frame.seconds * 25)]) < 15


def test_frames_between_is_half_open(made_film: films.Film) -> None:
    times = _times(list(frames_between(made_film.path, 2.4, 3.0)))
    assert times == [round(2.4 + 0.04 * n, 3) for n in range(15)]


def test_sampled_frames(made_film: films.Film) -> None:
    assert _times(list(sampled_frames(made_film.path, every_seconds=2.5))) == [0, 2.52, 5.0, 7.52]
    some = sampled_frames(made_film.path, every_seconds=1, start=3.1, end=6)
    assert _times(list(some)) == [3.12, 4.12, 5.12]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_frame_at_seeks_exactly(suffix: str, tmp_path: Path) -> None:
    images = films.moving_shot(1, 150)
    path = films.write_film(tmp_path / f"film{suffix}", images, gop=60)
    for seconds in (0.0, 1.0, 3.0, 5.96):
        frame = frame_at(path, seconds)
        assert frame.seconds == pytest.approx(seconds, abs=0.05)
        assert _difference(frame.image, images[round(seconds * 25)]) < 12
    assert frame_at(path, 99.0).seconds == pytest.approx(5.96, abs=0.05)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_film_is_turned_upright(turn: int, tmp_path: Path) -> None:
    upright = films.moving_shot(1, 5)
    coded = [np.ascontiguousarray(np.rot90(image, turn // 90)) for image in upright]
    path = films.write_film(tmp_path / "turned.mp4", coded, rotation_degrees=turn)
    assert _difference(frame_at(path, 0.0).image, upright[0]) < 8


def test_wide_pixels_become_square(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "wide.mp4", films.moving_shot(1, 5), pixel_aspect=(2, 1))
    assert frame_at(path, 0.0).image.shape == (54, 192, 3)


def test_max_side_never_enlarges(made_film: films.Film) -> None:
    assert frame_at(made_film.path, 1.0, max_side=96).image.shape == (54, 96, 3)
    assert frame_at(made_film.path, 1.0, max_side=4000).image.shape == (108, 192, 3)


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.6, 1.9]
    path = films.write_film(tmp_path / "vfr.mkv", films.moving_shot(1, 5), times=times)
    assert _times(list(frames_between(path))) == times
    assert frame_at(path, 1.0).seconds == pytest.approx(0.6)


def test_missing_times_are_counted(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "raw.h264", films.moving_shot(1, 50), gop=20)
    assert _times(list(frames_between(path)))[:3] == [0.0, 0.04, 0.08]
    assert _times(list(sync_frames(path))) == [0.0, 0.8, 1.6]
    assert _times(list(frames_between(path, 1.0, 1.1))) == [1.0, 1.04, 1.08]


def test_film_that_does_not_start_at_zero(tmp_path: Path) -> None:
    times = [30.0 + 0.04 * number for number in range(50)]
    path = films.write_film(tmp_path / "late.ts", films.moving_shot(1, 50), times=times)
    assert _times(list(frames_between(path)))[:2] == [0.0, 0.04]


def test_damaged_middle_is_passed_over(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "film.ts", films.moving_shot(1, 200), gop=25)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(data)
    times = _times(list(frames_between(path)))
    assert times[0] == 0.0
    assert times[-1] > 7.5
    assert all(a < b for a, b in pairwise(times))


def test_truncated_film_gives_what_is_there(tmp_path: Path) -> None:
    whole = films.write_film(
        tmp_path / "whole.mp4",
        films.moving_shot(1, 200),
        container_options={"movflags": "+faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    times = _times(list(frames_between(cut)))
    assert 2.0 < times[-1] < 7.0


def test_asked_to_stop(made_film: films.Film) -> None:
    with pytest.raises(OperationCancelled, match="made"):
        list(frames_between(made_film.path, should_stop=lambda: True))


def test_decode_time_is_bounded(made_film: films.Film) -> None:
    limits = MediaLimits(max_decode_seconds=1e-6, max_decode_ratio=1e-9)
    with pytest.raises(MediaLimitError, match="max_decode_seconds"):
        list(frames_between(made_film.path, limits=limits))


def test_bad_arguments(made_film: films.Film, audio_only: Path) -> None:
    with pytest.raises(InvalidInputError):
        list(sampled_frames(made_film.path, every_seconds=0))
    with pytest.raises(InvalidInputError):
        list(frames_between(made_film.path, 3, 2))
    with pytest.raises(InvalidInputError):
        frame_at(made_film.path, -1)
    with pytest.raises(NotMediaError, match="no film"):
        frame_at(audio_only, 0)
