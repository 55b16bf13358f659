"""A library that is reindexed under a running server."""

import shutil
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from retrieval.engine import Engine
from retrieval.label_types import Label, LabelledGroup
from retrieval.types import Segment
from tests.app.served import client_of
from tests.fakes import FakeEncoder

OTHER = "fake:other/v1"


@pytest.fixture
def own(library: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(library, tmp_path / "library"))


def teach_tint(own: Path) -> None:
    with Engine(own, encoder=FakeEncoder(layout_weight=1.0)) as engine:
        film = engine.video("colours.mp4").video_id
        names = ("warm", "cold", "cold")
        labels = [
            Label("tint", name, film, Segment(2.0 * place, 2.0 * place + 2.0))
            for place, name in enumerate(names)
        ]
        engine.catalog.add_labels([LabelledGroup("tint", "one_of", ("warm", "cold"))], labels)
        engine.teach("mine", "tint", adapter="anchored-probe", modalities=["picture"])


def ready(client: TestClient) -> str:
    return str(client.get("/ready").json()["encoder"])


def test_the_server_changes_with_the_library(own: Path, fake_encoder: None) -> None:
    teach_tint(own)
    with client_of(own) as client:
        sets = client.get("/v1/vector-sets").json()["vector_sets"]
        assert [(one["name"], one["is_used"]) for one in sets] == [("fake:colour/v1", True)]
        assert ready(client) == "fake:colour/v1"
        with Engine(own) as other:  # as another process
            summary = other.reindex(OTHER, prune=True)
            assert summary.was_changed
        deadline = time.monotonic() + 10
        while True:
            answer = client.post("/v1/search", json={"text": "red", "k": 1})
            assert answer.status_code == 200, answer.text
            assert answer.json()["hits"][0]["video_name"] == "colours.mp4"
            if ready(client) == OTHER:
                break
            assert time.monotonic() < deadline
        sets = client.get("/v1/vector-sets").json()["vector_sets"]
        assert [(one["name"], one["num_missing"]) for one in sets] == [(OTHER, 0)]
        film = client.get("/v1/videos").json()["videos"][0]["video_id"]
        job = client.post(f"/v1/videos/{film}/classify?wait=30", json={"adapter": "mine"}).json()
        assert "sceneprint teach mine --group tint --modalities picture" in str(job)
        assert "encoder-mismatch" in str(job)
