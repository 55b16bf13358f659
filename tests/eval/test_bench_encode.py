"""The encoding benchmark has a row for each runtime and precision, and its figures fit together."""

import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import bench_encode, encode_child, encode_folders, peers
from eval.bench_encode import BenchConfig
from eval.encode_child import Measured, Task, read_measured, run_task, write_task
from eval.encode_folders import made_material, random_checkpoint
from eval.encode_rows import RUNTIMES, Row, chosen_runtimes, plan
from eval.export_material import Material
from eval.peers import TorchBuiltin
from eval.queries import query_texts
from eval.table import Table
from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.engine_key import Gpu
from retrieval.encoders.manifest import read_manifest
from retrieval.encoders.torchvision_cure import cure_torchvision
from retrieval.errors import InvalidInputError
from tests.retrieval.encoders import tiny_open_clip
from tests.retrieval.encoders.tiny_folder import write_tiny_encoder


def test_rows_of_each_runtime_in_each_precision() -> None:
    names = [row.name for row in plan(RUNTIMES, compiles=True)]
    assert names[0] == "torch eager fp32"
    assert "torch compiled fp32" in names
    assert [name for name in names if name.startswith("openvino")] == [
        "openvino fp32",
        "openvino fp16",
        "openvino bf16",
        "openvino int8",
    ]
    assert sum(name.endswith("GPU") for name in names) == 6
    assert len(set(names)) == len(names)


def test_torch_is_always_there_to_compare_with() -> None:
    assert next(row.name for row in plan(["openvino"], compiles=False)) == "torch eager fp32"


@pytest.mark.parametrize("given", ["", "tvm", "openvino,tvm", "all,openvino"])
def test_unknown_runtimes(given: str) -> None:
    with pytest.raises(InvalidInputError, match="torch, onnxruntime, openvino, tensorrt by commas"):
        chosen_runtimes(given)


@pytest.mark.parametrize("numbers", [{"runs": 0}, {"rounds": 0}, {"batch": 0}, {"batch": 257}])
def test_odd_numbers(numbers: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="expected at least 1"):
        BenchConfig(**numbers)  # type: ignore[arg-type]


