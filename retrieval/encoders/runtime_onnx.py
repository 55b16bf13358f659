"""ONNX Runtime: the CPU, and NVIDIA GPUs through its CUDA execution provider."""

from collections.abc import Sequence
from typing import Any, Literal

import onnxruntime as ort
from numpy.typing import NDArray

from adapters.precision.cpu import FULL_RANGE, adds_bytes_exactly
from retrieval.encoders.device import say_picked
from retrieval.encoders.runtime import RuntimeOptions, Session, named
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["check_offered", "load", "open_session"]

Provided = Literal["cpu", "cuda", "tensorrt"]

_PROVIDERS: dict[Provided, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_NOT_LOADED = "its libraries or the driver could not be loaded"
_NAMES: dict[Provided, str] = {"cpu": "the CPU", "cuda": "CUDA", "tensorrt": "TensorRT"}
_EXTRAS = {"cuda": "gpu", "tensorrt": "tensorrt"}


def load(source: str | bytes, options: RuntimeOptions) -> Session:
    """Load a network by path or bytes; see `retrieval.encoders.runtime.load_session`."""
    if options.device == "tensorrt":
        raise InvalidInputError(
            "got device tensorrt with runtime onnxruntime: TensorRT's engines are built ahead, "
            "never in a request; run: sceneprint export ENCODER --runtime tensorrt --out FOLDER, "
            "then use --encoder onnx:FOLDER; or choose device cuda"
        )
    if options.device == "auto":
        return _callable(_auto(source, options))
    check_offered(options.device)
    return open_session(source, options, _with_cpu(options.device), wanted=options.device)


def open_session(
    source: str | bytes, options: RuntimeOptions, providers: Sequence[Any], *, wanted: Provided
) -> Session:
    """Open a session that runs on what was wanted, or not at all.

    Args:
        source: a network by path or bytes.
        options: threads.
        providers: of ONNX Runtime, in their order; the CPU last, for the few operators that need
            it.
        wanted: the first of them by our name.

    Raises:
        InvalidInputError: the network cannot be loaded, or is not for this CPU.
        MissingDependencyError: ONNX Runtime went to the CPU instead, which it does quietly.
    """
    session = _open(source, options, providers)
    if _PROVIDERS[wanted] not in session.get_providers():
        raise _missing(wanted, _NOT_LOADED)
    if wanted == "cpu":
        _check_exact(session, source)
    return _callable(session)


def check_offered(device: Provided) -> None:
    """Raise MissingDependencyError where this ONNX Runtime has no provider for the device."""
    if _PROVIDERS[device] not in ort.get_available_providers():
        raise _missing(device, f"the installed ONNX Runtime is built without {_NAMES[device]}")


def _auto(source: str | bytes, options: RuntimeOptions) -> ort.InferenceSession:
    """CUDA where this ONNX Runtime offers it and it can be loaded, else the CPU."""
    if _PROVIDERS["cuda"] in ort.get_available_providers():
        session = _open(source, options, _with_cpu("cuda"))
        if _PROVIDERS["cuda"] in session.get_providers():
            say_picked("ONNX Runtime", "cuda", "it offers CUDA, which loads")
            return session
        say_picked("ONNX Runtime", "cpu", f"it offers CUDA, but {_NOT_LOADED}")
    else:
        session = _open(source, options, _with_cpu("cpu"))
        say_picked("ONNX Runtime", "cpu", "the installed one is without CUDA")
    _check_exact(session, source)
    return session


def _with_cpu(device: Provided) -> list[str]:
    return [_PROVIDERS[device]] + ([] if device == "cpu" else [_PROVIDERS["cpu"]])


def _open(
    source: str | bytes, options: RuntimeOptions, providers: Sequence[Any]
) -> ort.InferenceSession:
    if len(providers) > 1:
        ort.preload_dlls()  # finds the CUDA libraries that came as Python packages
    try:
        session = ort.InferenceSession(
            source, sess_options=_session_options(options), providers=list(providers)
        )
    except Exception as exc:  # its exception classes are not part of its public API
        raise InvalidInputError(f"ONNX Runtime cannot load {named(source)}: {exc}") from exc
    session.disable_fallback()
    return session


def _callable(session: ort.InferenceSession) -> Session:
    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(session.run(None, feeds))

    return run


def _session_options(options: RuntimeOptions) -> ort.SessionOptions:
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads or 0
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3  # errors only; they also arrive as exceptions
    # A thread that spins while it waits takes the core from decoding, which runs at the same time.
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session_options


def _check_exact(session: ort.InferenceSession, source: str | bytes) -> None:
    """Refuse 8-bit weights of full range on a CPU whose sums of products overflow."""
    found = session.get_modelmeta().custom_metadata_map
    if FULL_RANGE in found and not adds_bytes_exactly():
        raise InvalidInputError(
            f"{named(source)} was put into 8 bits on a CPU with VNNI, and on this one its sums "
            "overflow without a word; export or compress it again on this machine"
        )


def _missing(device: Provided, reason: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"device {device} is not usable: {reason}; on a machine with an NVIDIA GPU run: "
        f"pip uninstall onnxruntime && pip install 'sceneprint[{_EXTRAS.get(device, 'gpu')}]', "
        "or choose device cpu or auto"
    )
