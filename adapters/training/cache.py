"""Caches what the frozen parts of the towers compute, so that training touches only the rest.

Pictures: the map before the first tuned block, for several augmented views, float16, in a memory
map that an interrupted run continues. Texts: the tokens before the first tuned layer.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from adapters.training.bert import Bert
from adapters.training.efficientnet import EfficientNetLite
from adapters.training.pairs import Pairs
from adapters.training.public import encode_multilingual
from adapters.training.views import make_view

IMAGE_MEAN = 127.0 / 255.0
IMAGE_STD = 128.0 / 255.0
"""EfficientNet-lite was trained on (x - 127) / 128."""

_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class TextCache:
    """Hidden tokens of many captions, one after the other without padding.

    Attributes:
        tokens: (sum of lengths, width) float16.
        starts: (N + 1,) int64, caption i owns rows [starts[i], starts[i + 1]).
    """

    tokens: Tensor
    starts: Tensor

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns padded tokens (n, L, width) float32 and mask (n, L) int64 of some captions."""
        begins, ends = self.starts[rows], self.starts[rows + 1]
        steps = torch.arange(int((ends - begins).max()))
        mask = steps[None, :] < (ends - begins)[:, None]
        where = torch.where(mask, begins[:, None] + steps, 0)
        return self.tokens[where].float(), mask.to(torch.int64)


