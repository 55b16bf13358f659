"""A small library behind the HTTP application, with the fake encoder, for tests of the fronts."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image

from app.http import create_app
from app.settings import Settings
from retrieval.engine import Engine
from tests.fakes import FakeEncoder

__all__ = ["ORIGIN", "assert_problem", "client_of", "picture", "search", "settings_of"]

PROBLEM = "application/problem+json"

ORIGIN = "http://localhost:8000"


def settings_of(**sections: dict[str, Any]) -> Settings:
    """Default settings without the browser interface, with some values changed."""
    settings = Settings()
    given = {"server": {}, **sections}
    given["server"] = {"ui": False, **given["server"]}
    changed = {
        name: getattr(settings, name).model_copy(update=values) for name, values in given.items()
    }
    return settings.model_copy(update=changed)


@contextmanager
def client_of(library: Path, *, settings: Settings | None = None) -> Iterator[TestClient]:
    """A client of an application over a library, started and stopped like a server."""
    with (
        Engine(library, encoder=FakeEncoder(layout_weight=1.0), create=True) as engine,
        TestClient(
            create_app(settings or settings_of(), engine=engine),
            base_url=ORIGIN,
            raise_server_exceptions=False,
        ) as client,
    ):
        yield client


def picture(colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A small PNG of one colour."""
    target = io.BytesIO()
    Image.new("RGB", (32, 18), colour).save(target, "PNG")
    return target.getvalue()


def search(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    """The hits of a search by JSON."""
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def assert_problem(answer: Any, status: int, slug: str | None = None) -> dict[str, Any]:
    """Check that an answer is problem details, and give them."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    if slug is not None:
        assert body["type"] == f"urn:sceneprint:problem:{slug}"
    return body
