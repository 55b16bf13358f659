"""Builds TensorRT engines ahead of time: minutes now, nothing in a request.

ONNX Runtime's TensorRT provider builds them and writes an ONNX file with the engine inside. That
was chosen over TensorRT's own Python interface because the same session then runs every network:
the provider owns the GPU's memory, casts 64-bit ids and leaves to CUDA what TensorRT cannot run,
all of which would be code of ours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrieval.encoders.engine_key import key_of, write_key
from retrieval.encoders.manifest import Precision
from retrieval.errors import InvalidInputError

__all__ = ["build_engine"]

PROFILE_ROWS = (1, 16, 32)
"""Least, usual and most rows of a network that takes any number; encoders send at most 32."""
USUAL_TOKENS = 16
MOST_TOKENS = 77
"""Of a text, where nothing else is known: CLIP reads so many."""
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def build_engine(
    network: Path,
    folder: Path,
    stem: str,
    *,
    precision: Precision,
    batch: int | None,
    length: int | None = None,
) -> tuple[str, ...]:
    """Build the engine of a network for this machine's GPU.

    Args:
        network: ONNX in float32.
        folder: to write to.
        stem: what the names of written files begin with.
        precision: fp32, fp16 or bf16.
        batch: the one number of rows; None for 1 to 32.
        length: most tokens of a text, where their number is free.

    Returns:
        Names of the files: the engine, and its key.

    Raises:
        InvalidInputError: TensorRT cannot build it.
        MissingDependencyError: GPU, driver, TensorRT or its provider is not there.
    """
    key = key_of()
    target = folder / f"{stem}.engine.onnx"
    _build(network, target, _options(network, target, precision, batch, length))
    if not target.is_file():
        raise InvalidInputError(
            f"TensorRT built no engine for {network.name}: it cannot run this network; export for "
            "onnxruntime and run it with --device cuda"
        )
    return target.name, write_key(target, key).name


def _build(network: Path, target: Path, settings: dict[str, Any]) -> None:
    import onnxruntime as ort

    from retrieval.encoders.runtime_onnx import check_offered

    check_offered("tensorrt")
    ort.preload_dlls()
    try:
        ort.InferenceSession(
            str(network), providers=[("TensorrtExecutionProvider", settings), _CUDA, _CPU]
        )
    except Exception as exc:  # its exception classes are not part of its public API
        raise InvalidInputError(f"TensorRT cannot build {network.name}: {exc}") from exc


def _options(
    network: Path, target: Path, precision: Precision, batch: int | None, length: int | None
) -> dict[str, Any]:
    profile = _profile(network, length or MOST_TOKENS) if batch is None else {}
    return {
        "trt_fp16_enable": precision == "fp16",
        "trt_bf16_enable": precision == "bf16",
        "trt_dump_ep_context_model": True,
        "trt_ep_context_embed_mode": 1,
        "trt_ep_context_file_path": str(target),
        **profile,
    }


def _profile(network: Path, length: int) -> dict[str, str]:
    """Shapes that the engine must take, by what is free in the inputs' shapes."""
    import onnxruntime as ort

    inputs = ort.InferenceSession(str(network), providers=[_CPU]).get_inputs()
    tokens = (1, min(USUAL_TOKENS, length), length)
    names = ("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes")
    return {
        name: ",".join(f"{one.name}:{_shape(one.shape, size)}" for one in inputs)
        for name, size in zip(names, zip(PROFILE_ROWS, tokens, strict=True), strict=True)
    }


def _shape(shape: Sequence[int | str | None], free: tuple[int, int]) -> str:
    """`16x3x224x224`: the first free axis is of rows, another of tokens."""
    sizes = [
        size if isinstance(size, int) else free[0 if axis == 0 else 1]
        for axis, size in enumerate(shape)
    ]
    return "x".join(map(str, sizes))
