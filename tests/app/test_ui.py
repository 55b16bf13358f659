"""The interface without a browser: fragments, long work, what is served and what is closed."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.http.application import create_app
from app.match_evidence import Evidence
from app.settings import Settings
from app.ui import UiOptions, build_ui, library_tab, mount, render, work
from app.ui.kept_files import KeptFiles
from app.ui.parts import check_upload
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, MediaLimitError, OperationCancelled
from retrieval.types import (
    Classification,
    IngestOutcome,
    IngestSummary,
    LabelScore,
    Match,
    MatchResult,
    Progress,
    Segment,
)
from tests.app import made
from tests.fakes import FakeEncoder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "library", encoder=FakeEncoder(), create=True) as engine:
        yield engine


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the page would show in its corner: (kind, message)."""
    shown: list[tuple[str, str]] = []

    def show(kind: str) -> Callable[..., None]:
        return lambda message, **_: shown.append((kind, message))

    monkeypatch.setattr(gr, "Warning", show("warning"))
    monkeypatch.setattr(gr, "Info", show("info"))
    return shown


# --- fragments


def _result(*matches: Match) -> MatchResult:
    return MatchResult(Path("suspect.mp4"), 10.0, matches)


def test_a_hit_plays_its_segment() -> None:
    page = render.hits([made.hit(start=2.0, end=4.5)])
    assert 'data-src="v1/clips/v1?start=2.000000&amp;end=4.500000"' in page
    assert 'src="v1/thumbnails/7"' in page
    assert "00:00:02:00 – 00:00:04:12" in page
    assert "2.5 s" in page
    assert "0.400" in page


def test_a_hit_says_where_it_came_from() -> None:
    page = render.hits([made.hit(line="two bicycles"), made.hit(query="clip")])
    assert "picture #1" in page
    assert "subtitles #3" in page
    assert "“two bicycles”" in page
    assert "clip #1" in page


def test_fragments_escape_hostile_names() -> None:
    summary = IngestSummary((IngestOutcome(Path(made.HOSTILE), "failed", reason="<b>bad</b>"),))
    pages = [
        render.hits([made.hit(made.HOSTILE, line="<script>x</script>")]),
        render.matches(_result(made.match(made.HOSTILE))),
        render.no_matches(_result(), made.HOSTILE),
        render.pair_evidence(made.match(made.HOSTILE), Evidence(missing=("<b>bad</b>",))),
        render.pair(made.match(made.HOSTILE), query_src="clip.mp4"),
        render.outcomes(summary),
        render.progress(Progress("ingest", made.HOSTILE, 1, 2)),
    ]
    for page in pages:
        assert "<img src=x" not in page
        assert "<script>" not in page
        assert "<b>bad" not in page
        assert "&lt;" in page


def test_matches_are_drawn_on_both_films() -> None:
    page = render.matches(_result(made.edited_match()))
    assert "left: 0.0%; width: 50.0%" in page
    assert "left: 50.0%; width: 10.0%" in page
    assert "2.00 ×" in page
    assert "97\u00a0%" in page
    assert "one false match in about 500 h" in page
    for chip in ("picture", "sound", "mirrored", "pitch +2"):
        assert f">{chip}</span>" in page


def test_notes_stand_below_matches_and_where_there_are_none() -> None:
    result = replace(_result(), unreadable=(Segment(1, 3),), notes=("the picture is black",))
    for page in (render.matches(result), render.no_matches(result, "s.mp4")):
        assert "not readable: 0:01.0 – 0:03.0" in page
        assert "the picture is black" in page
    assert "sp-notes" not in render.no_matches(_result(), "s.mp4")


def test_files_for_pages_are_bounded(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path, max_files=2)
    paths = [files.path("a.csv") for _ in range(3)]
    assert [path.parent.is_dir() for path in paths] == [False, True, True]
    assert {path.name for path in paths} == {"a.csv"}


