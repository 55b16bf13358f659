import json
from pathlib import Path

import pytest

from app.cli import run
from tests.eval.picture_classes import make_classes
from tests.fakes import FakeEncoder


@pytest.fixture(autouse=True)
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.encoders.load_encoder", lambda *_, **__: FakeEncoder())


def test_measures_a_folder_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_classes(tmp_path / "colours")
    arguments = ["--data", str(data), "--shots", "1,2", "--seeds", "2", "--adapter", "nearest"]
    assert run(["eval", "few-shot", *arguments, "--cache", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out
    assert "mean ± 95 % interval over 2 seeds: colours" in out
    assert "nearest" in out
    assert "lp++" not in out
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert run(["eval", "few-shot", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "colours"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shots", "some"], "1,2,4,8,16"),
        (["--shots", "50"], "too few in"),
        (["--adapter", "nothing"], "expected one of"),
        (["--labels", "nothing.txt"], "nothing.txt"),
        (["--error-rate", "2"], "error_rate"),
        (["--balance", "luck"], "expected weights, sampling, smote"),
        (["--views", "1", "--views-as", "sum"], "expected 0 to 64 as mean or add"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_classes(tmp_path / "colours")
    given = ["--data", str(data), "--shots", "1", *arguments]
    assert run(["eval", "few-shot", *given]) == 2
    assert message in capsys.readouterr().err
