"""From torch modules to ONNX files."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["is_padding_ignored", "write_graph"]

OPSET = 17
"""Operators of 2022: every runtime of today knows them."""
MAX_INSIDE_BYTES = 1_800_000_000
"""Weights of larger networks lie beside the file: one protocol buffer holds no more than 2 GB."""
SAME = 1e-4
"""Largest distance of unit vectors that counts as rounding."""


def write_graph(
    module: Any,
    feeds: dict[str, NDArray[Any]],
    path: Path,
    *,
    free: dict[str, dict[int, str]],
) -> None:
    """Write a module as ONNX, with one output `embedding` (N, D) float32.

    Args:
        module: torch module in float32 on the CPU, in evaluation mode.
        feeds: an example of each input, in the module's order.
        path: of the file; weights of a large network go beside it, as `NAME.data`.
        free: for each input the axes whose length may change, with a name.

    Raises:
        ValueError: the network has a step that ONNX cannot say.
    """
    example = tuple(torch.from_numpy(feeds[name]) for name in feeds)
    axes = {**free, **({"embedding": {0: "batch"}} if 0 in free.get(next(iter(feeds)), {}) else {})}
    options: dict[str, Any] = {"opset_version": OPSET, "dynamo": False}
    with _plain_attention(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it takes as fixed
        try:
            torch.onnx.export(
                module,
                example,
                str(path),
                input_names=list(feeds),
                output_names=["embedding"],
                dynamic_axes=axes,
                **options,
            )
        except Exception as exc:  # the exporter raises many unrelated classes
            first = (str(exc).strip() or type(exc).__name__).splitlines()[0][:300]
            raise ValueError(f"torch cannot write {path.stem} as ONNX: {first}") from exc
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if size > MAX_INSIDE_BYTES:
        _gather_weights(path)


def _gather_weights(path: Path) -> None:
    """Put the weights of a large network, which torch leaves in a file each, into one."""
    import onnx

    named = onnx.load(path, load_external_data=False).graph.initializer
    apart = {
        entry.value for tensor in named for entry in tensor.external_data if entry.key == "location"
    }
    location = f"{path.name}.data"
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location=location, size_threshold=1024
    )
    for file in apart - {location}:
        (path.parent / file).unlink()


def is_padding_ignored(
    module: Any, inputs: Sequence[str], ids: NDArray[np.int64], lengths: Sequence[int]
) -> bool:
    """Whether a text network gives the same for a text with and without its padding.

    True for causal networks and for those that know or are told what is padding: they may be fed
    short texts as they are, which is several times faster. Asked of the network itself, so that no
    list of architectures is needed.

    Args:
        module: the text network.
        inputs: what it is fed.
        ids: (N, L) sample texts, filled up.
        lengths: of each without padding; some must be shorter than L.
    """
    whole = _unit(_run(module, inputs, ids, lengths))
    for row, length in enumerate(lengths):
        try:
            short = _run(module, inputs, ids[row : row + 1, :length], [length])
        except RuntimeError:  # it takes texts of one length only
            return False
        if np.linalg.norm(_unit(short)[0] - whole[row]) > SAME:
            return False
    return True


def _run(
    module: Any, inputs: Sequence[str], ids: NDArray[np.int64], lengths: Sequence[int]
) -> NDArray[np.float32]:
    mask = (np.arange(ids.shape[1])[None] < np.asarray(lengths)[:, None]).astype(np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask}
    with torch.inference_mode():
        rows = module(*(torch.from_numpy(feeds[name]) for name in inputs))
    return np.asarray(rows.numpy())


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Let torch's attention layers be traced as matrix products.

    Its own ways through `nn.MultiheadAttention` write the length of the example into the file, and
    the fused one of inference has no ONNX form.
    """
    original = nn.MultiheadAttention.forward
    nn.MultiheadAttention.forward = _attend  # type: ignore[assignment]
    try:
        yield
    finally:
        nn.MultiheadAttention.forward = original  # type: ignore[method-assign]


def _attend(
    layer: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as Vaswani et al. (2017) write it: softmax(Q K^T / sqrt(d) + mask) V.

    Args:
        layer: the weights.
        query: (N, Q, E), or (Q, N, E) where the layer has the batch second.
        key: likewise.
        value: likewise.
        key_padding_mask: not known here.
        need_weights: they are not given.
        attn_mask: (Q, K) or (N * heads, Q, K), added, or bool with True for what is not looked at.
    """
    if key_padding_mask is not None or layer.bias_k is not None:
        raise ValueError("attention with a mask of padding, or with learned keys")
    if not layer.batch_first:
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))
    apart = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
    weights = apart if layer.in_proj_weight is None else layer.in_proj_weight.chunk(3)
    biases = (None,) * 3 if layer.in_proj_bias is None else layer.in_proj_bias.chunk(3)
    heads = (layer.num_heads, layer.head_dim)
    queries, keys, values = (
        torch.unflatten(functional.linear(part, weight, bias), -1, heads).transpose(1, 2)
        for part, weight, bias in zip((query, key, value), weights, biases, strict=True)
    )
    scores = queries @ keys.transpose(-2, -1) * layer.head_dim**-0.5
    if attn_mask is not None:
        scores = scores + _additive(attn_mask, layer.num_heads)
    rows = (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)
    rows = layer.out_proj(rows)
    return (rows if layer.batch_first else rows.transpose(0, 1)), None


def _additive(mask: Tensor, heads: int) -> Tensor:
    """A mask that can be added to scores (N, heads, Q, K)."""
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(mask, float("-inf"))
    return torch.unflatten(mask, 0, (-1, heads)) if mask.ndim == 3 else mask
