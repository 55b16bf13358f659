"""OpenVINO: the CPU."""

import threading
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from retrieval.encoders.runtime import RuntimeOptions, Session, named
from retrieval.errors import InvalidInputError

__all__ = ["load"]


def load(source: str | bytes, options: RuntimeOptions) -> Session:
    """Load a network by path or bytes; see `retrieval.encoders.runtime.load_session`.

    Arithmetic stays in float32: OpenVINO's own choice would be bfloat16 on some processors, and
    then the same encoder would give other vectors on another machine.
    """
    if options.device not in ("cpu", "auto"):
        raise InvalidInputError(
            f"got device {options.device!r} with runtime openvino, which serves cpu here; "
            "choose runtime onnxruntime for an NVIDIA GPU"
        )
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if options.threads is not None:
        config["INFERENCE_NUM_THREADS"] = options.threads
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(source), "CPU", config)
    except RuntimeError as exc:
        raise InvalidInputError(f"OpenVINO cannot load {named(source)}: {exc}") from exc
    lock = threading.Lock()  # one request at a time: all cores already work on it

    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        with lock:
            outputs = compiled(feeds)
            return [np.array(outputs[port]) for port in compiled.outputs]

    return run
