"""The HTTP interface over a real library of real and made films, seen through the fake encoder."""

import io
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrieval.engine import Engine
from retrieval.types import Match
from tests import films
from tests.app.served import assert_problem, client_of, picture, search, settings_of


class TestSearch:
    def test_text(self, client: TestClient) -> None:
        best = search(client, text="a green field", k=1)[0]
        assert best["video_name"] == "colours.mp4"
        assert best["number"] == 1
        assert (best["start_seconds"], best["end_seconds"]) == (2.0, 4.0)
        assert (best["start_timecode"], best["end_timecode"]) == ("00:00:02:00", "00:00:04:00")
        assert (best["start_frame"], best["end_frame"]) == (50, 100)
        assert best["provenance"][0]["modality"] == "picture"

    def test_chinese_text_and_subtitles(self, client: TestClient) -> None:
        best = search(client, text="自行车", k=1)[0]
        assert best["video_name"] == "subtitled.mkv"
        lines = [item["text"] for item in best["provenance"] if item["modality"] == "subtitle"]
        assert lines == ["两辆自行车"]

    def test_image(self, client: TestClient) -> None:
        answer = client.post("/v1/search", files={"image": picture((40, 70, 200))})
        best = answer.json()["hits"][0]
        assert (best["video_name"], best["number"]) == ("colours.mp4", 2)
        assert best["provenance"][0]["query"] == "image"

    def test_text_image_and_clip_at_once(self, client: TestClient, colour_film: films.Film) -> None:
        answer = client.post(
            "/v1/search",
            data={"text": "red", "k": "3"},
            files={"image": picture(), "clip": colour_film.path.read_bytes()},
        )
        assert answer.status_code == 200, answer.text
        hits = answer.json()["hits"]
        assert len(hits) == 3
        assert (hits[0]["video_name"], hits[0]["number"]) == ("colours.mp4", 0)
        assert {item["query"] for item in hits[0]["provenance"]} == {"text", "image", "clip"}

    def test_sound(self, client: TestClient, audio_only: Path) -> None:
        answer = client.post("/v1/search", files={"sound": audio_only.read_bytes()})
        assert answer.status_code == 200, answer.text
        best = answer.json()["hits"][0]
        assert best["video_name"] == "made.mp4"  # the one film with sound
        assert (best["provenance"][0]["modality"], best["provenance"][0]["query"]) == (
            "sound",
            "sound",
        )
        assert_problem(client.post("/v1/search", files={"sound": picture()}), 415, "not-media")

    def test_scenes_and_filter(self, client: TestClient) -> None:
        hits = search(client, text="red", unit="scene", video="made.mp4")
        assert {hit["video_name"] for hit in hits} == {"made.mp4"}
        assert {hit["unit"] for hit in hits} == {"scene"}

    def test_pages_fit_together(self, client: TestClient) -> None:
        whole = search(client, text="red light", k=6)
        first = client.post("/v1/search", json={"text": "red light", "k": 2}).json()
        second = client.post(
            "/v1/search", json={"text": "red light", "k": 4, "cursor": first["next_cursor"]}
        ).json()
        assert first["hits"] + second["hits"] == whole

    def test_a_cursor_belongs_to_its_query(self, client: TestClient) -> None:
        cursor = client.post("/v1/search", json={"text": "red", "k": 1}).json()["next_cursor"]
        answer = client.post("/v1/search", json={"text": "blue", "k": 1, "cursor": cursor})
        assert_problem(answer, 422, "invalid-input")
        for bad in ("x", "W10", "%%%", "bnVsbA"):
            answer = client.post("/v1/search", json={"text": "red", "cursor": bad})
            assert_problem(answer, 422, "invalid-input")

    def test_links_of_a_hit_lead_somewhere(self, client: TestClient) -> None:
        best = search(client, text="green", k=1)[0]
        assert client.get(best["thumbnail_url"]).headers["content-type"] == "image/jpeg"
        assert client.get(best["clip_url"]).headers["content-type"] == "video/mp4"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"text": ""},
            {"text": "  "},
            {"text": "x" * 1001},
            {"text": "red", "k": 0},
            {"text": "red", "k": 1001},
            {"text": "red", "k": "many"},
            {"text": "red", "unit": "film"},
            {"text": "red", "unknown": 1},
            {"text": "\ud800"},
            [],
        ],
    )
    def test_bad_bodies(self, client: TestClient, body: Any) -> None:
        import json

        answer = client.post(
            "/v1/search",
            content=json.dumps(body),
            headers={"content-type": "application/json"},
        )
        assert_problem(answer, 422, "invalid-input")

    def test_bad_fields_are_named(self, client: TestClient) -> None:
        body = assert_problem(client.post("/v1/search", json={"text": "x", "k": 0}), 422)
        assert [item["field"] for item in body["errors"]] == ["k"]

    def test_not_json(self, client: TestClient) -> None:
        headers = {"content-type": "application/json"}
        for content in (b"{", b"\xff", b'{"text": NaN}', b"[" * 100_000):
            answer = client.post("/v1/search", content=content, headers=headers)
            assert_problem(answer, 422)

    def test_other_content_types(self, client: TestClient) -> None:
        answer = client.post(
            "/v1/search", content="text=red", headers={"content-type": "text/plain"}
        )
        assert_problem(answer, 415)
        assert_problem(client.post("/v1/search"), 415)

    def test_unknown_video(self, client: TestClient) -> None:
        answer = client.post("/v1/search", json={"text": "red", "video": "colour.mp4"})
        assert "colours.mp4" in assert_problem(answer, 404, "not-found")["detail"]

    def test_parts_that_are_wrong(self, client: TestClient) -> None:
        image = picture()
        for files in (
            {"other": image},
            [("image", image), ("image", image)],
        ):
            assert_problem(client.post("/v1/search", files=files), 422)
        assert_problem(client.post("/v1/search", data={"image": "text"}, files={"clip": b"x"}), 422)
        assert_problem(client.post("/v1/search", files={"image": b"no image"}), 415, "not-media")
        assert_problem(client.post("/v1/search", files={"clip": b"no film"}), 415, "not-media")

    def test_broken_multipart(self, client: TestClient) -> None:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert client.post("/v1/search", content=b"--y\r\n", headers=headers).status_code in (
            400,
            422,
        )
        answer = client.post(
            "/v1/search", content=b"", headers={"content-type": "multipart/form-data"}
        )
        assert_problem(answer, 400)

    def test_empty_library(self, own_client: TestClient) -> None:
        answer = own_client.post("/v1/search", json={"text": "red"})
        assert "ingest" in assert_problem(answer, 404)["detail"]


