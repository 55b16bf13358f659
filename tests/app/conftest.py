"""A small library of made films, read by the tests of both fronts, and clients over it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from retrieval import errors
from retrieval.encoders.base import PictureTextEncoder
from retrieval.engine import Engine
from tests import films
from tests.app.served import client_of
from tests.app.shell import Shell
from tests.fakes import FakeEncoder


@pytest.fixture(scope="session")
def library(
    tmp_path_factory: pytest.TempPathFactory,
    colour_film: films.Film,
    made_film: films.Film,
    subtitled_film: Path,
) -> Path:
    """Colours, textures and subtitles, ingested with the fake encoder; nobody changes it."""
    path = tmp_path_factory.mktemp("small") / "library"
    with Engine(path, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        engine.ingest([colour_film.path, made_film.path, subtitled_film])
    return path


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[TestClient]:
    """A client of an application over the library."""
    with client_of(library) as made:
        yield made


@pytest.fixture
def own_client(tmp_path: Path) -> Iterator[TestClient]:
    """A client of an empty library that the test may change."""
    with client_of(tmp_path / "library") as made:
        yield made


@pytest.fixture
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names load fakes, `fake:…` one of that name; the environment has no settings of ours."""

    def load(name: str, **options: object) -> PictureTextEncoder:
        if name.startswith("fake:"):
            return FakeEncoder(name, layout_weight=1.0)
        if name not in ("builtin", "fake"):
            raise errors.InvalidInputError(f"got encoder {name!r}, known families: builtin")
        return FakeEncoder(layout_weight=1.0)

    monkeypatch.setattr("retrieval.encoders.load_encoder", load)
    for name in [name for name in os.environ if name.startswith("SCENEPRINT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def shell(fake_encoder: None, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The program to call, with the fake encoder behind every name."""
    return Shell(capsys)
