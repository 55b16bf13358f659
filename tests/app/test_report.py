"""The report is one page that shows what was found, escapes it, and fetches nothing."""

import base64
import re
from pathlib import Path

import pytest

from app.report import FilmLabels, QueryHits, Report, render_report, write_report
from retrieval.types import Classification, LabelScore, Segment
from tests.app import made

JPEG = b"\xff\xd8 a picture \xff\xd9"


def _thumbnail(shot_id: int) -> bytes:
    assert shot_id == 7
    return JPEG


def _report(name: str = "film.mp4") -> Report:
    scores = (LabelScore("day", 0.75), LabelScore("night", 0.25))
    hit = made.hit(name, line="to <b>Rome</b>")
    return Report(
        title="A report",
        facts=[("Films", "1")],
        queries=[QueryHits("two bicycles", "words", [hit], 0.012)],
        suspect="suspect.mp4",
        suspect_seconds=10.0,
        matches=[made.match(name)],
        labels=[
            FilmLabels(made.video(name), [Classification("scene_time", Segment(0, 100), scores)])
        ],
        next_steps=[("sceneprint serve", "Open it")],
        shots={"v1": [7]},
    )


def test_shows_hits_matches_and_labels() -> None:
    page = render_report(_report(), thumbnail=_thumbnail)
    assert "two bicycles" in page
    assert "00:00:02:00 – 00:00:04:12" in page  # frames 50 and 112 at 25 fps
    assert "0.400" in page
    assert "12 ms" in page
    assert "speed 2.00 ×" in page
    assert "0:50.0 – 1:00.0" in page
    assert "75\u00a0%" in page
    assert "sceneprint serve" in page


def test_draws_segments_where_they_are() -> None:
    page = render_report(_report(), thumbnail=_thumbnail)
    assert "left: 0.0%; width: 50.0%" in page  # 0-5 s of 10 s
    assert "left: 50.0%; width: 10.0%" in page  # 50-60 s of 100 s


def test_inlines_pictures() -> None:
    page = render_report(_report(), thumbnail=_thumbnail)
    assert f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}" in page


def test_fetches_nothing() -> None:
    page = render_report(_report(), thumbnail=_thumbnail)
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page


def test_escapes_what_films_bring_along() -> None:
    page = render_report(_report(made.HOSTILE), thumbnail=_thumbnail)
    assert "<img src=x" not in page
    assert "<b>Rome" not in page
    assert "&lt;img src=x" in page


def test_says_when_nothing_was_found() -> None:
    report = Report("A report", [], [QueryHits("q", "words", [], 0.1)], suspect="s.mp4")
    page = render_report(report, thumbnail=_thumbnail)
    assert "Nothing was found" in page
    assert "No copies were found" in page


def test_writes_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    write_report(target, _report(), thumbnail=_thumbnail)
    before = target.read_text(encoding="utf-8")
    assert before.startswith("<!doctype html>")

    def broken(_: int) -> bytes:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_report(target, _report("another.mp4"), thumbnail=broken)
    assert target.read_text(encoding="utf-8") == before
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