@pytest.fixture
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(path: Path) -> Any:
        run_task(path)
        measured, vectors = read_measured(path.parent)
        return bench_encode._Result(measured=measured, vectors=vectors)

    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (28, 40, 60, 3), dtype=np.uint8))
    texts = list(islice(query_texts("en"), 20))
    made = Material(
        pictures=pictures[:12],
        texts=texts[:4],
        calibration_pictures=pictures[12:],
        calibration_texts=texts[4:],
    )
    monkeypatch.setattr(encode_child, "NUM_TEXTS", 4)
    monkeypatch.setattr(encode_folders, "multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(encode_folders, "made_material", lambda: made)
    monkeypatch.setattr(bench_encode, "_in_process", here)


@pytest.mark.usefixtures("_in_one_process")
def test_a_checkpoint_in_each_way(tmp_path: Path) -> None:
    needs_open_clip()
    folder = tiny_open_clip.save_clip(tmp_path / "clip")
    said: list[str] = []
    config = BenchConfig(
        encoder=f"open_clip:local-dir:{folder}", runtimes="torch,onnxruntime", runs=1, batch=2
    )
    table = bench_encode.run(config, said.append)
    rows = {str(row[0]): at for at, row in enumerate(table.rows)}
    for name in ("torch eager fp32", "onnxruntime fp32", "onnxruntime int8"):
        at = rows[name]
        assert table.value(at, "note") == ""
        assert number(table, at, "image_cosine") > 0.95
        assert number(table, at, "text_cosine") > 0.95
        assert number(table, at, "images_per_second") > 0
    assert number(table, 0, "images_ratio") == number(table, 0, "texts_ratio") == 1
    assert number(table, rows["onnxruntime fp32"], "image_cosine") > 0.99999
    assert number(table, rows["onnxruntime int8"], "image_cosine") < 0.9999999
    assert table.value(rows["torch eager bf16"], "note") == (
        "no bfloat16 on this CPU: torch would emulate it"
    )
    assert said[0] == "round 1/1: torch eager fp32"


@pytest.mark.usefixtures("_in_one_process")
def test_a_folder_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Peer:
        def encode_images(self, images: Any) -> None:
            time.sleep(0.001)

        def encode_texts(self, texts: Any) -> None:
            time.sleep(0.001)

    monkeypatch.setattr(peers, "TorchBuiltin", _Peer)
    folder = write_tiny_encoder(tmp_path / "tiny")
    table = bench_encode.run(BenchConfig(encoder=f"builtin:{folder}", runs=1, rounds=2, batch=1))
    notes = {str(row[0]): table.value(at, "note") for at, row in enumerate(table.rows)}
    assert notes["torch eager fp32"] == notes["openvino fp32"] == ""
    assert "sceneprint compress int8" in str(notes["onnxruntime int8"])
    assert {notes[name] for name in notes if name.endswith("GPU")} == {"no GPU"}
    openvino = [row[0] for row in table.rows].index("openvino fp32")
    assert number(table, openvino, "image_cosine") > 0.999


def test_a_gpu_row_is_tried_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = Gpu(gpu="NVIDIA L4", compute_capability="8.9", driver="570.1")
    monkeypatch.setattr(bench_encode, "first_gpu", lambda: gpu)
    folders: Any = type("_", (), {"source": lambda self, row: ("e", "auto")})()
    folders.work, folders.material = tmp_path, type("_", (), {"pictures": []})
    seen: list[Any] = []

    def in_process(path: Path) -> Any:
        seen.append(path.read_text(encoding="utf-8"))
        return bench_encode._Result(measured=Measured(error="tried"))

    monkeypatch.setattr(bench_encode, "_in_process", in_process)
    row = Row(runtime="onnxruntime", device="cuda")
    result = bench_encode._measure(row, folders, BenchConfig())
    assert result.measured.error == "tried"
    assert '"device": "cuda"' in seen[0]


def test_a_process_of_its_own_says_what_it_lacks(tmp_path: Path) -> None:
    task = Task(
        encoder="onnx:nothing-here",
        runtime="auto",
        row=Row(runtime="onnxruntime"),
        batches=(1,),
        runs=1,
        started=time.time(),
    )
    path = write_task(tmp_path, task, [np.zeros((8, 8, 3), np.uint8)])
    result = bench_encode._in_process(path)
    assert "no encoder in" in str(result.measured.error)
    assert bench_encode._in_process(tmp_path / "no-task.json").measured.error is not None


def test_made_pictures_are_each_other_than_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_folders, "PICTURE", (18, 32))
    made = made_material()
    pictures = [*made.pictures, *made.calibration_pictures]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures) == 64
    assert not set(made.texts) & set(made.calibration_texts)


def test_medians_of_rounds() -> None:
    def one(seconds: float, error: str | None = None) -> Any:
        figures = {"image_seconds": (seconds,), "text_seconds": (seconds,)}
        measured = Measured(**figures, start_seconds=1.0, peak_bytes=5, error=error)
        return bench_encode._Result(measured=measured)

    made = bench_encode._median([one(1.0), one(3.0), one(2.0), one(9.0, "killed")])
    assert made.measured.image_seconds == (2.0,)
    assert bench_encode._median([one(9.0, "killed")]).measured.error == "killed"


def test_peak_memory_is_of_this_process() -> None:
    peak = encode_child._peak_bytes()
    assert peak is None or peak > 10_000_000


def test_random_weights_need_an_architecture(tmp_path: Path) -> None:
    needs_open_clip()
    with pytest.raises(InvalidInputError, match="expected open_clip:ARCHITECTURE"):
        random_checkpoint("builtin", tmp_path)
    with pytest.raises(InvalidInputError, match="no architecture 'ViT-B-33'"):
        random_checkpoint("open_clip:ViT-B-33", tmp_path)


def test_the_peer_is_the_same_network() -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        peer = TorchBuiltin()
    shipped = read_manifest(ASSETS)
    peer.encode_images([np.zeros((8, 8, 3), dtype=np.uint8)])
    peer.encode_texts(["a dog", "two dogs on a beach"])
    num_values = sum(value.numel() for value in peer._images.parameters())
    # float16 on disk: two bytes a value, give or take normalisations that were folded in
    assert (ASSETS / shipped.image.file).stat().st_size / num_values == pytest.approx(2, rel=0.05)


def needs_open_clip() -> None:
    pytest.importorskip("torch")
    cure_torchvision()
    pytest.importorskip("open_clip")


def number(table: Table, row: int, key: str) -> float:
    value = table.value(row, key)
    assert isinstance(value, float)
    return value