def normalise_pixels(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Maps (N, H, W, 3) uint8 to (N, 3, H, W) float32 as the public weights expect."""
    pixels = views.transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray((pixels / 255.0 - IMAGE_MEAN) / IMAGE_STD)


def cache_images(
    pairs: Pairs,
    network: EfficientNetLite,
    path: Path,
    *,
    until_block: int,
    num_views: int,
    size: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> NDArray[np.float16]:
    """Computes, or continues to compute, the early map of every view of every picture.

    Args:
        pairs: pictures.
        network: the public network; only the stem and blocks [0, until_block) are run.
        path: the memory map; a `.json` beside it counts what is done.
        until_block: first tuned block.
        num_views: views a picture, see `make_view`.
        size: side of the squares in pixels.
        seed: of the random views.
        progress: called with (views done, views in all).

    Returns:
        (num_views, N, h, w, C) float16, a read-only memory map.
    """
    run = _EarlyRunner(network, path.with_suffix(".onnx"), until_block=until_block, size=size)
    shape = (num_views, len(pairs), *run.shape)
    stem = hashlib.sha256(network.stem.conv.weight.detach().numpy().tobytes()).hexdigest()
    key = _digest([stem, str(until_block), str(size), str(seed), *pairs.names])
    done = _resume(path, shape, key)
    store = np.lib.format.open_memmap(
        path, mode="r+" if done else "w+", dtype=np.float16, shape=shape
    )
    total = len(pairs) * num_views
    flat = store.reshape(total, *run.shape)
    for start, views in _view_batches(pairs, num_views, size, seed, first=done):
        flat[start : start + len(views)] = run(normalise_pixels(views))
        done = start + len(views)
        if (start // _BATCH) % 32 == 0 or done == total:
            store.flush()
            _note(path, shape, key, done)
            progress(done, total)
    return np.lib.format.open_memmap(path, mode="r")


def _view_batches(
    pairs: Pairs, num_views: int, size: int, seed: int, *, first: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yields (first flat index, views), decoding the next batch while the last one is used."""

    def load(start: int) -> NDArray[np.uint8]:
        stop = min(start + _BATCH, len(pairs) * num_views)
        flat = [divmod(item, len(pairs)) for item in range(start, stop)]
        made = [
            make_view(pairs.pictures[row], view=view, seed=seed + row, size=size)
            for view, row in flat
        ]
        return np.stack(made)

    starts = range(first, len(pairs) * num_views, _BATCH)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(load, starts[0]) if starts else None
        for index, start in enumerate(starts):
            assert pending is not None
            views = pending.result()
            if index + 1 < len(starts):
                pending = pool.submit(load, starts[index + 1])
            yield start, views


class _EarlyRunner:
    """The frozen blocks under ONNX Runtime: three times as fast as torch on a CPU."""

    def __init__(
        self, network: EfficientNetLite, path: Path, *, until_block: int, size: int
    ) -> None:
        import onnxruntime

        module = _Early(network, until_block)
        export_onnx(module.eval(), (torch.zeros(2, 3, size, size),), path, inputs=["image"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.shape = self(np.zeros((1, 3, size, size), np.float32)).shape[1:]

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float16]:
        """Maps (N, 3, H, W) to (N, h, w, C)."""
        (out,) = self._session.run(None, {"image": pixels})
        return np.asarray(out).transpose(0, 2, 3, 1).astype(np.float16)


class _Early(nn.Module):
    def __init__(self, network: EfficientNetLite, until_block: int) -> None:
        super().__init__()
        self.network, self.until_block = network, until_block

    def forward(self, images: Tensor) -> Tensor:
        return self.network.early(images, until_block=self.until_block)


def export_onnx(
    module: nn.Module, example: tuple[Tensor, ...], path: Path, *, inputs: Sequence[str]
) -> None:
    """Writes a module as ONNX with free batch size (and length, for token inputs)."""
    axes: dict[str, dict[int, str]] = {
        name: {0: "batch"} if value.ndim == 4 else {0: "batch", 1: "length"}
        for name, value in zip(inputs, example, strict=True)
    }
    axes["embedding"] = {0: "batch"}
    options: dict[str, Any] = {"opset_version": 17, "dynamo": False}
    with warnings.catch_warnings():  # the traced exporter is all a chain of convolutions needs
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            str(path),
            input_names=list(inputs),
            output_names=["embedding"],
            dynamic_axes=axes,
            **options,
        )


def cache_texts(
    captions: Sequence[str],
    network: Bert,
    tokenizer: Tokenizer,
    path: Path,
    *,
    until_layer: int,
    max_length: int,
) -> TextCache:
    """Runs the frozen part over all captions, or reads what an earlier run kept.

    Args:
        captions: M texts.
        network: the public network; its embeddings and layers [0, until_layer) are run.
        tokenizer: of the network.
        path: `.npz` file.
        until_layer: first tuned layer.
        max_length: tokens a caption is cut to.
    """
    key = _digest([str(until_layer), str(max_length), str(network.out_channels), *captions])
    kept = _read_npz(path, key)
    if kept is None:
        ids = [tokenizer.encode(caption).ids[:max_length] for caption in captions]
        lengths = np.array([len(row) for row in ids])
        starts = np.concatenate([[0], np.cumsum(lengths)])
        tokens = np.empty((int(starts[-1]), network.out_channels), dtype=np.float16)
        network.eval()
        for rows in np.array_split(np.argsort(lengths, kind="stable"), math.ceil(len(ids) / 128)):
            for row, hidden in zip(rows, _run_early(network, ids, rows, until_layer), strict=True):
                tokens[starts[row] : starts[row + 1]] = hidden
        kept = {"tokens": tokens, "starts": starts}
        np.savez(path, key=key, **kept)  # type: ignore[arg-type]
    return TextCache(
        tokens=torch.from_numpy(kept["tokens"]), starts=torch.from_numpy(kept["starts"])
    )


def _run_early(
    network: Bert, ids: Sequence[Sequence[int]], rows: NDArray[np.int64], until_layer: int
) -> Iterator[NDArray[np.float16]]:
    """Yields (length, width) hidden tokens of each of the rows."""
    lengths = [len(ids[row]) for row in rows]
    batch = torch.zeros(len(rows), max(lengths), dtype=torch.int64)
    for place, row in enumerate(rows):
        batch[place, : lengths[place]] = torch.tensor(ids[row])
    mask = torch.arange(batch.shape[1])[None, :] < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        hidden = network.early(batch, mask.to(torch.int64), until_layer=until_layer)
    for place, length in enumerate(lengths):
        yield hidden[place, :length].numpy().astype(np.float16)


def cache_sentences(captions: Sequence[str], path: Path) -> Tensor:
    """Returns (M, 512) multilingual sentence vectors, from an earlier run where there was one."""
    key = _digest(captions)
    kept = _read_npz(path, key)
    if kept is None:
        kept = {"sentences": encode_multilingual(captions)}
        np.savez(path, key=key, **kept)  # type: ignore[arg-type]
    return torch.from_numpy(kept["sentences"])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read_npz(path: Path, key: str) -> dict[str, NDArray[Any]] | None:
    """Returns the arrays of a cache file, `None` where it is absent or of other texts."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["key"]) != key:
            return None
        return {name: stored[name] for name in stored.files if name != "key"}


def _resume(path: Path, shape: tuple[int, ...], key: str) -> int:
    """Returns how many views an earlier run has finished, 0 where it was another run."""
    note = path.with_suffix(".json")
    if not (path.exists() and note.exists()):
        return 0
    kept = json.loads(note.read_text(encoding="utf-8"))
    return int(kept["done"]) if (kept["shape"], kept["key"]) == (list(shape), key) else 0


def _note(path: Path, shape: tuple[int, ...], key: str, done: int) -> None:
    text = json.dumps({"shape": list(shape), "key": key, "done": done})
    path.with_suffix(".json").write_text(text, encoding="utf-8")
