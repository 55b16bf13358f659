"""File names that are no UTF-8: every front shows them, and programs get the very path back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.problems import problem_for
from retrieval.engine import Engine
from retrieval.errors import NotMediaError
from retrieval.types import readable
from tests import films
from tests.app.served import client_of
from tests.fakes import FakeEncoder

ODD = os.fsdecode(b"caf\xe9_\xff.mp4")
SHOWN = "caf\ufffd_\ufffd.mp4"


@pytest.fixture(scope="module")
def odd_library(tmp_path_factory: pytest.TempPathFactory, colour_film: films.Film) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    try:
        shutil.copy(colour_film.path, folder / ODD)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with Engine(folder / "library", encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        assert engine.ingest([folder / ODD]).count("added") == 1
    return folder / "library"


def _sceneprint(*arguments: str | Path) -> bytes:
    """Run in a process whose stdout takes nothing but UTF-8, as in a UTF-8 locale."""
    done = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_http_shows_an_odd_name(odd_library: Path) -> None:
    with client_of(odd_library) as client:
        videos = client.get("/v1/videos")
        assert videos.status_code == 200, videos.text
        assert [video["name"] for video in videos.json()["videos"]] == [SHOWN]
        hits = client.post("/v1/search", json={"text": "red"}).json()["hits"]
        assert {hit["video_name"] for hit in hits} == {SHOWN}
        assert client.get(f"/v1/videos/{SHOWN}").json()["name"] == SHOWN


def test_the_shell_shows_an_odd_name_and_json_holds_its_path(odd_library: Path) -> None:
    listed = _sceneprint("list", "--library", odd_library).decode("utf-8", "strict")
    assert SHOWN in listed
    text = _sceneprint("list", "--library", odd_library, "--json").decode("utf-8", "strict")
    (video,) = json.loads(text)
    assert video["name"] == SHOWN
    assert os.fsencode(video["path"]) == bytes(odd_library.parent) + b"/caf\xe9_\xff.mp4"
    shown = _sceneprint("info", SHOWN, "--library", odd_library).decode("utf-8", "strict")
    assert SHOWN in shown


def test_a_problem_with_an_odd_name_can_be_sent() -> None:
    problem = problem_for(NotMediaError(f"{ODD} is not a media file")).to_dict()
    assert problem["detail"] == f"{SHOWN} is not a media file"


def test_readable_leaves_good_text_alone() -> None:
    assert readable("火箭 é 😀.mp4") == "火箭 é 😀.mp4"
