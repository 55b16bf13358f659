"""Writes networks as OpenVINO reads them: weights in half, arithmetic as named, or 8 bits by nncf.

What a network is to compute in is kept inside its file, because the embeddings depend on it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import openvino

from adapters.precision.cpu import adds_bytes_exactly
from adapters.precision.int8 import Feeds, check_enough

__all__ = ["Arithmetic", "arithmetic_of", "quantize_openvino", "write_openvino"]

Arithmetic = Literal["f32", "bf16", "f16"]
_PLACE = ["sceneprint", "arithmetic"]
_ATTENTION = {"Softmax", "ScaledDotProductAttention"}


def write_openvino(
    source: Path, target: Path, *, arithmetic: Arithmetic, half_weights: bool
) -> None:
    """Write `target` (.xml, with its weights in .bin beside it).

    Args:
        source: an ONNX file.
        target: to write.
        arithmetic: what it is to compute in.
        half_weights: whether weights are kept in float16.

    Raises:
        OSError: a file cannot be written.
        ValueError: OpenVINO cannot read the network.
    """
    _save(_read(source), target, arithmetic=arithmetic, half_weights=half_weights)


def quantize_openvino(source: Path, target: Path, feeds: Feeds) -> None:
    """Write an 8-bit form, with ranges from given inputs; arguments as `write_openvino`.

    Raises:
        ImportError: nncf is not installed.
        ValueError: too few inputs, or a network that cannot be read.
    """
    check_enough(feeds)
    model = _read(source)
    with _quiet_nncf() as nncf:
        from nncf.quantization.advanced_parameters import (
            AdvancedQuantizationParameters,
            OverflowFix,
        )

        has_room = adds_bytes_exactly()
        kinds = {one.get_type_name() for one in model.get_ops()}
        rounded = nncf.quantize(
            model,
            nncf.Dataset(list(feeds), _as_it_is),
            model_type=nncf.ModelType.TRANSFORMER if kinds & _ATTENTION else None,
            subset_size=len(feeds),
            advanced_parameters=AdvancedQuantizationParameters(
                overflow_fix=OverflowFix.DISABLE if has_room else OverflowFix.ENABLE
            ),
        )
    _save(rounded, target, arithmetic="f32", half_weights=True)


def arithmetic_of(model: Any) -> Arithmetic:
    """What a read network is to compute in; float32 where it does not say.

    Raises:
        ValueError: it names something that is not known.
    """
    if not model.has_rt_info(_PLACE):
        return "f32"
    found = str(model.get_rt_info(_PLACE).value)
    if found not in ("f32", "bf16", "f16"):
        raise ValueError(f"got arithmetic {found!r}, expected f32, bf16 or f16")
    return found  # type: ignore[return-value]


def _read(source: Path) -> Any:
    try:
        return openvino.Core().read_model(str(source))
    except RuntimeError as exc:
        raise ValueError(f"OpenVINO cannot read {source}: {exc}") from exc


def _save(model: Any, target: Path, *, arithmetic: Arithmetic, half_weights: bool) -> None:
    model.set_rt_info(arithmetic, _PLACE)
    openvino.save_model(model, str(target), compress_to_fp16=half_weights)


def _as_it_is(feed: Mapping[str, Any]) -> dict[str, Any]:
    return dict(feed)


@contextmanager
def _quiet_nncf() -> Iterator[Any]:
    """Import nncf; its progress bars would stand between a program and the JSON on stdout."""
    import nncf

    logger = logging.getLogger("nncf")
    before = logger.level
    nncf.set_log_level(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield nncf
    finally:
        logger.setLevel(before)
