"""Engines: built ahead, refused elsewhere. No GPU is needed: what ONNX Runtime does is faked."""

import json
import subprocess
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from retrieval.encoders import engine_build, engine_key, runtime_tensorrt
from retrieval.encoders.engine_build import build_engine
from retrieval.encoders.engine_key import EngineKey, check_fits, key_of, write_key
from retrieval.encoders.runtime import RuntimeOptions, load_session
from retrieval.errors import InvalidInputError, MissingDependencyError
from tests.adapters.precision.tiny_networks import write_picture_network, write_text_network

HERE = EngineKey(gpu="NVIDIA L4", compute_capability="8.9", driver="570.1", tensorrt="10.9.0")
OFFERED = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


class _Session:
    """What ONNX Runtime does with an engine, without one."""

    asked: list[Any]

    def __init__(self, source: str, *, providers: list[Any], **rest: Any) -> None:
        type(self).asked = providers
        self._real = REAL(source, providers=["CPUExecutionProvider"])
        settings = providers[0][1] if isinstance(providers[0], tuple) else {}
        if settings.get("trt_dump_ep_context_model"):
            Path(settings["trt_ep_context_file_path"]).write_bytes(Path(source).read_bytes())

    def get_inputs(self) -> Any:
        return self._real.get_inputs()

    def get_providers(self) -> list[str]:
        return OFFERED

    def disable_fallback(self) -> None:
        pass

    def run(self, names: Any, feeds: Any) -> Any:
        return self._real.run(names, feeds)


REAL = ort.InferenceSession


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: OFFERED)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", _Session)
    monkeypatch.setattr(engine_build, "key_of", lambda: HERE)
    monkeypatch.setattr(runtime_tensorrt, "key_of", lambda: HERE)


def test_key_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "NVIDIA H100 80GB HBM3, 9.0, 570.86.15\nNVIDIA H100 80GB HBM3, 9.0, 570.86.15\n"
    done = subprocess.CompletedProcess((), 0, stdout=said)
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: done)
    monkeypatch.setattr(engine_key, "version", lambda name: "10.9.0")
    assert key_of() == EngineKey(
        gpu="NVIDIA H100 80GB HBM3", compute_capability="9.0", driver="570.86.15", tensorrt="10.9.0"
    )


def test_no_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: Any, **rest: Any) -> None:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(subprocess, "run", absent)
    with pytest.raises(MissingDependencyError, match="nvidia-smi finds none"):
        key_of()


def test_no_tensorrt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess((), 0, stdout="NVIDIA L4, 8.9, 570.1\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: done)
    monkeypatch.setattr(engine_key, "_PACKAGES", ("no-such-tensorrt",))
    with pytest.raises(MissingDependencyError, match=r"sceneprint\[tensorrt\]"):
        key_of()


@pytest.mark.parametrize("field", ["gpu", "compute_capability", "driver", "tensorrt"])
def test_another_machine_is_refused(tmp_path: Path, field: str) -> None:
    engine = tmp_path / "image.engine.onnx"
    write_key(engine, HERE)
    check_fits(engine, HERE)
    other = EngineKey(**{**vars(HERE), field: "other"})
    with pytest.raises(InvalidInputError, match=f"{field} .*sceneprint export ENCODER"):
        check_fits(engine, other)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"format": "else"}, {"gpu": None}, "no object", {}]
)
def test_a_key_that_is_none(tmp_path: Path, change: Any) -> None:
    path = write_key(tmp_path / "image.engine.onnx", HERE)
    document = json.loads(path.read_text(encoding="utf-8"))
    if change == {}:
        del document["driver"]
    path.write_text(
        json.dumps(change if isinstance(change, str) else document | change), encoding="utf-8"
    )
    with pytest.raises(InvalidInputError, match="sceneprint export ENCODER --runtime tensorrt"):
        check_fits(tmp_path / "image.engine.onnx", HERE)


@pytest.mark.usefixtures("_gpu")
def test_an_engine_is_built_and_loads(tmp_path: Path) -> None:
    network = write_picture_network(tmp_path / "plain.onnx")
    files = build_engine(network, tmp_path, "image", precision="fp16", batch=None)
    assert files == ("image.engine.onnx", "image.engine.json")
    name, settings = _Session.asked[0]
    assert name == "TensorrtExecutionProvider"
    assert settings["trt_fp16_enable"]
    assert not settings["trt_bf16_enable"]
    assert settings["trt_profile_min_shapes"] == "image:1x3x16x16"
    assert settings["trt_profile_max_shapes"] == "image:32x3x16x16"
    options = RuntimeOptions(device="tensorrt")
    load_session(tmp_path / files[0], runtime="tensorrt", options=options)
    assert _Session.asked == OFFERED


@pytest.mark.usefixtures("_gpu")
def test_texts_are_of_any_length(tmp_path: Path) -> None:
    network = write_text_network(tmp_path / "plain.onnx")
    build_engine(network, tmp_path, "text", precision="fp32", batch=None, length=52)
    settings = _Session.asked[0][1]
    assert settings["trt_profile_opt_shapes"] == "input_ids:16x16"
    assert settings["trt_profile_max_shapes"] == "input_ids:32x52"


@pytest.mark.usefixtures("_gpu")
def test_a_network_that_tensorrt_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = write_picture_network(tmp_path / "plain.onnx")
    settings = {"trt_dump_ep_context_model": False}
    monkeypatch.setattr(engine_build, "_options", lambda *args: settings)
    with pytest.raises(InvalidInputError, match="built no engine"):
        build_engine(network, tmp_path, "image", precision="fp16", batch=4)


@pytest.mark.usefixtures("_gpu")
def test_what_is_no_engine_is_refused(tmp_path: Path) -> None:
    network = write_picture_network(tmp_path / "plain.onnx")
    options = RuntimeOptions(device="tensorrt")
    with pytest.raises(InvalidInputError, match="engines are built ahead, never in a request"):
        load_session(network, runtime="tensorrt", options=options)
    with pytest.raises(InvalidInputError, match="choose --device tensorrt or auto"):
        load_session(network, runtime="tensorrt")
