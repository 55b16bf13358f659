"""ONNX Runtime: the CPU, and NVIDIA GPUs through its CUDA and TensorRT execution providers."""

import logging
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from retrieval.encoders.runtime import Device, RuntimeOptions, Session, named
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["load"]

logger = logging.getLogger(__name__)

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_EXTRAS = {"cuda": "gpu", "tensorrt": "tensorrt"}


def load(source: str | bytes, options: RuntimeOptions) -> Session:
    """Load a network by path or bytes; see `retrieval.encoders.runtime.load_session`."""
    device = _check_offered(options.device)
    try:
        session = ort.InferenceSession(
            source, sess_options=_session_options(options), providers=_providers(device, options)
        )
    except Exception as exc:  # its exception classes are not part of its public API
        raise InvalidInputError(f"ONNX Runtime cannot load {named(source)}: {exc}") from exc
    _check_got(session, options.device)
    session.disable_fallback()

    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(session.run(None, feeds))

    return run


def _check_offered(device: Device) -> Device:
    """What to try: `auto` becomes the best that is offered, anything else must be there."""
    offered = ort.get_available_providers()
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in offered else "cpu"
    if _PROVIDERS[device] not in offered:
        raise _missing(device, f"this ONNX Runtime offers only {', '.join(offered)}")
    return device


def _session_options(options: RuntimeOptions) -> ort.SessionOptions:
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads or 0
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3  # errors only; they also arrive as exceptions
    # A thread that spins while it waits takes the core from decoding, which runs at the same time.
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session_options


def _providers(device: Device, options: RuntimeOptions) -> list[Any]:
    """The asked-for provider first; the CPU last, for the few operators that need it."""
    if device == "cpu":
        return [_PROVIDERS["cpu"]]
    ort.preload_dlls()  # finds the CUDA libraries that came as Python packages
    if device == "cuda":
        return [_PROVIDERS["cuda"], _PROVIDERS["cpu"]]
    tensorrt: dict[str, Any] = {"trt_fp16_enable": True}
    if options.cache_dir is not None:
        options.cache_dir.mkdir(parents=True, exist_ok=True)
        tensorrt |= {"trt_engine_cache_enable": True, "trt_timing_cache_enable": True}
        tensorrt |= {"trt_engine_cache_path": str(options.cache_dir)}
    return [(_PROVIDERS["tensorrt"], tensorrt), _PROVIDERS["cuda"], _PROVIDERS["cpu"]]


def _check_got(session: ort.InferenceSession, asked: Device) -> None:
    """Refuse the CPU where a GPU was asked for: ONNX Runtime itself falls back without an error."""
    got = session.get_providers()
    if asked == "auto":
        logger.info("device auto: picked %s", got[0])
    elif _PROVIDERS[asked] not in got:
        raise _missing(asked, "its libraries or the driver could not be loaded")


def _missing(device: Device, reason: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"device {device} is not usable: {reason}; on a machine with an NVIDIA GPU run: "
        f"pip uninstall onnxruntime && pip install 'sceneprint[{_EXTRAS.get(device, 'gpu')}]', "
        "or choose device cpu or auto"
    )
