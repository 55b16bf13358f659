"""The evidence report: what it says, that it escapes it, and what it does without the films."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.match_report import MAX_PICTURED, match_report
from eval.made_sound import RATE_HZ, music
from retrieval.engine import Engine
from retrieval.errors import OperationCancelled
from retrieval.types import Match, MatchResult, Progress, Segment
from tests import films
from tests.app import made
from tests.fakes import FakeEncoder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    library = tmp_path_factory.mktemp("report") / "library"
    with Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        yield engine


def _result(path: Path, *matches: Match) -> MatchResult:
    found = tuple(replace(match, query_path=path) for match in matches)
    return MatchResult(path, 10.0, found, (Segment(6.0, 7.5),), ("the end is black",))


def _words(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_says_all_that_is_known(engine: Engine, colour_film: films.Film) -> None:
    video = replace(made.video("bikes.mp4"), video_id="v" + "ab" * 12)
    match = replace(made.edited_match(), ref_video=video)
    page = match_report(
        engine,
        [_result(colour_film.path, match)],
        settings=[("Least length", "2 s")],
        made_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    text = _words(page)
    for words in (
        "2026-01-31 12:00:00 UTC",
        "Least length 2 s",
        hashlib.sha256(colour_film.path.read_bytes()).hexdigest(),
        "ab" * 12 + " …",
        "97\u00a0%",
        "00:00:00.000 – 00:00:05.000",
        "00:00:50:00 – 00:01:00:00",
        "2.00 ×",
        "mirrored; cropped to 80\u00a0%; in the upper right corner, "
        "35 × 35\u00a0% of the picture; pitch +2",
        "picture, sound",
        "one false match in about 500 h",
        "the end is black",
        "not readable: 0:06.0 – 0:07.5",
    ):
        assert words.replace("\u00a0", " ") in text.replace("\u00a0", " "), words
    assert 'class="ev-box" style="left: 60.0%; top: 5.0%; width: 35.0%; height: 35.0%"' in page
    assert "This frame could not be read" in page  # the film of the library is not there
    assert "cannot be drawn" in page


def test_hostile_names_are_text(engine: Engine) -> None:
    match = made.edited_match(made.HOSTILE)
    result = replace(_result(Path("/x") / made.HOSTILE, match), notes=("<script>1</script>",))
    page = match_report(
        engine,
        [result],
        names={result.query_path: '"><script>2</script>'},
        settings=[("<b>", "<i>")],
    )
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;2" in page
    assert "unknown: the file is gone" in page


def test_only_the_sound_agrees(engine: Engine) -> None:
    match = made.match(modalities=("sound",), sound_score=0.8)
    page = match_report(engine, [_result(Path("a.m4a"), match)])
    assert "Only the sound agrees" in page
    assert "ev-frame" not in page.partition("</style>")[2]


def test_draws_where_the_sound_agrees(engine: Engine, tmp_path: Path) -> None:
    song = films.write_sound(tmp_path / "a.m4a", music(12.0, 1), sample_rate_hz=RATE_HZ)
    match = made.match(
        modalities=("sound",),
        ref_video=replace(made.video(seconds=12.0), path=song),
        query_segment=Segment(1.0, 11.0),
        ref_segment=Segment(1.0, 11.0),
        speed_ratio=1.0,
    )
    page = match_report(engine, [_result(song, match)])
    heights = [int(one) for one in re.findall(r'<i style="height: (\d+)%"', page)]
    assert len(heights) == 10
    assert min(heights) > 70


def test_is_bounded_told_and_stopped(engine: Engine) -> None:
    result = _result(Path("gone.mp4"), *[made.match()] * (MAX_PICTURED + 1))
    told: list[Progress] = []
    page = match_report(engine, [result], progress=told.append)
    assert page.count("Only the first 40 matches have pictures") == 1
    assert (told[-1].done, told[-1].total) == (MAX_PICTURED, MAX_PICTURED + 1)
    with pytest.raises(OperationCancelled):
        match_report(engine, [result], should_stop=lambda: True)
