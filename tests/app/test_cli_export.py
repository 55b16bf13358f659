"""`sceneprint export`: measures first, and writes a whole folder or nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.cli import run
from retrieval.catalog import Catalog
from retrieval.encoders import load_encoder
from retrieval.encoders.builtin import BuiltinEncoder
from tests.fakes import FakeEncoder
from tests.retrieval.encoders.test_manifest import write_exported
from tests.retrieval.encoders.tiny_transformers import save_clip
from tests.retrieval.libraries import add_film

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    from retrieval.encoders.torchvision_cure import cure_torchvision

    cure_torchvision()
    return f"transformers:{save_clip(tmp_path_factory.mktemp('checkpoint'))}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(14):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 48)).save(folder / f"{number}.png")
    return folder


def test_measured_written_and_loaded(
    checkpoint: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fast"
    options = ["--out", str(out), "--pictures", str(pictures)]
    assert run(["export", checkpoint, *options, "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(out)
    assert said["forced"] is False
    assert said["figures"]["picture_number"] == 14
    assert said["figures"]["text_cosine"] == pytest.approx(1, abs=1e-4)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["figures"] == {**said["figures"], "forced": False}
    assert manifest["source"]["name"] == checkpoint
    assert load_encoder(f"onnx:{out}").name == said["name"]
    assert run(["export", checkpoint, *options]) == 0  # over the older one
    printed = capsys.readouterr().out
    assert "R@10 %" in printed
    assert f"--encoder onnx:{out}" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["fast"]


def test_below_the_floor_nothing_is_written_but_by_force(
    checkpoint: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from eval import export_run

    class Other:
        name, id = "onnx:other", None

        def encode_images(self, images: Any) -> Any:
            return np.eye(24, dtype=np.float32)[np.arange(len(images)) % 24]

        encode_texts = encode_images

    monkeypatch.setattr(export_run, "load_folder", lambda *_, **__: Other())
    options = ["--out", str(tmp_path / "fast"), "--pictures", str(pictures)]
    assert run(["export", checkpoint, *options]) == 2
    error = capsys.readouterr().err
    assert "nothing is written: cosine of pictures is" in error
    assert "--force" in error
    assert list(tmp_path.iterdir()) == []
    assert run(["export", checkpoint, *options, "--force"]) == 0
    assert "kept by --force: cosine of pictures" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "fast" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["figures"]["forced"] is True


def test_ctrl_c_leaves_nothing(
    checkpoint: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval import export_run

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_run, "judge_export", interrupted)
    options = ["--out", str(tmp_path / "fast"), "--pictures", str(pictures)]
    assert run(["export", checkpoint, *options]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--library", "absent"], "no library in absent; give --library DIR or --pictures DIR"),
        (["--pictures", "absent"], "no folder or archive absent"),
        (["--pictures", "PICTURES", "--library", "absent"], "without --with-index, expected one"),
        (["--pictures", "PICTURES", "--batch", "many"], "expected 1 to 1024, or dynamic"),
        (["--pictures", "PICTURES", "--batch", "0"], "expected 1 to 1024"),
        (["--pictures", "absent", "--precision", "bf16"], "bf16 goes with openvino, tensorrt"),
        (["--pictures", "PICTURES", "--precision", "int8"], "expected at least 32"),
        (["--pictures", "PICTURES", "--out", "PICTURES"], "is there and no encoder folder"),
        (["--pictures", "PICTURES", "NAME=builtin"], "was not written by `sceneprint export`"),
    ],
)
def test_what_cannot_be_used(
    options: list[str],
    words: str,
    checkpoint: str,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "builtin" if "NAME=builtin" in options else checkpoint
    given = [str(pictures) if word == "PICTURES" else word for word in options]
    given = [word for word in given if word != "NAME=builtin"]
    out = [] if "--out" in given else ["--out", str(tmp_path / "fast")]
    assert run(["export", name, *given, *out]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_folder_is_copied_with_a_librarys_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = BuiltinEncoder(write_exported(tmp_path / "encoder"))
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        add_film(catalog, encoder, "a", ["red", "blue"])
    options = ["--with-index", "--library", str(tmp_path / "library")]
    out = ["--out", str(tmp_path / "bundle")]
    assert run(["export", f"onnx:{tmp_path / 'encoder'}", *options, *out, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["figures"], said["index"]["num_shots"]) == (encoder.name, None, 2)
    assert load_encoder(f"onnx:{tmp_path / 'bundle'}").id == encoder.id
    (tmp_path / "encoder" / "image.onnx").write_bytes(b"damaged")
    assert run(["export", f"onnx:{tmp_path / 'encoder'}", *options, *out]) == 3
    assert "image.onnx is damaged" in capsys.readouterr().err
    assert (tmp_path / "bundle" / "library.json").is_file()


def test_library_of_another_encoder_is_refused_before_the_work(
    checkpoint: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        add_film(catalog, FakeEncoder(), "a", ["red", "blue"])
    options = ["--with-index", "--library", str(tmp_path / "library"), "--pictures", str(pictures)]
    assert run(["export", checkpoint, *options, "--out", str(tmp_path / "fast")]) == 2
    error = capsys.readouterr().err
    assert f"sceneprint reindex --library {tmp_path / 'library'} --encoder {checkpoint}" in error
    assert "write networks" not in error


def test_folder_is_converted_once_more(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_exported(tmp_path / "encoder")
    options = ["--pictures", str(pictures), "--out", str(tmp_path / "half")]
    assert run(["export", f"onnx:{folder}", "--precision", "fp16", *options, "--force"]) == 0
    halved = load_encoder(f"onnx:{tmp_path / 'half'}")
    assert halved.name == "builtin:tiny/v1+onnxruntime-fp16"
    assert run(["export", f"onnx:{tmp_path / 'half'}", "--precision", "fp32", *options]) == 2
    assert "its networks are for onnxruntime in fp16" in capsys.readouterr().err
