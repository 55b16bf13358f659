"""Labels and taught adapters over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retrieval.catalog import Catalog
from retrieval.engine import Engine
from tests.app.served import assert_problem, client_of, picture, settings_of
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two films, with the encoder of the served application."""
    encoder, path = FakeEncoder(layout_weight=1.0), tmp_path / "library"
    with Engine(path, encoder=encoder, create=True) as engine:
        add_film(engine.catalog, encoder, "one", ["red", "green", "red", "green"])
        add_film(engine.catalog, encoder, "two", ["blue"])
        engine.label_desk.make_group("hue", kind="one_of", classes=["red", "green"])
    return path


@pytest.fixture
def client(library: Path) -> Iterator[TestClient]:
    with client_of(library) as made:
        yield made


def say(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/labels", json={"group": "hue", "label": "red", **body})


def queued(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/labels/queue", params={"group": "hue", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_a_queue_to_an_answer(client: TestClient) -> None:
    first = queued(client, limit=2)
    assert first["adapter"] is None
    assert first["num_labelled"] == {"red": 0, "green": 0}
    for item in first["shots"]:
        body = {"shot_id": item["shot"]["shot_id"], "label": item["scores"][0]["label"]}
        assert say(client, **body).json()["added"][0]["source"] == "http"
    taught = client.post("/v1/adapters?wait=30", json={"name": "mine", "group": "hue"})
    assert taught.status_code == 200, taught.text
    assert taught.json()["kind"] == "teach"
    assert taught.json()["result"]["adapter"] == "mine/1"
    assert taught.json()["result"]["can_be_sure"] is False
    second = queued(client)
    assert second["adapter"] == "mine/1"
    assert second["num_open"] == 3
    assert second["num_sure"] == 0
    (listed,) = client.get("/v1/adapters").json()["adapters"]
    assert (listed["adapter"], listed["group"], listed["modalities"]) == (
        "mine/1", "hue", ["picture"],
    )  # fmt: skip

    still = client.post(
        "/v1/classify", data={"adapter": "mine"}, files={"image": picture((250, 5, 5))}
    )
    (found,) = still.json()["classifications"]
    assert (found["group"], found["scores"][0]["label"]) == ("hue", "red")
    assert found["labels"] is None  # two shots cannot vouch for one error in ten
    assert found["examples"][0].startswith("one.mp4")
    job = client.post("/v1/videos/one.mp4/classify?wait=30", json={"adapter": "mine/1"}).json()
    best = [item["scores"][0]["label"] for item in job["result"]["classifications"]]
    assert best == ["red", "green", "red", "green"]
    again = queued(client, adapter="mine", video="two.mp4")
    assert [item["video_name"] for item in again["shots"]] == ["two.mp4"]


def test_a_correction_replaces_and_is_removed_by_its_id(client: TestClient) -> None:
    segment = {"video": "one.mp4", "start_seconds": 0, "end_seconds": 6.0}
    say(client, **segment)
    edit = say(client, shot_id=2, label="green").json()
    assert [one["label"] for one in edit["removed"]] == ["red"]
    labels = client.get("/v1/labels", params={"group": "hue", "video": "one.mp4"}).json()["labels"]
    spans = [(one["label"], one["start_seconds"], one["end_seconds"]) for one in labels]
    assert spans == [("red", 0, 2), ("green", 2, 4), ("red", 4, 6)]
    gone = client.delete(f"/v1/labels/{labels[1]['label_id']}")
    assert gone.json() == labels[1]
    assert_problem(client.delete(f"/v1/labels/{labels[1]['label_id']}"), 404)
    page = client.get("/v1/labels", params={"limit": 1}).json()
    rest = client.get("/v1/labels", params={"limit": 5, "cursor": page["next_cursor"]}).json()
    assert [one["start_seconds"] for one in page["labels"] + rest["labels"]] == [0, 4]
    assert rest["next_cursor"] is None


def test_groups(client: TestClient) -> None:
    body = {"name": "light", "kind": "any_of", "classes": ["day", "night"]}
    assert client.post("/v1/labels/groups", json=body).json() == body
    more = client.post("/v1/labels/groups", json={**body, "classes": ["dusk"]}).json()
    assert more["classes"] == ["day", "night", "dusk"]
    names = [group["name"] for group in client.get("/v1/labels/groups").json()["groups"]]
    assert names == ["hue", "light"]
    other = client.post("/v1/labels/groups", json={**body, "kind": "one_of"})
    assert_problem(other, 422, "invalid-input")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"shot_id": 99}, 404),
        ({"shot_id": 1, "group": "mood"}, 404),
        ({"shot_id": 1, "label": "pink"}, 404),
        ({"shot_id": 0}, 422),
        ({"shot_id": 2**70}, 422),
        ({}, 422),
        ({"video": "one.mp4"}, 422),
        ({"video": "none.mp4", "start_seconds": 0, "end_seconds": 1}, 404),
        ({"video": "one.mp4", "start_seconds": 2, "end_seconds": 2}, 422),
        ({"video": "one.mp4", "start_seconds": 2, "end_seconds": 99}, 422),
        ({"video": "one.mp4", "shot_id": 1}, 422),
    ],
)
def test_labels_that_cannot_be(client: TestClient, body: dict[str, Any], status: int) -> None:
    assert_problem(say(client, **body), status)
    assert client.get("/v1/labels").json()["labels"] == []


