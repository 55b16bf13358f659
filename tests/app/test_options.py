import logging

import pytest

from app.cli.options import chosen_device
from retrieval.encoders.device import say_picked


def test_what_auto_became_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert chosen_device("auto") == "auto"
    say_picked.cache_clear()
    say_picked("torch", "cpu", "it finds no GPU")
    shown = capsys.readouterr().err
    assert shown == "info: device auto: picked cpu for torch (it finds no GPU)\n"


def test_the_setting_counts_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEPRINT_DEVICE", "cuda")
    assert chosen_device(None) == "cuda"
    assert chosen_device("cpu") == "cpu"