class TestVideos:
    def test_list_and_pages(self, client: TestClient) -> None:
        names = [video["name"] for video in client.get("/v1/videos").json()["videos"]]
        assert sorted(names) == ["colours.mp4", "made.mp4", "subtitled.mkv"]
        first = client.get("/v1/videos?limit=2").json()
        rest = client.get("/v1/videos", params={"cursor": first["next_cursor"]}).json()
        assert [video["name"] for video in first["videos"] + rest["videos"]] == names
        assert rest["next_cursor"] is None

    def test_one_video_and_its_shots(self, client: TestClient) -> None:
        video = client.get("/v1/videos/colours.mp4").json()
        assert video["duration_seconds"] == pytest.approx(6.0)
        assert video["frame_rate"] == 25.0
        assert "path" not in video
        shots = client.get(f"/v1/videos/{video['video_id']}/shots").json()
        assert [shot["start_seconds"] for shot in shots["shots"]] == [0.0, 2.0, 4.0]
        assert shots["scenes"][0]["first_shot"] == 0

    def test_unknown(self, client: TestClient) -> None:
        for path in ("/v1/videos/zzz", "/v1/videos/zzz/shots"):
            assert assert_problem(client.get(path), 404)["instance"] == path
        assert_problem(client.delete("/v1/videos/zzz"), 404)
        assert_problem(client.patch("/v1/videos/zzz", json={"match_threshold": 0.5}), 404)
        assert_problem(client.patch("/v1/videos/zzz", json={"match_threshold": 1.5}), 422)
        assert_problem(client.patch("/v1/videos/zzz", json={}), 422)

    def test_upload_ingest_search_remove(
        self, own_client: TestClient, tmp_path: Path, colour_film: films.Film
    ) -> None:
        data = colour_film.path.read_bytes()
        answer = own_client.post(
            "/v1/videos?wait=30", files={"film": ("../../etc/my film!.mp4", data)}
        )
        assert answer.status_code == 200, answer.text
        job = answer.json()
        assert job["status"] == "done", job
        outcome = job["result"]["outcomes"][0]
        assert (outcome["status"], outcome["name"]) == ("added", "my_film.mp4")
        assert search(own_client, text="blue", k=1)[0]["number"] == 2
        stored = list((tmp_path / "library" / "uploads").rglob("*.mp4"))
        assert len(stored) == 1
        assert own_client.get(f"/v1/clips/{outcome['video_id']}?start=0&end=1").status_code == 200

        for threshold in (0.9, None):
            place, body = f"/v1/videos/{outcome['video_id']}", {"match_threshold": threshold}
            assert own_client.patch(place, json=body).json()["match_threshold"] == threshold
            assert own_client.get(place).json()["match_threshold"] == threshold

        again = own_client.post("/v1/videos?wait=30", files={"film": ("b.mp4", data)}).json()
        assert again["result"]["outcomes"][0]["status"] == "skipped"
        assert list((tmp_path / "library" / "uploads").rglob("*.mp4")) == stored

        assert own_client.delete(f"/v1/videos/{outcome['video_id']}").status_code == 200
        assert not stored[0].exists()
        assert own_client.get("/v1/videos").json()["videos"] == []

    def test_bad_upload_leaves_nothing(self, own_client: TestClient, tmp_path: Path) -> None:
        answer = own_client.post("/v1/videos?wait=30", files={"film": ("a.mp4", b"no film")})
        assert_problem(answer, 415)
        assert not list((tmp_path / "library").glob("uploads/*"))
        assert_problem(own_client.post("/v1/videos", data={"shots": "fast"}, files={}), 415)

    def test_paths_outside_the_media_roots(self, tmp_path: Path, colour_film: films.Film) -> None:
        root = tmp_path / "media"
        root.mkdir()
        (root / "inside.mp4").write_bytes(colour_film.path.read_bytes())
        (root / "link.mp4").symlink_to(colour_film.path)
        settings = settings_of(server={"media_roots": (root,)})
        with client_of(tmp_path / "library", settings=settings) as client:
            for path in (
                str(colour_film.path),
                "/etc/passwd",
                "/nothing",
                f"{root}/../library/catalog.sqlite3",
                str(root / "link.mp4"),
                str(root / "nothing.mp4"),
                "a\x00b",
            ):
                assert_problem(client.post("/v1/videos", json={"path": path}), 403, "forbidden")
            answer = client.post("/v1/videos?wait=30", json={"path": str(root / "inside.mp4")})
            assert answer.json()["result"]["outcomes"][0]["status"] == "added"

    def test_without_media_roots_no_path_is_taken(self, own_client: TestClient) -> None:
        assert_problem(own_client.post("/v1/videos", json={"path": "/"}), 403)

    def test_a_server_that_may_not_change(self, library: Path) -> None:
        with client_of(library, settings=settings_of(server={"may_change": False})) as client:
            assert_problem(client.delete("/v1/videos/made.mp4"), 403)
            kept = client.patch("/v1/videos/made.mp4", json={"match_threshold": 0.5})
            assert_problem(kept, 403)
            assert_problem(client.post("/v1/videos", files={"film": b"x"}), 403)


