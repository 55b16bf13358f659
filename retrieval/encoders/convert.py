"""Converts one network of an encoder from float32 for a runtime and a precision.

| precision | onnxruntime | openvino | tensorrt |
|---|---|---|---|
| fp32 | as it is | as it is | built in float32 |
| fp16 | weights kept in half, computes in float32 | likewise | built in float16 |
| bf16 | | computes in bfloat16, on a CPU that can | built in bfloat16 |
| int8 | pictures static, text dynamic | static, by nncf | |

The sums are in `adapters.precision`; here their errors become those of Sceneprint.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from retrieval.encoders.engine_build import build_engine
from retrieval.encoders.engine_key import key_of
from retrieval.encoders.manifest import Precision
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["PRECISIONS", "check_convertible", "convert"]

PRECISIONS: Mapping[str, tuple[Precision, ...]] = {
    "onnxruntime": ("fp32", "fp16", "int8"),
    "openvino": ("fp32", "fp16", "bf16", "int8"),
    "tensorrt": ("fp32", "fp16", "bf16"),
}
"""Runtime -> what a network can be exported in."""

Kind = Literal["image", "text"]
Batches = Sequence[Mapping[str, NDArray[Any]]]
_EXTRAS = {"nncf": "export", "onnx": "export", "openvino": "openvino"}


def convert(
    network: Path,
    folder: Path,
    stem: str,
    *,
    kind: Kind,
    precision: Precision,
    runtime: str,
    batches: Batches,
    batch: int | None,
    length: int | None = None,
) -> tuple[str, ...]:
    """Write a network for a runtime.

    Args:
        network: ONNX in float32; weights of a large one lie beside it, in `NAME.data`.
        folder: to write to.
        stem: what the names of written files begin with.
        kind: which half of the encoder it is.
        precision: what it computes in, see above.
        runtime: what runs it.
        batches: inputs to take 8-bit ranges from, 16 items or more.
        batch: the one number of rows it takes; None for any.
        length: most tokens of a text, which an engine is built for.

    Returns:
        Names of the files written; the first is the one that a session opens.

    Raises:
        InvalidInputError: the runtime has no such precision, there are too few inputs, or the
            network cannot be converted.
        MissingDependencyError: what converts is not installed, or there is no GPU to build for.
    """
    check_convertible(runtime, precision)
    try:
        if runtime == "onnxruntime":
            return _for_onnxruntime(network, folder, stem, kind, precision, batches)
        if runtime == "openvino":
            return _for_openvino(network, folder, stem, precision, batches)
        return build_engine(network, folder, stem, precision=precision, batch=batch, length=length)
    except ImportError as exc:
        extra = _EXTRAS.get(exc.name or "", "export")
        raise MissingDependencyError(
            f"export for {runtime} in {precision} needs {exc.name} ({exc}); "
            f"run: pip install 'sceneprint[{extra}]'"
        ) from exc
    except ValueError as exc:
        raise InvalidInputError(f"the {kind} network cannot be converted: {exc}") from exc


def check_convertible(runtime: str, precision: str) -> None:
    """Refuse what cannot be made here, before minutes are spent on the network.

    Raises:
        InvalidInputError: the runtime has no such precision.
        MissingDependencyError: engines are to be built, and there is no GPU or TensorRT.
    """
    if runtime not in PRECISIONS:
        raise InvalidInputError(
            f"got {runtime = } for an export, expected one of {', '.join(sorted(PRECISIONS))}"
        )
    if precision not in PRECISIONS[runtime]:
        able = [name for name, known in PRECISIONS.items() if precision in known]
        others = f"; {precision} goes with {', '.join(able)}" if able else ""
        raise InvalidInputError(
            f"got {precision = } for runtime {runtime}, expected one of "
            f"{', '.join(PRECISIONS[runtime])}{others}"
        )
    if runtime == "tensorrt":
        key_of()


def _for_onnxruntime(
    network: Path,
    folder: Path,
    stem: str,
    kind: Kind,
    precision: Precision,
    batches: Batches,
) -> tuple[str, ...]:
    target = folder / f"{stem}.onnx"
    if precision == "int8":
        from adapters.precision.int8 import quantize_dynamic, quantize_static

        if kind == "image":
            quantize_static(network, target, batches)
        else:
            quantize_dynamic(network, target)
        return (target.name,)
    if precision == "fp16":
        from adapters.precision.stored import save_in_half

        save_in_half(network, target)
        return (target.name,)
    return _copied(network, target)


def _copied(network: Path, target: Path) -> tuple[str, ...]:
    """The file as it is; weights beside it keep their name, which stands inside."""
    shutil.copyfile(network, target)
    beside = network.with_name(f"{network.name}.data")
    if not beside.is_file():
        return (target.name,)
    shutil.copyfile(beside, target.with_name(beside.name))
    return target.name, beside.name


def _for_openvino(
    network: Path,
    folder: Path,
    stem: str,
    precision: Precision,
    batches: Batches,
) -> tuple[str, ...]:
    from adapters.precision.openvino_ir import quantize_openvino, write_openvino

    target = folder / f"{stem}.xml"
    if precision == "int8":
        quantize_openvino(network, target, batches)
    else:
        write_openvino(
            network,
            target,
            arithmetic="bf16" if precision == "bf16" else "f32",
            half_weights=precision != "fp32",
        )
    return target.name, f"{stem}.bin"
