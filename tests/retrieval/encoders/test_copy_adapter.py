import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.copy_adapter import CopyAdapter, read_adapter
from retrieval.encoders.copy_registry import load_copy_encoder
from retrieval.errors import EncoderMismatchError, InvalidInputError, MissingDependencyError
from tests.fakes import FakeEncoder
from tests.retrieval.encoders.copy_conformance import CopyConformance
from tests.retrieval.encoders.tiny_folder import DIM, write_tiny_encoder

WEIGHTS = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 1], [1, 1, 1]], dtype=np.float32)


def write_adapter(folder: Path, base: BuiltinEncoder, **changes: Any) -> Path:
    """An adapter that multiplies by `WEIGHTS`."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["embedding", "weights"], ["descriptor"])],
        "adapter",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("N", DIM))],
        [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, ("N", 3))],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "copy.onnx")
    np.savez(folder / "copy_background.npz", vectors=np.eye(3, dtype=np.float16))
    files = ("copy.onnx", "copy_background.npz")
    manifest: dict[str, Any] = {
        "format": "sceneprint-copy-adapter",
        "version": 1,
        "name": "copy:builtin:tiny/v1",
        "dim": 3,
        "encoder": {"name": base.name, "hash": base.hash, "dim": base.dim},
        "file": "copy.onnx",
        "background": "copy_background.npz",
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BuiltinEncoder:
    """An encoder whose name finds it again, as a published one's does."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    return BuiltinEncoder(write_tiny_encoder(folder, name=f"builtin:{folder}"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, base: BuiltinEncoder) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "one", base)


class TestAdapter(CopyConformance):
    path: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _path(cls, folder: Path) -> None:
        cls.path = folder

    @classmethod
    def make_encoder(cls) -> CopyAdapter:
        encoder = load_copy_encoder(f"copy:{cls.path}")
        assert isinstance(encoder, CopyAdapter)
        return encoder


def test_descriptor_by_hand(folder: Path, base: BuiltinEncoder) -> None:
    encoder = load_copy_encoder(f"copy:{folder}", shared=base)
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 200
    green[..., 0] = 100  # embedding (1, 2, 0, 0) / sqrt(5), times the weights (1, 4, 0)
    rows = encoder.encode_pictures([green])
    np.testing.assert_allclose(rows[0], np.array([1, 4, 0]) / np.sqrt(17), atol=1e-3)


def test_one_pass_beside_its_encoder(
    folder: Path, base: BuiltinEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_copy_encoder(f"copy:{folder}", shared=base)
    images = list(np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), np.uint8))
    expected = encoder.encode_pictures(images)
    passes: list[int] = []
    real = base.encode_images

    def counted(images: Any) -> Any:
        passes.append(len(images))
        return real(images)

    monkeypatch.setattr(base, "encode_images", counted)
    search, copies = encoder.encode_beside(base, images)
    assert passes == [5]
    assert search.shape == (5, DIM)
    np.testing.assert_allclose(copies, expected, atol=1e-5)


def test_another_encoder_is_refused(folder: Path) -> None:
    with pytest.raises(EncoderMismatchError, match=r"trained over .*train it again"):
        CopyAdapter(read_adapter(folder), FakeEncoder())


def test_other_weights_of_the_same_name_are_refused(tmp_path: Path, base: BuiltinEncoder) -> None:
    entry = {"name": base.name, "hash": "0" * 64, "dim": base.dim}
    other = write_adapter(tmp_path / "other", base, encoder=entry)
    with pytest.raises(EncoderMismatchError, match="trained over"):
        load_copy_encoder(f"copy:{other}")


@pytest.mark.parametrize("file", ["copy.onnx", "copy_background.npz"])
def test_damaged_and_missing_files(tmp_path: Path, base: BuiltinEncoder, file: str) -> None:
    path = write_adapter(tmp_path / "damaged", base) / file
    path.write_bytes(path.read_bytes() + b"\0")

    def use() -> None:
        encoder = load_copy_encoder(f"copy:{tmp_path / 'damaged'}", shared=base)
        assert len(encoder.background) == 3
        encoder.warm_up()

    with pytest.raises(MissingDependencyError, match=rf"{file} is damaged"):
        use()
    path.unlink()
    with pytest.raises(MissingDependencyError, match=rf"{file} is not there"):
        use()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"dim": 0},
        {"encoder": {}},
        {"file": "../copy.onnx"},
        {"sha256": {}},
    ],
)
def test_unusable_manifest_is_refused(
    tmp_path: Path, base: BuiltinEncoder, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError, match="not a usable adapter manifest"):
        read_adapter(write_adapter(tmp_path / "bad", base, **change))


def test_background_of_another_kind_is_refused(tmp_path: Path, base: BuiltinEncoder) -> None:
    folder = write_adapter(tmp_path / "odd", base)
    np.savez(folder / "copy_background.npz", vectors=np.zeros((2, 5), np.float16))
    data = (folder / "copy_background.npz").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["copy_background.npz"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match=r"expected \(B, 3\)"):
        _ = load_copy_encoder(f"copy:{folder}", shared=base).background