class TestMedia:
    def test_thumbnail_and_its_cache(self, client: TestClient) -> None:
        url = search(client, text="red", k=1)[0]["thumbnail_url"]
        answer = client.get(url)
        image = Image.open(io.BytesIO(answer.content)).convert("RGB")
        red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
        assert red > 2 * max(green, blue)
        tag = answer.headers["etag"]
        cached = client.get(url, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (cached.status_code, cached.content) == (304, b"")
        assert client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200

    def test_unknown_thumbnail(self, client: TestClient) -> None:
        assert_problem(client.get("/v1/thumbnails/999999"), 404)
        assert_problem(client.get("/v1/thumbnails/0"), 422)
        assert_problem(client.get(f"/v1/thumbnails/{2**63}"), 422)
        assert_problem(client.get("/v1/thumbnails/x"), 422)

    def test_clip_is_the_segment(self, client: TestClient) -> None:
        answer = client.get("/v1/clips/colours.mp4?start=2.2&end=3.8")
        assert answer.headers["accept-ranges"] == "bytes"
        with av.open(io.BytesIO(answer.content), "r") as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == pytest.approx(40, abs=1)
        red, green, blue = np.concatenate(frames).reshape(-1, 3).mean(axis=0)
        assert green > 2 * max(red, blue)

    def test_ranges(self, client: TestClient) -> None:
        url = "/v1/clips/colours.mp4?start=0&end=1"
        whole = client.get(url).content
        part = client.get(url, headers={"Range": "bytes=10-19"})
        assert part.status_code == 206
        assert part.content == whole[10:20]
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
        tail = client.get(url, headers={"Range": "bytes=-5"})
        assert tail.content == whole[-5:]
        outside = client.get(url, headers={"Range": f"bytes={len(whole)}-"})
        assert_problem(outside, 416)
        assert outside.headers["content-range"] == f"bytes */{len(whole)}"
        for bad in ("bytes=b-a", "lines=1-2", "bytes", "bytes=5-2"):
            assert client.get(url, headers={"Range": bad}).status_code in (400, 416)

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("start=2&end=1", 422),
            ("start=-1&end=1", 422),
            ("start=nan&end=1", 422),
            ("start=0&end=inf", 422),
            ("start=500&end=501", 422),
            ("start=0", 422),
        ],
    )
    def test_bad_segments(self, client: TestClient, query: str, status: int) -> None:
        assert_problem(client.get(f"/v1/clips/colours.mp4?{query}"), status)

    def test_unknown_video(self, client: TestClient) -> None:
        assert_problem(client.get("/v1/clips/zzz?start=0&end=1"), 404)


