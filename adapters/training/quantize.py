"""Turns a picture tower into integers of 8 bits: ONNX Runtime's static quantisation.

Ranges of the activations are those of pictures that the user gives. Only convolutions become
integers, with a scale for each output channel; pooling and head compute in float32, for they hold
little of the time and much of the precision, and are stored in float16. Weights take 7 of the 8
bits, because CPUs without VNNI add pairs of products in 16 bits, which 8 would overflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from adapters.training.export import store_in_half
from adapters.training.tower_file import widened

__all__ = ["quantize_tower"]

LEAST_PICTURES = 16


def quantize_tower(
    source: Path, target: Path, batches: Sequence[NDArray[np.float32]], *, input_name: str
) -> None:
    """Write an 8-bit form of a network.

    Args:
        source: the ONNX file, weights in float32 or float16.
        target: the ONNX file to write.
        batches: pictures as the network reads them, (n, 3, H, W) float32 each.
        input_name: of the network.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: too few pictures, or a network that cannot be quantised.
    """
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    if sum(map(len, batches)) < LEAST_PICTURES:
        raise ValueError(
            f"got {sum(map(len, batches))} pictures to calibrate on, expected {LEAST_PICTURES} or "
            "more; hundreds are better"
        )
    with tempfile.TemporaryDirectory(prefix="sceneprint-int8-") as name:
        plain, prepared = Path(name) / "plain.onnx", Path(name) / "prepared.onnx"
        onnx.save(widened(source), plain)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Pictures(batches, input_name),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    store_in_half(target)


class _Pictures:
    """Feeds the calibration; it asks until there is no more."""

    def __init__(self, batches: Sequence[NDArray[np.float32]], input_name: str) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{input_name: batch} for batch in batches])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)
