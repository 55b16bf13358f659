"""Bounds, guards and what watchers see of the HTTP interface."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retrieval.engine import Engine
from retrieval.types import Match
from tests import films
from tests.app.served import ORIGIN, assert_problem, client_of, picture, settings_of


class TestLimits:
    def test_uploads_beyond_the_size(self, library: Path) -> None:
        settings = settings_of(upload={"max_bytes": 10_000})
        with client_of(library, settings=settings) as client:
            files = {"film": b"x" * 20_000}
            for path in ("/v1/match", "/v1/videos"):
                assert_problem(client.post(path, files=files), 413, "too-large")

            def chunks() -> Iterator[bytes]:
                for _ in range(20):
                    yield b"x" * 1000

            for kind in ("application/json", "multipart/form-data; boundary=x"):
                answer = client.post("/v1/search", content=chunks(), headers={"content-type": kind})
                assert answer.status_code in (400, 413)

    def test_json_beyond_its_size(self, client: TestClient) -> None:
        answer = client.post("/v1/search", json={"text": "x" * 2_000_000})
        assert_problem(answer, 413)

    def test_uploads_beyond_the_duration(
        self, library: Path, made_film: films.Film, audio_only: Path
    ) -> None:
        settings = settings_of(upload={"max_seconds": 5.0, "max_clip_seconds": 1.0})
        film = made_film.path.read_bytes()
        with client_of(library, settings=settings) as client:
            for path, files in (
                ("/v1/match", {"film": film}),
                ("/v1/videos", {"film": film}),
                ("/v1/search", {"clip": film}),
                ("/v1/classify", {"image": picture(), "audio": audio_only.read_bytes()}),
            ):
                assert_problem(client.post(path, files=files), 413, "media-limit")

    def test_uploads_are_gone_afterwards(
        self, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        made_film: films.Film,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        client.post("/v1/search", files={"image": picture()})
        client.post("/v1/search", files={"image": b"no image"})
        client.post("/v1/match?wait=60", files={"film": made_film.path.read_bytes()})
        assert list(tmp_path.iterdir()) == []

    def test_a_full_house_says_so(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()

        def slow(self: Engine, query: Path, **options: Any) -> list[Match]:
            release.wait(10)
            return []

        monkeypatch.setattr(Engine, "match", slow)
        settings = settings_of(jobs={"workers": 1, "max_waiting": 1})
        with client_of(library, settings=settings) as client:
            body = {"video_id": "made.mp4"}
            assert client.post("/v1/match", json=body).status_code == 202
            assert client.post("/v1/match", json=body).status_code == 202
            answer = client.post("/v1/match", json=body)
            assert_problem(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) > 0
            release.set()


class TestGuard:
    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.2"])
    def test_foreign_hosts(self, client: TestClient, host: str) -> None:
        answer = client.get("/health", headers={"Host": host})
        assert "ALLOWED_HOSTS" in assert_problem(answer, 400)["detail"]

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"])
    def test_own_hosts(self, client: TestClient, host: str) -> None:
        assert client.get("/health", headers={"Host": host}).status_code == 200

    def test_pages_of_other_sites(self, client: TestClient) -> None:
        body = {"text": "red"}
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:9999"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert_problem(client.post("/v1/search", json=body, headers=headers), 403)
            assert_problem(client.delete("/v1/videos/made.mp4", headers=headers), 403)
        answer = client.post("/v1/search", json=body, headers={"Origin": ORIGIN})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers

    def test_security_headers(self, client: TestClient) -> None:
        for answer in (client.get("/v1/videos"), client.get("/v1/nothing")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["cache-control"] == "no-store"

    def test_request_ids(self, client: TestClient) -> None:
        given = client.get("/health", headers={"X-Request-ID": "abc-1"})
        assert given.headers["x-request-id"] == "abc-1"
        made = client.get("/health", headers={"X-Request-ID": "a b\t"}).headers["x-request-id"]
        assert made != "a b"
        assert len(made) == 16

    def test_log_holds_no_queries(
        self, client: TestClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", logger="sceneprint.access"):
            client.get("/v1/videos?cursor=secret")
            client.get("/v1/videos/a%0Ab", headers={"X-Request-ID": "id-7"})
        lines = [record.getMessage() for record in caplog.records]
        assert lines[0].startswith("GET /v1/videos 422 ")
        assert "secret" not in caplog.text
        assert lines[1].startswith("GET /v1/videos/a?b 404 ")
        assert lines[1].endswith(" id-7")


class TestOperation:
    def test_ready(self, client: TestClient) -> None:
        for _ in range(100):
            answer = client.get("/ready")
            if answer.status_code == 200:
                break
            time.sleep(0.05)
        assert answer.json()["encoder"] == "fake:colour/v1"
        assert answer.json()["num_videos"] == 3

    def test_not_ready_without_an_encoder(
        self, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: Engine) -> None:
            raise ValueError("the weights are damaged")

        monkeypatch.setattr(Engine, "warm_up", fail)
        with client_of(library) as client:
            for _ in range(100):
                body = assert_problem(client.get("/ready"), 503)
                if "weights" in body["detail"]:
                    break
                time.sleep(0.02)
            assert "the weights are damaged" in body["detail"]
            assert client.get("/health").status_code == 200

    def test_metrics(self, client: TestClient) -> None:
        client.get("/v1/videos/zzz")
        client.get("/nothing/at/all")
        text = client.get("/metrics").text
        assert 'route="/v1/videos/{video_id}",status="404"' in text
        assert 'route="other",status="404"' in text
        assert "zzz" not in text
        assert "sceneprint_videos 3.0" in text
        assert "sceneprint_jobs_unfinished 0.0" in text

    def test_unknown_paths_and_methods(self, client: TestClient) -> None:
        assert_problem(client.get("/v1/nothing"), 404)
        answer = client.put("/v1/search")
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "POST"

    def test_a_bug_is_a_problem_too(
        self, library: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(self: Engine) -> None:
            raise KeyError("/secret/path")

        with client_of(library) as client:
            monkeypatch.setattr(Engine, "videos", fail)
            body = assert_problem(client.get("/v1/videos"), 500, "unexpected")
            assert "secret" not in str(body)

    def test_openapi_has_examples_and_our_problems(self, client: TestClient) -> None:
        schema = client.get("/openapi.json").json()
        assert "ProblemView" in schema["components"]["schemas"]
        assert "HTTPValidationError" not in schema["components"]["schemas"]
        content = schema["paths"]["/v1/search"]["post"]["requestBody"]["content"]
        assert content["application/json"]["schema"]["examples"]
        assert content["multipart/form-data"]["schema"]["properties"]["image"]["format"] == "binary"
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                assert operation["summary"], path
                bad = operation["responses"].get("422", {}).get("content", {})
                assert "application/json" not in bad, path
