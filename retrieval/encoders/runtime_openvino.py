"""OpenVINO: the CPU."""

import threading
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from adapters.precision.openvino_ir import Arithmetic, arithmetic_of
from retrieval.encoders.device import say_picked
from retrieval.encoders.runtime import RuntimeOptions, Session, named
from retrieval.errors import InvalidInputError

__all__ = ["load"]

_CAPABILITIES: dict[Arithmetic, str] = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


def load(source: str | bytes, options: RuntimeOptions) -> Session:
    """Load a network by path or bytes; see `retrieval.encoders.runtime.load_session`.

    Arithmetic is what the network's file says, else float32: OpenVINO's own choice would be
    bfloat16 on some processors, and the same encoder would give other vectors on another machine.
    """
    if options.device not in ("cpu", "auto"):
        raise InvalidInputError(
            f"got device {options.device!r} with runtime openvino, which serves cpu here; "
            "choose runtime onnxruntime for an NVIDIA GPU"
        )
    if options.device == "auto":
        say_picked("OpenVINO", "cpu", "it serves no other here")
    try:
        core = openvino.Core()
        model = core.read_model(source)
        arithmetic = arithmetic_of(model)
        _check_able(core, arithmetic, source)
        compiled = core.compile_model(model, "CPU", _config(options, arithmetic))
    except (RuntimeError, ValueError) as exc:
        raise InvalidInputError(f"OpenVINO cannot load {named(source)}: {exc}") from exc
    lock = threading.Lock()  # one request at a time: all cores already work on it

    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        with lock:
            outputs = compiled(feeds)
            return [np.array(outputs[port]) for port in compiled.outputs]

    return run


def _config(options: RuntimeOptions, arithmetic: Arithmetic) -> dict[str, Any]:
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": arithmetic,
    }
    if options.threads is not None:
        config["INFERENCE_NUM_THREADS"] = options.threads
    return config


def _check_able(core: openvino.Core, arithmetic: Arithmetic, source: str | bytes) -> None:
    """Refuse an arithmetic that this CPU lacks: OpenVINO would take float32 without a word."""
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITIES[arithmetic] not in able:
        raise InvalidInputError(
            f"this CPU cannot compute in {arithmetic}, as {named(source)} does (it has "
            f"{', '.join(able)}); export it again with --precision fp32 or int8"
        )
