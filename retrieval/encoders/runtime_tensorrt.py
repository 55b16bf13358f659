"""TensorRT: engines that `sceneprint export --runtime tensorrt` built for this machine.

An engine of another machine is refused before it is loaded; none is built here.
"""

from pathlib import Path

from retrieval.encoders.device import say_picked
from retrieval.encoders.engine_key import check_fits, key_of, key_path
from retrieval.encoders.runtime import RuntimeOptions, Session
from retrieval.encoders.runtime_onnx import check_offered, open_session
from retrieval.errors import InvalidInputError

__all__ = ["load"]


def load(source: str | bytes, options: RuntimeOptions) -> Session:
    """Load an engine by path; see `retrieval.encoders.runtime.load_session`."""
    if options.device not in ("auto", "tensorrt"):
        raise InvalidInputError(
            f"got device {options.device!r} with runtime tensorrt, whose engines run on an NVIDIA "
            "GPU; choose --device tensorrt or auto, or another --runtime"
        )
    if not isinstance(source, str) or not key_path(Path(source)).is_file():
        raise InvalidInputError(
            f"got {source if isinstance(source, str) else 'a joined network'}, expected an engine "
            "with its key beside it: engines are built ahead, never in a request; run: "
            "sceneprint export ENCODER --runtime tensorrt --out FOLDER"
        )
    check_offered("tensorrt")
    check_fits(Path(source), key_of())
    providers = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    session = open_session(source, options, providers, wanted="tensorrt")
    if options.device == "auto":
        say_picked("TensorRT", "tensorrt", "the engine fits this GPU")
    return session
