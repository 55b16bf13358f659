import builtins
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from retrieval.encoders.runtime import RUNTIMES, RuntimeOptions, check_runtime, load_session
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.retrieval.encoders.tiny_folder import SIZE


def run_image(path: Path, runtime: str, num: int = 2, **options: Any) -> np.ndarray:
    session = load_session(path, runtime=runtime, options=RuntimeOptions(**options))
    pictures = np.random.default_rng(1).random((num, 3, SIZE, SIZE)).astype(np.float32)
    (out,) = session({"image": pictures})
    expected = np.pad(pictures.mean(axis=(2, 3)), ((0, 0), (0, 1)))
    np.testing.assert_allclose(out, expected, atol=1e-5)
    return out


@pytest.mark.parametrize("runtime", ["auto", *sorted(RUNTIMES)])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_every_runtime_gives_the_same(tiny_folder: Path, runtime: str, threads: int | None) -> None:
    run_image(tiny_folder / "image.onnx", runtime, threads=threads)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_outputs_outlive_the_next_call(tiny_folder: Path, runtime: str) -> None:
    session = load_session(tiny_folder / "image.onnx", runtime=runtime)
    ones = np.ones((1, 3, SIZE, SIZE), dtype=np.float32)
    first = session({"image": ones})[0]
    session({"image": 0 * ones})
    np.testing.assert_allclose(first, [[1, 1, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_file_that_is_no_network(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match=r"cannot load .*bad\.onnx"):
        load_session(path, runtime=runtime)


def test_unknown_runtime_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match="auto, onnxruntime, openvino"):
        check_runtime("tvm")


def test_unknown_device_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match="auto, cpu, cuda, tensorrt"):
        RuntimeOptions(device="tpu")  # type: ignore[arg-type]


def test_threads_below_one() -> None:
    with pytest.raises(InvalidInputError, match="at least 1"):
        RuntimeOptions(threads=0)


def test_auto_says_what_it_picked(tiny_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device="auto")
    assert "device auto: picked" in caplog.text


@pytest.mark.parametrize(("device", "extra"), [("cuda", "gpu"), ("tensorrt", "tensorrt")])
def test_gpu_that_is_not_offered_is_an_error(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, device: str, extra: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MissingDependencyError, match=rf"pip install 'sceneprint\[{extra}\]'"):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device=device)


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_gpu_that_silently_became_the_cpu_is_an_error(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    offered = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    asked: list[Any] = []
    real = ort.InferenceSession

    def on_cpu(path: str, *, providers: list[Any], **rest: Any) -> ort.InferenceSession:
        asked.extend(providers)
        return real(path, providers=["CPUExecutionProvider"], **rest)

    monkeypatch.setattr(ort, "get_available_providers", lambda: offered)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", on_cpu)
    with pytest.raises(MissingDependencyError, match="could not be loaded"):
        run_image(tiny_folder / "image.onnx", "onnxruntime", device=device)
    names = [provider if isinstance(provider, str) else provider[0] for provider in asked]
    assert names == (offered if device == "tensorrt" else offered[1:])


def test_tensorrt_keeps_engines_where_it_is_told(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from retrieval.encoders import runtime_onnx

    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    options = RuntimeOptions(device="tensorrt", cache_dir=tmp_path / "engines")
    name, settings = runtime_onnx._providers("tensorrt", options)[0]
    assert name == "TensorrtExecutionProvider"
    assert settings["trt_engine_cache_path"] == str(tmp_path / "engines")
    assert (tmp_path / "engines").is_dir()


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
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_gpu_gives_the_same(tiny_folder: Path, device: str) -> None:
    is_required = os.environ.get("SCENEPRINT_REQUIRE_GPU") == "1"
    if not is_required and "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider")
    run_image(tiny_folder / "image.onnx", "onnxruntime", device=device)
