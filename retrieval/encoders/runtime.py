"""The seam between encoders and whatever runs their ONNX files.

`load_session` turns a file into a callable from named arrays to a list of arrays. Runtimes are
registered by name in `RUNTIMES`, one file each; they are imported when first asked for. What was
asked for is what runs: a device that is not there is an error, and only `auto` chooses, and logs
what it chose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast, get_args

from numpy.typing import NDArray

from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = [
    "DEFAULT_RUNTIME",
    "RUNTIMES",
    "Device",
    "RuntimeOptions",
    "Session",
    "check_runtime",
    "load_session",
    "named",
]

Session = Callable[[dict[str, NDArray[Any]]], list[NDArray[Any]]]
Device = Literal["auto", "cpu", "cuda", "tensorrt"]

RUNTIMES = {
    "onnxruntime": "retrieval.encoders.runtime_onnx:load",
    "openvino": "retrieval.encoders.runtime_openvino:load",
    "tensorrt": "retrieval.encoders.runtime_tensorrt:load",
}
_PACKAGES = {name: name for name in RUNTIMES} | {"tensorrt": "'sceneprint[tensorrt]'"}
DEFAULT_RUNTIME = "onnxruntime"
"""What `auto` means."""


@dataclass(frozen=True)
class RuntimeOptions:
    """How to run a network.

    Raises:
        InvalidInputError: an unknown device, or fewer than one thread.
    """

    device: Device = "cpu"
    threads: int | None = None
    """Threads within one call; None leaves it to the runtime (the number of cores)."""

    def __post_init__(self) -> None:
        if self.device not in get_args(Device):
            raise InvalidInputError(
                f"got {self.device = }, expected one of {', '.join(get_args(Device))}"
            )
        if self.threads is not None and self.threads < 1:
            raise InvalidInputError(f"got {self.threads = }, expected at least 1, or None")


def check_runtime(runtime: str) -> str:
    """Resolve `auto` and refuse unknown names.

    Raises:
        InvalidInputError: no such runtime.
    """
    if runtime == "auto":
        return DEFAULT_RUNTIME
    if runtime not in RUNTIMES:
        known = ", ".join(["auto", *sorted(RUNTIMES)])
        raise InvalidInputError(f"got {runtime = }, expected one of {known}")
    return runtime


def load_session(
    path: Path,
    *,
    runtime: str = "auto",
    options: RuntimeOptions | None = None,
    fragment: Path | None = None,
) -> Session:
    """Load an ONNX file into a thread-safe callable.

    Args:
        path: the ONNX file.
        runtime: a key of `RUNTIMES`, or `auto`.
        options: device and threads; None for one CPU with all its cores.
        fragment: a file of nodes, weights and outputs that come on top of the network; the bytes
            of both files, one after the other, are one network, as protocol buffers merge.

    Returns:
        A function from input names to arrays, to the outputs in the file's order.

    Raises:
        InvalidInputError: an unknown runtime, a device that this runtime cannot use, or a file
            that is not a network it can load.
        MissingDependencyError: the runtime or the asked-for device is not installed.
    """
    runtime = check_runtime(runtime)
    module_name, function_name = RUNTIMES[runtime].split(":")
    try:
        load = getattr(import_module(module_name), function_name)
    except ImportError as exc:
        raise MissingDependencyError(
            f"runtime {runtime} cannot be imported ({exc}); run: pip install {_PACKAGES[runtime]}"
        ) from exc
    source = str(path) if fragment is None else path.read_bytes() + fragment.read_bytes()
    return cast(Session, load(source, options or RuntimeOptions()))


def named(source: str | bytes) -> str:
    """What an error calls a network: its path, or that it was put together from two files."""
    return source if isinstance(source, str) else "the network joined with its fragment"