class TestMatch:
    def test_an_uploaded_copy_is_found(
        self, client: TestClient, tmp_path: Path, made_film: films.Film
    ) -> None:
        answer = client.post(
            "/v1/match?wait=60", files={"film": ("s.mp4", made_film.path.read_bytes())}
        )
        assert answer.status_code == 200, answer.text
        job = answer.json()
        assert job["status"] == "done", job
        match = job["result"]["matches"][0]
        assert match["video_name"] == "made.mp4"
        assert match["speed_ratio"] == pytest.approx(1.0, abs=0.05)
        assert match["query"]["start_seconds"] == pytest.approx(
            match["reference"]["start_seconds"], abs=0.5
        )
        assert client.get(answer.headers["location"]).json()["job_id"] == job["job_id"]

    def test_a_film_is_not_matched_with_itself(self, client: TestClient) -> None:
        job = client.post("/v1/match?wait=60", json={"video_id": "made.mp4"}).json()
        assert job["status"] == "done", job
        assert all(match["video_name"] != "made.mp4" for match in job["result"]["matches"])

    def test_an_idempotency_key_finds_the_first_job(
        self, client: TestClient, made_film: films.Film
    ) -> None:
        headers = {"Idempotency-Key": "abc-1"}
        files = {"film": ("s.mp4", made_film.path.read_bytes())}
        first = client.post("/v1/match", files=files, headers=headers)
        assert first.status_code in (200, 202)
        again = client.post("/v1/match", files=files, headers=headers)
        assert again.json()["job_id"] == first.json()["job_id"]
        other = client.post("/v1/match", json={"video_id": "made.mp4"}, headers=headers)
        assert_problem(other, 422)

    def test_bad_queries(self, client: TestClient) -> None:
        assert_problem(client.post("/v1/match", files={"film": b"no film"}), 415, "not-media")
        assert_problem(client.post("/v1/match", json={}), 422)
        assert_problem(client.post("/v1/match", json={"video_id": "zzz"}), 404)
        answer = client.post("/v1/match", json={"video_id": "made.mp4", "min_score": 2})
        assert_problem(answer, 422)
        assert_problem(client.post("/v1/match?wait=61", json={"video_id": "made.mp4"}), 422)

    def test_health_answers_while_a_match_runs_and_it_can_be_cancelled(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        began = threading.Event()

        def slow(self: Engine, query: Path, **options: Any) -> list[Match]:
            from retrieval.errors import OperationCancelled

            began.set()
            while not options["should_stop"]():
                sum(range(10_000))
            raise OperationCancelled("asked to")

        monkeypatch.setattr(Engine, "match", slow)
        job = client.post("/v1/match", json={"video_id": "made.mp4"})
        assert job.status_code == 202
        assert began.wait(5)
        started = time.perf_counter()
        assert client.get("/health").json() == {"status": "ok"}
        assert time.perf_counter() - started < 1.0
        url = job.headers["location"]
        assert client.get(url).json()["status"] == "running"
        assert client.delete(url).status_code == 200
        assert client.get(f"{url}?wait=10").json()["status"] == "cancelled"

    def test_unknown_job(self, client: TestClient) -> None:
        assert_problem(client.get("/v1/jobs/zzz"), 404)
        assert_problem(client.delete("/v1/jobs/zzz"), 404)


class TestClassify:
    def test_image_audio_and_text_in_one_call(self, client: TestClient, audio_only: Path) -> None:
        answer = client.post(
            "/v1/classify",
            data={"text": "a red car", "labels": "red,blue"},
            files={"image": picture(), "audio": audio_only.read_bytes()},
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        (item,) = body["classifications"]
        assert item["scores"][0]["label"] == "red"
        assert sum(score["score"] for score in item["scores"]) == pytest.approx(1.0)
        assert body["modalities_used"] == ["image", "text"]
        assert "3.0 s were read but not scored" in body["notes"][0]

    def test_the_groups_that_ship(self, client: TestClient) -> None:
        body = client.post("/v1/classify", files={"image": picture()}).json()
        groups = {item["group"] for item in body["classifications"]}
        assert groups == {"scene_place", "scene_time", "scene_action", "mood"}

    def test_text_alone(self, client: TestClient) -> None:
        # httpx sends a form without files as urlencoded, so the part is made by hand
        answer = client.post(
            "/v1/classify", files={"text": (None, "red"), "labels": (None, "red,blue")}
        )
        assert answer.json()["classifications"][0]["scores"][0]["label"] == "red"

    def test_groups_as_json(self, client: TestClient) -> None:
        labels = '{"colour": {"warm": ["red"], "cold": ["blue", "cyan"]}}'
        body = client.post(
            "/v1/classify", data={"labels": labels}, files={"image": picture((0, 0, 255))}
        ).json()
        (item,) = body["classifications"]
        assert (item["group"], item["scores"][0]["label"]) == ("colour", "cold")

    @pytest.mark.parametrize("labels", [",", "a,a", '{"a": 1}', "{", '{"a": {}}', "[x]\n"])
    def test_bad_labels(self, client: TestClient, labels: str) -> None:
        answer = client.post("/v1/classify", data={"labels": labels}, files={"image": picture()})
        assert_problem(answer, 422, "invalid-input")

    def test_sound_alone_is_not_scored(self, client: TestClient, audio_only: Path) -> None:
        answer = client.post("/v1/classify", files={"audio": audio_only.read_bytes()})
        assert "no part for sound" in assert_problem(answer, 422)["detail"]

    def test_what_is_no_sound(self, client: TestClient, colour_film: films.Film) -> None:
        for data in (b"noise", colour_film.path.read_bytes()):
            files = {"image": picture(), "audio": data}
            assert_problem(client.post("/v1/classify", files=files), 415, "not-media")

    def test_a_film_of_the_library(self, client: TestClient) -> None:
        answer = client.post(
            "/v1/videos/colours.mp4/classify?wait=30", json={"labels": "red,green,blue"}
        )
        items = answer.json()["result"]["classifications"]
        assert [item["scores"][0]["label"] for item in items] == ["red", "green", "blue"]
        assert [item["shot_number"] for item in items] == [0, 1, 2]
        assert_problem(client.post("/v1/videos/zzz/classify", json={}), 404)
        assert_problem(client.post("/v1/videos/colours.mp4/classify", json={"per": "film"}), 422)


def test_a_file_under_a_wrong_name_is_told_the_right_ones(client: TestClient) -> None:
    answer = client.post("/v1/search", files={"picture": ("a.png", b"x", "image/png")})
    assert answer.status_code == 422
    assert "expected `image` or `clip`" in answer.json()["detail"]
    answer = client.post("/v1/match", files={"video": ("a.mp4", b"x", "video/mp4")})
    assert "expected `film`" in answer.json()["detail"]
