"""Settings come from the environment, checked, and reach the core as plain values."""

from pathlib import Path

import pytest

from app.settings import Settings, load_settings
from retrieval.errors import InvalidInputError
from retrieval.media.limits import MediaLimits


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("SCENEPRINT_")]:
        monkeypatch.delenv(name)


def test_defaults_are_local_and_bounded() -> None:
    settings = load_settings()
    assert settings.library == Path("library")
    assert settings.server.host == "127.0.0.1"
    assert settings.server.media_roots == ()
    assert "*" not in settings.server.allowed_hosts
    assert settings.upload.max_bytes < 2**40


def test_nested_values_come_with_two_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEPRINT_LIBRARY", "/films")
    monkeypatch.setenv("SCENEPRINT_SERVER__PORT", "9000")
    monkeypatch.setenv("SCENEPRINT_SERVER__MEDIA_ROOTS", '["/media/a", "/media/b"]')
    monkeypatch.setenv("SCENEPRINT_UPLOAD__MAX_SECONDS", "60")
    settings = load_settings()
    assert settings.library == Path("/films")
    assert settings.server.port == 9000
    assert settings.server.media_roots == (Path("/media/a"), Path("/media/b"))
    assert settings.server.host == "127.0.0.1"
    assert settings.upload.max_seconds == 60.0


def test_media_limits_reach_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEPRINT_LIMITS__MAX_DURATION_SECONDS", "5")
    assert load_settings().media_limits == MediaLimits(max_duration_seconds=5.0)


def test_default_limits_are_those_of_the_core() -> None:
    assert Settings().media_limits == MediaLimits()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCENEPRINT_SERVER__PORT", "70000"),
        ("SCENEPRINT_DEVICE", "toaster"),
        ("SCENEPRINT_SERVER__PORTS", "80"),
        ("SCENEPRINT_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match=name):
        load_settings()


def test_every_setting_is_described() -> None:
    def check(model: type, where: str) -> None:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            kind = field.annotation
            if isinstance(kind, type) and hasattr(kind, "model_fields"):
                check(kind, f"{where}{name}.")
            else:
                assert field.description, f"{where}{name} has no description"

    check(Settings, "")