def test_the_pair_slows_the_film_to_the_suspect() -> None:
    page = render.pair(made.match(), query_src="suspect.mp4")
    assert 'data-rate="2.0000"' in page
    assert "v1/clips/v1?start=50.000000&amp;end=60.000000" in page


def test_labels_group_by_shot() -> None:
    scores = (LabelScore("day", 0.75), LabelScore("night", 0.25))
    found = [
        Classification("scene_time", Segment(0, 2), scores, shot_number=0),
        Classification("scene_time", Segment(2, 4), scores, shot_number=1),
    ]
    page = render.labels(found, titles=True, thumbnails=["v1/thumbnails/1"])
    assert page.count("sp-part-head") == 2
    assert "Shot 1" in page
    assert "Shot 2" in page
    assert page.count("v1/thumbnails/1") == 1
    assert "75\u00a0%" in page
    assert "Time" in page


def test_progress_has_speed_and_time_left() -> None:
    page = render.progress(Progress("ingest", "film.mp4", 30, 120, speed=81.4, eta_seconds=65))
    assert 'aria-valuenow="25"' in page
    assert "25 %" in page
    assert "81 × real time" in page
    assert "1:05 left" in page


def test_outcomes_count_what_happened() -> None:
    outcomes = (
        IngestOutcome(Path("a.mp4"), "added", "v1"),
        IngestOutcome(Path("b.txt"), "failed", reason="not media"),
    )
    page = render.outcomes(IngestSummary(outcomes, was_cancelled=True))
    assert "Stopped: what was finished is kept. 1 added, 1 failed" in page
    assert "not media" in page


# --- long work


def test_work_reports_and_returns() -> None:
    def slow(progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> int:
        progress(Progress("ingest", "film", 1, 2))
        time.sleep(2 * work.POLL_SECONDS)
        return 7

    seen = list(work.run(slow, threading.Event()))
    assert seen[-1] == work.Done(7)
    assert Progress("ingest", "film", 1, 2) in seen


def test_work_raises_what_happened() -> None:
    def broken(*_: Any) -> int:
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError, match="no"):
        list(work.run(broken, threading.Event()))


def test_leaving_the_page_stops_the_work() -> None:
    stopped = threading.Event()

    def endless(progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            time.sleep(0.01)
        stopped.set()

    reports = work.run(endless, threading.Event())
    next(reports)
    reports.close()
    assert stopped.is_set()


def test_a_new_start_stops_the_old_work_of_the_session() -> None:
    stops = work.Stops()
    first = stops.start("session")
    other = stops.start("another")
    second = stops.start("session")
    assert first.is_set()
    assert not second.is_set()
    assert not other.is_set()


def test_our_errors_are_notices_without_markup(notices: list[tuple[str, str]]) -> None:
    work.notify(InvalidInputError("got <b>, expected less"))
    work.notify(OperationCancelled("stopped"))
    assert notices == [("warning", "got &lt;b&gt;, expected less"), ("info", "Stopped.")]


def test_other_errors_say_nothing_of_the_inside(
    notices: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    work.notify(RuntimeError("secret inside"))
    assert "secret" not in notices[0][1]
    assert "secret inside" in caplog.text


# --- uploads


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("film.mp4", "film.mp4"),
        ("../../etc/passwd", "_.etcpasswd"),
        ("..", "film"),
        (".hidden.mkv", "hidden.mkv"),
        ("电影 (1).mp4", "电影 _1_.mp4"),
        ("a" * 300 + ".mp4", "a" * 100 + ".mp4"),
    ],
)
def test_upload_names_are_safe(given: str, expected: str) -> None:
    assert library_tab.safe_name(given) == expected


def test_uploads_are_kept_once_and_never_overwritten(tmp_path: Path) -> None:
    keep, sent = tmp_path / "uploads", tmp_path / "sent"
    sent.mkdir()
    names = []
    for content in (b"one", b"one", b"two"):
        (sent / "film.mp4").write_bytes(content)
        names.append(library_tab.kept([str(sent / "film.mp4")], keep)[0].name)
    assert names == ["film.mp4", "film.mp4", "film 2.mp4"]
    assert (keep / "film.mp4").read_bytes() == b"one"
    assert (keep / "film 2.mp4").read_bytes() == b"two"


