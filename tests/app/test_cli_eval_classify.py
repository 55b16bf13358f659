"""`sceneprint eval classify`: from labels of two films to figures and a page."""

import json
from pathlib import Path

import pytest

from app.cli import run
from retrieval.encoders.base import PictureTextEncoder
from tests.eval.labelled_films import NoisyEncoder, five_films, say


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_encoder: None) -> str:
    def load(name: str, **options: object) -> PictureTextEncoder:
        return NoisyEncoder()

    monkeypatch.setattr("retrieval.encoders.load_encoder", load)
    with five_films(tmp_path / "library", NoisyEncoder()) as catalog:
        say(catalog, range(5), second="cold")
    return str(tmp_path / "library")


def test_figures_and_page(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "classify", "--labels", "tint", "--adapter", "anchored-probe"]
    command += ["--folds", "2", "--library", own]
    assert run([*command, "--out", str(tmp_path / "page.html"), "--json"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert found["figures"]["anchored-probe"]["accuracy"]["value"] > 0.9
    assert found["num_folds"] == 2
    assert [one["name"] for one in found["per_class"]] == ["warm", "cold"]
    assert "measure" in out.err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert run(command) == 0
    assert "Macro-F1" in capsys.readouterr().out


def test_mistakes_are_explained(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "classify", "--library", own, "--labels"]
    assert run([*command, "nothing"]) == 2
    assert "there is: tint" in " ".join(capsys.readouterr().err.split())
    assert run([*command, "tint", "--adapter", "mine"]) == 2
    assert "expected one of" in " ".join(capsys.readouterr().err.split())
