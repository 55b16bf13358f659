"""Matching over HTTP: evidence reports, banks, and what a result looks like."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.schemas_match import MatchResult
from retrieval.engine import Engine
from retrieval.types import MatchResult as CoreResult
from retrieval.types import Segment
from tests import films
from tests.app import made
from tests.app.served import assert_problem, client_of, picture
from tests.fakes import FakeEncoder


@pytest.fixture(scope="module")
def banked(tmp_path_factory: pytest.TempPathFactory, made_film: films.Film) -> Path:
    """A library with one film, and a bank that knows the same film."""
    library = tmp_path_factory.mktemp("banked") / "library"
    with Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine:
        engine.ingest([made_film.path])
        with engine.bank("logos", create=True) as bank:
            bank.ingest([made_film.path])
    return library


def test_banks_are_listed_and_switched_and_a_report_is_kept(
    banked: Path, made_film: films.Film
) -> None:
    film = {"film": ("<b>s</b>.mp4", made_film.path.read_bytes())}
    with client_of(banked) as client:
        (bank,) = client.get("/v1/banks").json()["banks"]
        assert (bank["name"], bank["num_videos"]) == ("logos", 1)

        result = client.post("/v1/match?wait=60", files=film).json()["result"]
        assert result["matches"] == []
        assert "known from the bank logos" in result["notes"][-1]
        assert result["report_url"] is None

        data = {"banks": "none", "report": "true"}
        result = client.post("/v1/match?wait=60", files=film, data=data).json()["result"]
        assert [match["video_name"] for match in result["matches"]] == ["made.mp4"]
        assert result["query_seconds"] == pytest.approx(8.0, abs=0.1)
        page = client.get(result["report_url"])
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox" in page.headers["content-security-policy"]
        assert "&lt;b&gt;s&lt;/b&gt;.mp4" in page.text
        assert "<b>s<" not in page.text
        assert page.text.count("data:image/png") == 1

        job = client.post("/v1/match?wait=60", files=film, data={"banks": "zzz"}).json()
        assert (job["status"], job["error"]["status"]) == ("failed", 404)


def test_an_unknown_report_is_a_problem(client: TestClient) -> None:
    assert_problem(client.get("/v1/reports/" + "0" * 32), 404, "not-found")
    assert_problem(client.get("/v1/reports/..%2f..%2fcatalog.sqlite3"), 404)


def test_a_result_says_all_that_was_found() -> None:
    match = made.edited_match()
    parts = (Segment(1.0, 2.0),)
    result = CoreResult(match.query_path, 60.0, (match,), parts, ("a note",))
    view = MatchResult.of(result).model_dump(mode="json")
    assert view["notes"] == ["a note"]
    assert view["unreadable"][0]["start_timecode"] == "00:00:01.000"
    (item,) = view["matches"]
    assert item["modalities"] == ["picture", "sound"]
    assert item["false_matches_per_hour"] == 0.002
    assert item["edit"]["query_box"] == {"left": 0.6, "top": 0.05, "right": 0.95, "bottom": 0.4}
    assert item["edit"]["words"][0] == "mirrored"


def test_sound_alone_and_a_still_get_true_answers(client: TestClient, audio_only: Path) -> None:
    for data, says in ((audio_only.read_bytes(), "no picture"), (picture(), "still image")):
        job = client.post("/v1/match?wait=60", files={"film": data}).json()
        assert job["status"] == "done", job
        assert says in " ".join(job["result"]["notes"])
