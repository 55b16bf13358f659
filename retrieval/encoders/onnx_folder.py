"""The `onnx` family: `onnx:FOLDER`, an encoder folder that Sceneprint exported.

`sceneprint export`, `compress` and `train builtin` write such folders (format `sceneprint-encoder`,
described in `retrieval.encoders.manifest`). The networks in it are plain ONNX, or what a runtime
made of it, so torch is not needed; each file is compared with its hash before it is used.
"""

from pathlib import Path

from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.errors import InvalidInputError

__all__ = ["load"]


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> BuiltinEncoder:
    """Load `onnx:FOLDER`.

    Raises:
        InvalidInputError: no folder is named, or its manifest cannot be used.
        NotFoundError: the folder has no manifest.
    """
    if not rest:
        raise InvalidInputError("got encoder 'onnx:', expected onnx:FOLDER")
    return BuiltinEncoder(Path(rest), runtime=runtime, options=options)
