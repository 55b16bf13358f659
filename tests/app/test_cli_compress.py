"""`sceneprint compress`: makes, measures, and keeps only what is good enough."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

from app.cli import run
from retrieval.encoders import load_encoder
from tests.adapters.small_towers import write_small_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"onnx:{write_small_encoder(tmp_path_factory.mktemp('encoder') / 'whole')}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(60):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / f"{number}.png")
    return folder


def test_int8_prints_before_and_after_and_loads(
    encoder: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    options = ["--encoder", encoder, "--data", str(data), "--out", str(out), "--json"]
    options += ["--floor", "1", "--force"]
    assert run(["compress", "int8", *options]) == 0
    before, after = json.loads(capsys.readouterr().out)["rows"]
    assert (before["cosine"], before["recall_at_10"]) == (1.0, 100.0)
    assert 0.95 < after["cosine"] < 1
    assert load_encoder(f"onnx:{out}").name == "builtin:tiny/untrained+int8"
    assert "Measured" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_below_the_floor_nothing_is_written(
    encoder: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "narrow"
    options = ["--encoder", encoder, "--data", str(data), "--out", str(out), "--floor", "1"]
    options += ["--epochs", "1", "--batch-size", "16", "--share", "0.5", "--threads", "1"]
    assert run(["compress", "prune", *options]) == 2
    assert "below the floor 1.0: nothing is written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used(
    encoder: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    options = ["--encoder", encoder, "--data", str(data), "--out", str(tmp_path / "mine")]
    assert run(["compress", "int8", *options]) == 2
    assert "no encoder folder" in capsys.readouterr().err
    assert (tmp_path / "mine" / "letter.txt").exists()
    assert run(["compress", "int8", "--data", str(tmp_path / "absent")]) == 2
    assert "no folder or archive" in capsys.readouterr().err