def test_what_cannot_be_taught_or_asked(client: TestClient) -> None:
    assert_problem(client.post("/v1/adapters", json={"name": "m", "group": "mood"}), 404)
    assert_problem(client.post("/v1/adapters", json={"name": "../m", "group": "hue"}), 422)
    job = client.post("/v1/adapters?wait=30", json={"name": "m", "group": "hue"}).json()
    assert job["status"] == "failed"
    assert "no shot in the library for: red, green" in job["error"]["detail"]
    for query in ({"group": "mood"}, {"group": "hue", "adapter": "none"}):
        assert_problem(client.get("/v1/labels/queue", params=query), 404)
    assert_problem(client.get("/v1/labels/queue"), 422)
    files = {"image": picture()}
    for data, status in (
        ({"adapter": "none"}, 404),
        ({"adapter": "none", "labels": "a,b"}, 422),
        ({"adapter": "../x"}, 422),
    ):
        assert_problem(client.post("/v1/classify", data=data, files=files), status)
    assert_problem(
        client.post("/v1/classify", data={"adapter": "m"}, files={"text": (None, "a")}), 422
    )
    path = "/v1/videos/one.mp4/classify"
    assert_problem(client.post(path, json={"adapter": "m", "labels": "a,b"}), 422)
    assert_problem(client.post(path, json={"adapter": "m", "per": "video"}), 422)


def test_a_busy_library_is_a_503(
    client: TestClient, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.catalog_lock._POLL_SECONDS", 0.5)
    monkeypatch.setattr("retrieval.catalog_lock.time.monotonic", iter(range(0, 10_000, 5)).__next__)
    with Catalog.open(library) as other, other.writing():
        answer = say(client, shot_id=1)
    assert_problem(answer, 503, "library-busy")
    assert answer.headers["retry-after"]


def test_a_server_that_may_not_change_takes_no_labels(library: Path) -> None:
    with client_of(library, settings=settings_of(server={"may_change": False})) as client:
        assert_problem(say(client, shot_id=1), 403)
        assert_problem(client.delete("/v1/labels/1"), 403)
        group = {"name": "light", "classes": ["day", "night"]}
        assert_problem(client.post("/v1/labels/groups", json=group), 403)
        assert_problem(client.post("/v1/adapters", json={"name": "m", "group": "hue"}), 403)
        assert queued(client)["num_open"] == 5