# --- the page


def _config(engine: Engine, options: UiOptions | None = None) -> dict[str, Any]:
    config: dict[str, Any] = build_ui(engine, options=options).get_config_file()
    return config


def _ids(config: dict[str, Any]) -> set[str]:
    return {component["props"].get("elem_id") for component in config["components"]}


def _tabs(config: dict[str, Any]) -> list[str]:
    return [item["props"]["label"] for item in config["components"] if item["type"] == "tabitem"]


def test_has_the_five_tabs(engine: Engine) -> None:
    assert _tabs(_config(engine)) == ["Search", "Match", "Classify", "Label", "Library"]


def test_an_empty_library_says_what_to_do(engine: Engine) -> None:
    assert "Add films in the Library tab" in str(_config(engine)["components"])


def test_nothing_can_be_called_from_outside(engine: Engine) -> None:
    visibilities = {item["api_visibility"] for item in _config(engine)["dependencies"]}
    assert visibilities == {"private"}


def test_a_server_for_others_takes_no_paths(engine: Engine) -> None:
    config = _config(engine, UiOptions(accepts_paths=False))
    (path,) = [c for c in config["components"] if c["props"].get("elem_id") == "library-path"]
    assert path["props"]["visible"] is False


def test_a_server_that_may_not_change_has_no_buttons_for_it(engine: Engine) -> None:
    assert "library-go" in _ids(_config(engine))
    closed = _config(engine, UiOptions(may_change=False))
    assert not {"library-go", "remove-yes", "label-make"} & _ids(closed)
    assert _tabs(closed) == ["Search", "Match", "Classify", "Library"]


def test_the_page_names_no_other_host(engine: Engine) -> None:
    app = FastAPI()

    @app.get("/v1/videos")
    def videos() -> dict[str, int]:
        return {"n": 1}

    mount(app, engine)
    with TestClient(app) as client:
        assert client.get("/v1/videos").json() == {"n": 1}
        page = client.get("/")
        assert page.status_code == 200
        assert "fonts.googleapis" not in page.text
        theme = client.get("/theme.css")
        assert theme.status_code == 200
        assert not re.findall(r"url\(['\"]?https?:|@import", theme.text)
        config = client.get("/config").json()
        assert config["analytics_enabled"] is False


def test_the_page_leaves_the_api_its_errors(engine: Engine) -> None:
    app = create_app(Settings(), engine=engine)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/").headers["content-type"].startswith("text/html")
        for method, path, status in (
            ("GET", "/v1/nothing", 404),
            ("POST", "/health", 405),
            ("PUT", "/v1/videos", 405),
        ):
            answer = client.request(method, path)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"


def test_long_uploads_are_refused(engine: Engine, bunny: Path) -> None:
    check_upload(bunny, engine, UiOptions(max_upload_seconds=6))
    with pytest.raises(MediaLimitError, match="lasts 5 s, an upload at most 4 s"):
        check_upload(bunny, engine, UiOptions(max_upload_seconds=4))


def test_files_of_the_machine_are_not_served(engine: Engine, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    app = mount(FastAPI(), engine)
    with TestClient(app) as client:
        for path in (secret, engine.library / "catalog.sqlite3", Path("/etc/passwd")):
            assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_uploads_beyond_the_limit_are_refused(engine: Engine) -> None:
    app = mount(FastAPI(), engine, options=UiOptions(max_upload_bytes=1000))
    with TestClient(app) as client:
        files = {"files": ("film.mp4", b"x" * 2000)}
        assert client.post("/gradio_api/upload", files=files).status_code == 413
        files = {"files": ("film.mp4", b"x" * 900)}
        assert client.post("/gradio_api/upload", files=files).status_code == 200


def test_options_check_themselves() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        UiOptions(max_upload_bytes=0)
