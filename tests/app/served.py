"""A small library behind the HTTP application, with the fake encoder, for tests of the fronts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from app.http import create_app
from app.settings import Settings
from retrieval.engine import Engine
from tests.fakes import FakeEncoder

__all__ = ["ORIGIN", "client_of", "settings_of"]

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
