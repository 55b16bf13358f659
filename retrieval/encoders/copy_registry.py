"""Names of copy encoders and what they load; `registry.py` does the same for search encoders."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.runtime import Device, RuntimeOptions
from retrieval.errors import InvalidInputError, NotFoundError

__all__ = ["COPY_FAMILIES", "load_copy_encoder"]

COPY_FAMILIES = {
    "builtin": ("retrieval.encoders.copy_builtin:load", "builtin"),
    "copy": ("retrieval.encoders.copy_adapter:load", "copy:FOLDER"),
    "sscd": ("retrieval.encoders.copy_sscd:load", "sscd:/path/model.torchscript"),
}
"""The word before the colon -> (`module:function`, an example)."""


def load_copy_encoder(
    name: str = "builtin",
    *,
    runtime: str = "auto",
    device: Device = "cpu",
    threads: int | None = None,
    shared: PictureTextEncoder | None = None,
) -> CopyEncoder:
    """Load a copy encoder by name.

    Args:
        name: `builtin` (the second output of the shipped encoder), `builtin:FOLDER`,
            `copy:FOLDER` (an adapter over any encoder, trained by `sceneprint train copy`) or
            `sscd:/path/model.torchscript` (as its authors publish it).
        runtime: what runs ONNX files: `auto`, `onnxruntime` or `openvino`.
        device: `cpu`, `cuda`, `tensorrt` or `auto`.
        threads: within one call; None for all cores.
        shared: a loaded search encoder; where the copy encoder sits on the same one, it uses it
            instead of loading it again, and `encode_beside` needs one pass.

    Raises:
        InvalidInputError: an unknown name, or files that cannot be used.
        NotFoundError: weights that are not there.
        MissingDependencyError: a package or device that is not installed.
    """
    family, _, rest = name.partition(":")
    if family not in COPY_FAMILIES:
        known = ", ".join(example for _, example in COPY_FAMILIES.values())
        raise InvalidInputError(f"got copy encoder {name!r}, expected one like {known}")
    module_name, function_name = COPY_FAMILIES[family][0].split(":")
    load: Callable[..., CopyEncoder] = getattr(import_module(module_name), function_name)
    options = RuntimeOptions(device=device, threads=threads)
    arguments: dict[str, Any] = {"runtime": runtime, "options": options, "shared": shared}
    try:
        return load(rest, **arguments)
    except FileNotFoundError as exc:
        raise NotFoundError(f"copy encoder {name!r}: {exc}") from exc
