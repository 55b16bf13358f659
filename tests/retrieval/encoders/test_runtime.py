import builtins
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from adapters.precision.cpu import FULL_RANGE
from retrieval.encoders.device import say_picked
from retrieval.encoders.runtime import RUNTIMES, RuntimeOptions, check_runtime, load_session
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.retrieval.encoders.tiny_folder import SIZE

ON_CPU = sorted(set(RUNTIMES) - {"tensorrt"})
OFFERED = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture(autouse=True)
def _says_again() -> None:
    say_picked.cache_clear()


def run_image(path: Path, runtime: str, num: int = 2, **options: Any) -> np.ndarray:
    session = load_session(path, runtime=runtime, options=RuntimeOptions(**options))
    pictures = np.random.default_rng(1).random((num, 3, SIZE, SIZE)).astype(np.float32)
    (out,) = session({"image": pictures})
    expected = np.pad(pictures.mean(axis=(2, 3)), ((0, 0), (0, 1)))
    np.testing.assert_allclose(out, expected, atol=1e-5)
    return out


@pytest.mark.parametrize("runtime", ["auto", *ON_CPU])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_every_runtime_gives_the_same(tiny_folder: Path, runtime: str, threads: int | None) -> None:
    run_image(tiny_folder / "image.onnx", runtime, threads=threads)


@pytest.mark.parametrize("runtime", ON_CPU)
def test_outputs_outlive_the_next_call(tiny_folder: Path, runtime: str) -> None:
    session = load_session(tiny_folder / "image.onnx", runtime=runtime)
    ones = np.ones((1, 3, SIZE, SIZE), dtype=np.float32)
    first = session({"image": ones})[0]
    session({"image": 0 * ones})
    np.testing.assert_allclose(first, [[1, 1, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("runtime", ON_CPU)
def test_file_that_is_no_network(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match=r"cannot load .*bad\.onnx"):
        load_session(path, runtime=runtime)


def test_unknown_runtime_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match="auto, onnxruntime, openvino, tensorrt"):
        check_runtime("tvm")


def test_unknown_device_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match="auto, cpu, cuda, tensorrt"):
        RuntimeOptions(device="tpu")  # type: ignore[arg-type]


def test_threads_below_one() -> None:
    with pytest.raises(InvalidInputError, match="at least 1"):
        RuntimeOptions(threads=0)


@pytest.mark.parametrize("runtime", ON_CPU)
def test_auto_says_what_it_picked_once(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture, runtime: str
) -> None:
    with caplog.at_level(logging.INFO):
        run_image(tiny_folder / "image.onnx", runtime, device="auto")
        run_image(tiny_folder / "image.onnx", runtime, device="auto")
    assert caplog.text.count("device auto: picked cpu") == 1


def test_auto_takes_the_cpu_where_cuda_does_not_load(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend_gpu(monkeypatch)
    with caplog.at_level(logging.INFO):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device="auto")
    assert "picked cpu for ONNX Runtime (it offers CUDA, but its libraries" in caplog.text


def test_cuda_that_is_not_offered_is_an_error(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MissingDependencyError, match=r"without CUDA; .*'sceneprint\[gpu\]'"):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device="cuda")


def test_cuda_that_silently_became_the_cpu_is_an_error(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pretend_gpu(monkeypatch)
    with pytest.raises(MissingDependencyError, match="could not be loaded"):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device="cuda")
    assert asked == OFFERED[1:]


def pretend_gpu(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An ONNX Runtime that offers what it cannot load; returns what is asked of it."""
    asked: list[Any] = []
    real = ort.InferenceSession

    def on_cpu(path: str, *, providers: list[Any], **rest: Any) -> ort.InferenceSession:
        asked.extend(providers)
        return real(path, providers=["CPUExecutionProvider"], **rest)

    monkeypatch.setattr(ort, "get_available_providers", lambda: OFFERED)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", on_cpu)
    return asked


def test_engines_are_never_built_in_a_request(tiny_folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="sceneprint export ENCODER --runtime tensorrt"):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device="tensorrt")


def test_eight_bits_of_full_range_need_a_cpu_that_adds_them(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retrieval.encoders import runtime_onnx

    model = onnx.load(tiny_folder / "image.onnx")
    onnx.helper.set_model_props(model, {FULL_RANGE: "1"})
    onnx.save(model, tmp_path / "image.onnx")
    monkeypatch.setattr(runtime_onnx, "adds_bytes_exactly", lambda: True)
    run_image(tmp_path / "image.onnx", "onnxruntime")
    monkeypatch.setattr(runtime_onnx, "adds_bytes_exactly", lambda: False)
    for device in ("cpu", "auto"):
        with pytest.raises(InvalidInputError, match="on a CPU with VNNI"):
            run_image(tmp_path / "image.onnx", "onnxruntime", device=device)


def test_openvino_refuses_a_gpu(tiny_folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="choose runtime onnxruntime"):
        run_image(tiny_folder / "image.onnx", "openvino", device="cuda")


def test_runtime_that_is_not_installed(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "retrieval.encoders.runtime_openvino", raising=False)
    real = builtins.__import__

    def without_openvino(name: str, *rest: Any, **named: Any) -> Any:
        if name == "openvino":
            raise ImportError("No module named 'openvino'")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_openvino)
    with pytest.raises(MissingDependencyError, match="pip install openvino"):
        load_session(tiny_folder / "image.onnx", runtime="openvino")


@pytest.mark.gpu
def test_cuda_gives_the_same(tiny_folder: Path) -> None:
    is_required = os.environ.get("SCENEPRINT_REQUIRE_GPU") == "1"
    if not is_required and "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider")
    run_image(tiny_folder / "image.onnx", "onnxruntime", device="cuda")
