"""Each runtime and precision writes what its session opens, near to the original."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoders.convert import PRECISIONS, convert
from retrieval.encoders.runtime import RUNTIMES, load_session
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.adapters.precision.tiny_networks import (
    mean_cosine,
    pictures,
    texts,
    write_picture_network,
    write_text_network,
)

FEEDS = [pictures(16, seed=1), pictures(16, seed=2)]


def converted(network: Path, folder: Path, **changes: Any) -> tuple[str, ...]:
    kind = "text" if network.stem == "text" else "image"
    asked: dict[str, Any] = {"kind": kind, "batches": (), "batch": None, "runtime": "onnxruntime"}
    return convert(network, folder, kind, **{**asked, "precision": "fp32", **changes})


@pytest.fixture(scope="module")
def picture_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture_network(tmp_path_factory.mktemp("whole") / "plain.onnx")


@pytest.mark.parametrize(
    ("runtime", "precision", "least"),
    [
        ("onnxruntime", "fp32", 0.9999999),
        ("onnxruntime", "fp16", 0.9999),
        ("onnxruntime", "int8", 0.95),
        ("openvino", "fp32", 0.99999),
        ("openvino", "fp16", 0.9999),
    ],
)
def test_pictures(
    picture_network: Path, tmp_path: Path, runtime: str, precision: str, least: float
) -> None:
    batches = FEEDS if precision == "int8" else ()
    files = converted(
        picture_network, tmp_path, runtime=runtime, precision=precision, batches=batches
    )
    assert sorted(files) == sorted(path.name for path in tmp_path.iterdir())
    assert all(name.startswith("image.") for name in files)
    after = load_session(tmp_path / files[0], runtime=runtime)(pictures(8, seed=9))[0]
    before = load_session(picture_network)(pictures(8, seed=9))[0]
    assert mean_cosine(before, after) > least


def test_text_in_eight_bits(tmp_path: Path) -> None:
    network = write_text_network(tmp_path / "text.onnx")
    (tmp_path / "out").mkdir()
    (file,) = converted(network, tmp_path / "out", precision="int8")
    before = load_session(network)(texts(4))[0]
    assert mean_cosine(before, load_session(tmp_path / "out" / file)(texts(4))[0]) > 0.98


@pytest.mark.slow  # nncf imports half of scientific Python
def test_openvino_in_eight_bits(
    picture_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf")
    files = converted(
        picture_network, tmp_path, runtime="openvino", precision="int8", batches=FEEDS
    )
    after = load_session(tmp_path / files[0], runtime="openvino")(pictures(8, seed=9))[0]
    before = load_session(picture_network)(pictures(8, seed=9))[0]
    assert 0.9 < mean_cosine(before, after) < 0.9999999
    assert capsys.readouterr().out == ""


def test_arithmetic_that_the_cpu_lacks_is_refused(
    picture_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    files = converted(picture_network, tmp_path, runtime="openvino", precision="bf16")
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in able:
        session = load_session(tmp_path / files[0], runtime="openvino")
        assert np.isfinite(session(pictures(2))[0]).all()
        monkeypatch.setattr(openvino.Core, "get_property", lambda *args: ["FP32", "INT8"])
    with pytest.raises(InvalidInputError, match="this CPU cannot compute in bf16"):
        load_session(tmp_path / files[0], runtime="openvino")


def test_large_weights_beside_the_network_come_along(tmp_path: Path) -> None:
    import onnx

    network = write_picture_network(tmp_path / "image.onnx")
    model = onnx.load(network)
    onnx.save(model, network, save_as_external_data=True, location="image.onnx.data")
    (tmp_path / "out").mkdir()
    files = converted(network, tmp_path / "out")
    assert files == ("image.onnx", "image.onnx.data")
    assert load_session(tmp_path / "out" / files[0])(pictures(1))[0].shape == (1, 12)


@pytest.mark.parametrize(
    ("runtime", "precision", "said"),
    [
        ("onnxruntime", "bf16", "bf16 goes with openvino, tensorrt"),
        ("tensorrt", "int8", "expected one of fp32, fp16, bf16; int8 goes with onnxruntime"),
        ("tvm", "fp32", "expected one of onnxruntime, openvino, tensorrt"),
    ],
)
def test_what_does_not_go_together(
    picture_network: Path, tmp_path: Path, runtime: str, precision: str, said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        converted(picture_network, tmp_path, runtime=runtime, precision=precision)


def test_too_few_inputs(picture_network: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="image network cannot be converted: got 3 items"):
        converted(picture_network, tmp_path, precision="int8", batches=[pictures(3)])


def test_a_package_that_is_not_installed(
    picture_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_nncf(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "nncf":
            raise ImportError("No module named 'nncf'", name="nncf")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_nncf)
    with pytest.raises(MissingDependencyError, match=r"pip install 'sceneprint\[export\]'"):
        converted(picture_network, tmp_path, runtime="openvino", precision="int8", batches=FEEDS)


def test_every_runtime_can_be_exported_for() -> None:
    assert set(PRECISIONS) == set(RUNTIMES)
