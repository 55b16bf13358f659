"""Shots of made and real films, read fast and precisely."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from retrieval.errors import (
    InvalidInputError,
    NotMediaError,
    OperationCancelled,
)
from retrieval.media.frames import Frame, frame_at
from retrieval.media.shots import ShotResult, detect_shots
from retrieval.types import Progress
from tests import films

MODES: tuple[Literal["fast"], Literal["precise"]] = ("fast", "precise")
LENGTHS = [60, 37, 81, 24, 58, 90]
"""Frames of the shots; no cut is near a multiple of the group lengths below."""


def _cuts(result: ShotResult) -> list[float]:
    return [round(shot.segment.start_seconds, 3) for shot in result.shots[1:]]


def _check(result: ShotResult, duration: float) -> None:
    """What holds for shots of any film."""
    shots = result.shots
    assert [shot.number for shot in shots] == list(range(len(shots)))
    assert shots[0].segment.start_seconds == 0.0
    assert shots[0].start_frame == 0
    assert shots[-1].segment.end_seconds == pytest.approx(duration, abs=0.08)
    for a, b in pairwise(shots):
        assert a.segment.end_seconds == b.segment.start_seconds
        assert a.end_frame == b.start_frame
    assert len(result.keyframes) == len(shots)
    samples = {frame.seconds for frame in result.frames}
    for shot, keyframe in zip(shots, result.keyframes, strict=True):
        assert shot.keyframe_seconds == keyframe.seconds
        assert keyframe.seconds in samples
        assert shot.segment.start_seconds <= keyframe.seconds < shot.segment.end_seconds
        assert shot.start_frame < shot.end_frame


@pytest.fixture(scope="module", params=["fixed", "placed", "long", "open", "hevc", "ts", "vfr"])
def film(request: pytest.FixtureRequest, films_dir: Path) -> films.Film:
    """The same shots in streams whose sync frames follow different habits."""
    options: dict[str, dict[str, Any]] = {
        "fixed": {"gop": 50},
        "placed": {"gop": 250, "scene_cut": True},
        "long": {"gop": 250},
        "open": {"gop": 50, "options": {"x264-params": "open-gop=1"}},
        "hevc": {
            "codec": "libx265",
            "options": {"preset": "ultrafast", "x265-params": "log-level=none:keyint=60"},
        },
        "ts": {"codec": "mpeg2video", "gop": 15, "options": {"b": "3000000"}},
        "vfr": {"gop": 50},
    }
    suffix = {"ts": ".ts", "hevc": ".mkv"}.get(request.param, ".mp4")
    return films.film_with_cuts(
        films_dir / f"shots_{request.param}{suffix}", LENGTHS, **options[request.param]
    )


@pytest.mark.parametrize("mode", MODES)
def test_every_cut_to_the_frame(mode: Literal["fast", "precise"], film: films.Film) -> None:
    result = detect_shots(film.path, mode=mode)
    _check(result, film.duration_seconds)
    assert _cuts(result) == [pytest.approx(cut, abs=0.001) for cut in film.cuts]
    assert [shot.end_frame - shot.start_frame for shot in result.shots] == LENGTHS
    assert all(shot.is_exact for shot in result.shots)


def test_precise_samples_once_a_second(film: films.Film) -> None:
    times = [frame.seconds for frame in detect_shots(film.path, mode="precise").frames]
    assert max(b - a for a, b in pairwise(sorted(times))) < 1.1
    assert len(times) <= film.duration_seconds + len(LENGTHS) + 1


def test_keyframes_are_pictures_of_the_film(made_film: films.Film) -> None:
    for keyframe in detect_shots(made_film.path, mode="precise").keyframes:
        shown = frame_at(made_film.path, keyframe.seconds).image.astype(float)
        assert np.abs(shown - keyframe.image).mean() < 1


@pytest.mark.parametrize(
    ("name", "cuts"),
    [("bikes", [1.2, 3.04, 5.48, 7.48, 9.68]), ("bunny", []), ("carphone", []), ("world", [])],
)
@pytest.mark.parametrize("mode", MODES)
def test_real_footage(
    name: str, cuts: list[float], mode: Literal["fast", "precise"], request: Any
) -> None:
    path: Path = request.getfixturevalue(name)
    result = detect_shots(path, mode=mode)
    assert _cuts(result) == cuts


def test_cut_inside_a_group_between_alike_sync_frames(tmp_path: Path) -> None:
    """A short other shot that no sync frame shows: only its packets tell of it."""
    images = films.moving_shot(1, 70) + films.moving_shot(2, 20) + films.moving_shot(1, 110)
    path = films.write_film(tmp_path / "hidden.mp4", images, gop=100)
    assert _cuts(detect_shots(path, mode="precise")) == [2.8, 3.6]


def test_film_of_sync_frames_only(tmp_path: Path) -> None:
    images = films.moving_shot(1, 40) + films.moving_shot(2, 60)
    path = films.write_film(tmp_path / "intra.avi", images, codec="mjpeg", pixel_format="yuvj420p")
    for mode in MODES:
        assert _cuts(detect_shots(path, mode=mode)) == [1.6]


@pytest.mark.parametrize("suffix", [".h264", ".avi"])
def test_files_without_times(suffix: str, tmp_path: Path) -> None:
    images = films.moving_shot(1, 40) + films.moving_shot(2, 60)
    path = films.write_film(tmp_path / f"film{suffix}", images, gop=30)
    for mode in MODES:
        result = detect_shots(path, mode=mode)
        _check(result, 4.0)
        assert _cuts(result) == [1.6]


def test_variable_frame_rate(tmp_path: Path) -> None:
    images = films.moving_shot(1, 60) + films.moving_shot(2, 60)
    times = [n / 25 if n < 60 else 2.4 + (n - 60) / 10 for n in range(120)]
    path = films.write_film(tmp_path / "vfr.mkv", images, gop=30, times=times)
    for mode in MODES:
        result = detect_shots(path, mode=mode)
        assert _cuts(result) == [2.4]
        assert result.shots[-1].segment.end_seconds == pytest.approx(8.4, abs=0.2)


def test_rotated_film_has_upright_keyframes(tmp_path: Path) -> None:
    coded = [np.ascontiguousarray(np.rot90(image)) for image in films.moving_shot(1, 30)]
    path = films.write_film(tmp_path / "turned.mp4", coded, rotation_degrees=90)
    assert detect_shots(path).keyframes[0].image.shape == (108, 192, 3)


@pytest.mark.parametrize("name", ["adaptive", "content", "hash", "histogram", "threshold"])
def test_other_detectors(name: str, made_film: films.Film) -> None:
    result = detect_shots(made_film.path, detector=name)
    _check(result, 8.0)
    found = set(_cuts(result))
    assert found <= set(made_film.cuts)


@pytest.mark.parametrize("name", ["adaptive", "content"])
def test_other_detectors_find_cuts(name: str, made_film: films.Film) -> None:
    result = detect_shots(made_film.path, detector=name)
    assert _cuts(result) == [pytest.approx(cut, abs=0.001) for cut in made_film.cuts]


def test_callbacks_take_everything_in_order(made_film: films.Film) -> None:
    samples: list[Frame] = []
    keyframes: list[tuple[int, Frame]] = []
    result = detect_shots(
        made_film.path,
        mode="precise",
        max_side=96,
        on_frame=samples.append,
        on_keyframe=lambda number, frame: keyframes.append((number, frame)),
    )
    assert (result.frames, result.keyframes) == ((), ())
    assert [number for number, _ in keyframes] == [shot.number for shot in result.shots]
    assert {frame.seconds for _, frame in keyframes} <= {frame.seconds for frame in samples}
    assert all(frame.image.shape == (54, 96, 3) for frame in samples)
    assert len({frame.seconds for frame in samples}) == len(samples)


def test_progress_rises_to_the_end(made_film: films.Film) -> None:
    seen: list[Progress] = []
    detect_shots(made_film.path, mode="precise", progress=seen.append)
    done = [item.done for item in seen]
    assert done == sorted(done)
    assert all(item.total == pytest.approx(8.0, abs=0.1) for item in seen)


def test_asked_to_stop(made_film: films.Film) -> None:
    calls: list[int] = []

    def should_stop() -> bool:
        calls.append(1)
        return len(calls) > 3

    for mode in MODES:
        calls.clear()
        with pytest.raises(OperationCancelled):
            detect_shots(made_film.path, mode=mode, should_stop=should_stop)


def test_damaged_middle_is_said_and_survived(tmp_path: Path) -> None:
    film = films.film_with_cuts(tmp_path / "film.ts", [100, 100], gop=25)
    data = bytearray(film.path.read_bytes())
    place = len(data) * 3 // 4
    data[place : place + 4000] = np.random.default_rng(0).bytes(4000)
    film.path.write_bytes(data)
    for mode in MODES:
        result = detect_shots(film.path, mode=mode)
        assert result.shots[-1].segment.end_seconds > 7.0
        assert 4.0 in _cuts(result)


def test_sparse_sync_frames_are_said(tmp_path: Path) -> None:
    images = films.moving_shot(1, 300, size=(96, 64))
    path = films.write_film(tmp_path / "sparse.mp4", images * 2, rate=25, gop=500)
    result = detect_shots(path)
    assert "precise" in " ".join(result.warnings)


def test_nothing_to_read(audio_only: Path, tmp_path: Path) -> None:
    with pytest.raises(NotMediaError, match="no film"):
        detect_shots(audio_only)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(NotMediaError):
        detect_shots(tmp_path / "empty.mp4")


def test_one_picture(tmp_path: Path) -> None:
    path = films.write_film(tmp_path / "one.mp4", films.moving_shot(1, 1))
    for mode in MODES:
        result = detect_shots(path, mode=mode)
        assert [(s.start_frame, s.end_frame) for s in result.shots] == [(0, 1)]


def test_unknown_choices(made_film: films.Film) -> None:
    with pytest.raises(InvalidInputError, match="detector"):
        detect_shots(made_film.path, detector="magic")
    with pytest.raises(InvalidInputError, match="mode"):
        detect_shots(made_film.path, mode="slow")  # type: ignore[arg-type]


def test_flat_and_dark_shots(colour_film: films.Film) -> None:
    for mode in MODES:
        assert _cuts(detect_shots(colour_film.path, mode=mode)) == [2.0, 4.0]
