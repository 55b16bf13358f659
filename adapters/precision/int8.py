"""Integers of 8 bits for ONNX Runtime, static for pictures and dynamic for text.

Static: ranges of the activations are those of given inputs, written into the network, so an
embedding does not depend on what else is in its batch. Convolutions round their outputs too;
matrix products give float32, which costs no time and keeps precision in residual networks.
Dynamic: each call finds the ranges of its own activations.

Weights have a scale for each output channel, and 7 of the 8 bits where the CPU adds products of
bytes in 16 bits (`cpu`). The layers that cost most stay in float32 (`sensitive`).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from adapters.precision.cpu import FULL_RANGE, adds_bytes_exactly
from adapters.precision.sensitive import Nearness, choose_kept
from adapters.precision.stored import save_whole, store_in_half, widened

__all__ = [
    "Feeds",
    "Int8Config",
    "Rounded",
    "check_enough",
    "quantize_dynamic",
    "quantize_static",
]

logger = logging.getLogger(__name__)

Feeds = Sequence[Mapping[str, NDArray[Any]]]
"""Batches by the name of the input."""
LEAST_ITEMS = 16
_DENSE = ["MatMul", "Gemm"]


@dataclass(frozen=True, kw_only=True)
class Int8Config:
    """How a network is rounded.

    Attributes:
        ranges: `minmax` spans all that was seen, `percentile` leaves out one value in 10,000.
        full_range: whether weights take all 8 bits; None where the CPU adds them exactly.
        wanted: mean cosine to the original up to which layers are left in float32.
        most_kept: share of the layers that may stay so.
    """

    ranges: Literal["minmax", "percentile"] = "minmax"
    full_range: bool | None = None
    wanted: float = 0.99
    most_kept: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.wanted <= 1 or not 0 <= self.most_kept <= 1:
            raise ValueError(f"got {self.wanted = } and {self.most_kept = }, expected 0 to 1")

    @property
    def takes_full_range(self) -> bool:
        """`full_range`, decided."""
        return adds_bytes_exactly() if self.full_range is None else self.full_range


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """What was done.

    Attributes:
        kept: names of the layers left in float32.
        num_layers: that could have been rounded.
        nearness: to the original, over the last of the given batches.
    """

    kept: tuple[str, ...]
    num_layers: int
    nearness: Nearness


def quantize_static(
    source: Path, target: Path, feeds: Feeds, config: Int8Config | None = None
) -> Rounded:
    """Write an 8-bit form of a network whose ranges come from given inputs.

    Args:
        source: the ONNX file, weights in float32 or float16; its first output is an embedding.
        target: the ONNX file to write.
        feeds: batches as the network reads them; where there are several, ranges come from all
            but the last, which judges.
        config: how.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: too few inputs, or a network that cannot be quantised.
    """
    config = config or Int8Config()
    check_enough(feeds)
    with tempfile.TemporaryDirectory(prefix="sceneprint-int8-") as name:
        work = Path(name)
        layers = _prepare(source, work)
        if not layers:
            raise ValueError(f"{source} has no convolutions or matrix products to round")
        judged = feeds[-1:]
        _find_ranges(work, feeds[:-1] or feeds, config)
        wanted = _embed(work / "prepared.onnx", judged)

        def measure(kept: tuple[str, ...]) -> Nearness:
            _round(work, kept, config)
            return _nearness(_embed(work / "rounded.onnx", judged), wanted)

        most = int(config.most_kept * len(layers))
        kept, nearness = choose_kept(layers, measure, wanted=config.wanted, most=most)
        _round(work, kept, config)
        _finish(work / "rounded.onnx", target, config)
    logger.info("%d of %d layers stay in float32: %s", len(kept), len(layers), ", ".join(kept))
    return Rounded(kept=kept, num_layers=len(layers), nearness=nearness)


def quantize_dynamic(source: Path, target: Path, config: Int8Config | None = None) -> None:
    """Write a form of a network whose matrix products are in 8 bits.

    Arguments and errors as `quantize_static`; no inputs are needed.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as quantize

    config = config or Int8Config()
    with tempfile.TemporaryDirectory(prefix="sceneprint-int8-") as name:
        work = Path(name)
        _prepare(source, work)
        quantize(
            work / "prepared.onnx",
            work / "rounded.onnx",
            op_types_to_quantize=_DENSE,
            per_channel=True,
            reduce_range=not config.takes_full_range,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        _finish(work / "rounded.onnx", target, config)


def _prepare(source: Path, work: Path) -> list[str]:
    """Simplify the network; names of the layers with constant weights, in their order."""
    from onnxruntime.quantization import quant_pre_process

    save_whole(widened(source), work / "plain.onnx")
    quant_pre_process(work / "plain.onnx", work / "prepared.onnx", skip_symbolic_shape=True)
    graph = onnx.load(work / "prepared.onnx").graph
    weights = {one.name for one in graph.initializer}
    kinds = {"Conv", *_DENSE}
    return [
        node.name for node in graph.node if node.op_type in kinds and set(node.input[1:2]) & weights
    ]


def _find_ranges(work: Path, feeds: Feeds, config: Int8Config) -> None:
    """Run the inputs once; ranges are kept in a file beside the network."""
    _quantize(work, config, reader=_Feeds(feeds))


def _round(work: Path, kept: Sequence[str], config: Int8Config) -> None:
    _quantize(work, config, nodes_to_exclude=list(kept))


def _quantize(work: Path, config: Int8Config, *, reader: _Feeds | None = None, **more: Any) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    if "calibration_cache_path" not in signature(quantize).parameters:
        raise ValueError("this ONNX Runtime cannot keep ranges; install onnxruntime 1.32 or later")
    is_minmax = config.ranges == "minmax"
    quantize(
        work / "prepared.onnx",
        work / "rounded.onnx",
        reader,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", *_DENSE],
        per_channel=True,
        reduce_range=not config.takes_full_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax if is_minmax else CalibrationMethod.Percentile,
        calibration_cache_path=work / "ranges.json",
        extra_options={
            "MatMulConstBOnly": True,
            "OpTypesToExcludeOutputQuantization": _DENSE,
            "CalibPercentile": 99.99,
        },
        **more,
    )


def _finish(rounded: Path, target: Path, config: Int8Config) -> None:
    model = onnx.load(rounded)
    if config.takes_full_range:
        onnx.helper.set_model_props(model, {FULL_RANGE: "1"})
    save_whole(model, target)
    store_in_half(target)


def _embed(network: Path, feeds: Feeds) -> NDArray[np.float32]:
    import onnxruntime as ort

    session = ort.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, dict(one))[0] for one in feeds])


def _nearness(rows: NDArray[np.float32], originals: NDArray[np.float32]) -> Nearness:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(originals, axis=1)
    cosines = (rows * originals).sum(axis=1) / np.maximum(lengths, 1e-12)
    return Nearness(mean=float(cosines.mean()), worst=float(cosines.min()))


def check_enough(feeds: Feeds) -> None:
    """Raise ValueError where there is too little to take ranges from."""
    num_items = sum(len(next(iter(one.values()))) for one in feeds)
    if num_items < LEAST_ITEMS:
        raise ValueError(
            f"got {num_items} items to calibrate on, expected {LEAST_ITEMS} or more; hundreds "
            "are better"
        )


class _Feeds:
    """Feeds the calibration; it asks until there is no more."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([dict(one) for one in feeds])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)
