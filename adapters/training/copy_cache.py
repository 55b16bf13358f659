"""Caches what frozen encoders see in edited views, so that a copy head trains in minutes.

View by view over all pictures, in memory maps that an interrupted run continues; an unfinished
cache holds its first views of every picture, so that a look is possible early.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.training.cache import normalise_pixels
from adapters.training.copy_graph import FEATURES, Taps, feature_fragment, merged
from adapters.training.copy_views import make_copy_view

__all__ = ["CopyCache", "Features", "cache_copy_features", "tower_features"]

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(N, S, S, 3) uint8 RGB views -> (N, P)."""

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class CopyCache:
    """What was seen in each view of each picture.

    Attributes:
        features: (V, N, P) float16.
        others: (V, N) int32, the row of a second picture inside a view, or -1.
        num_views: V' <= V, how many views are complete.
    """

    features: NDArray[np.float16]
    others: NDArray[np.int32]
    num_views: int


def tower_features(network: Path, taps: Taps, *, threads: int) -> Features:
    """Features inside a built-in picture tower.

    Args:
        network: its `image.onnx`.
        taps: what to read inside it.
        threads: of ONNX Runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        merged(network, feature_fragment(taps)), options, providers=["CPUExecutionProvider"]
    )
    (source,) = (value.name for value in session.get_inputs())

    def run(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run([FEATURES], {source: normalise_pixels(views)})[0])

    return run


def cache_copy_features(
    pictures: Sequence[bytes],
    features: Features,
    folder: Path,
    *,
    key: str,
    num_views: int,
    size: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> CopyCache:
    """Computes, or continues to compute, the features of every view of every picture.

    Args:
        pictures: N encoded pictures.
        features: of the frozen encoder.
        folder: for the memory maps and a note on what is done.
        key: names the encoder and the pictures; another key starts again.
        num_views: V, the plain one included.
        size: side of the square views in pixels.
        seed: of the views.
        progress: called with (views done, views in all).
    """
    folder.mkdir(parents=True, exist_ok=True)
    width = features(np.zeros((1, size, size, 3), np.uint8)).shape[1]
    note = {"key": _digest(key, len(pictures), num_views, size, seed, width)}
    done = _done(folder, note)
    shape = (num_views, len(pictures), width)
    store = _open(folder / "features.npy", shape, np.float16, fresh=not done)
    others = _open(folder / "others.npy", (num_views, len(pictures)), np.int32, fresh=not done)
    total = num_views * len(pictures)
    starts = range(done, total, _BATCH)

    def make(start: int) -> list[tuple[NDArray[np.uint8], int]]:
        flat = [divmod(at, len(pictures)) for at in range(start, min(start + _BATCH, total))]
        return [make_copy_view(pictures, r, view=v, seed=seed, size=size) for v, r in flat]

    with ThreadPoolExecutor(max_workers=1) as pool:
        for start, made in zip(starts, _ahead(pool, make, starts), strict=True):
            rows = slice(start, start + len(made))
            store.reshape(total, width)[rows] = features(np.stack([view for view, _ in made]))
            others.reshape(total)[rows] = [other for _, other in made]
            done = start + len(made)
            if (start // _BATCH) % 32 == 0 or done == total:
                (folder / "note.json").write_text(json.dumps(note | {"done": done}))
                progress(done, total)
    return CopyCache(features=store, others=others, num_views=done // len(pictures))


def _ahead(pool: ThreadPoolExecutor, make: Callable[[int], Any], starts: Sequence[int]) -> Any:
    """Yields what is made for each start, making the next while the last is used."""
    pending = pool.submit(make, starts[0]) if starts else None
    for following in [*starts[1:], None]:
        if pending is None:
            return
        made = pending.result()
        pending = None if following is None else pool.submit(make, following)
        yield made


def _open(path: Path, shape: tuple[int, ...], dtype: Any, *, fresh: bool) -> NDArray[Any]:
    mode: Any = "w+" if fresh else "r+"
    return np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)


def _done(folder: Path, note: dict[str, str]) -> int:
    path = folder / "note.json"
    if not path.exists():
        return 0
    kept = json.loads(path.read_text(encoding="utf-8"))
    return int(kept["done"]) if kept.get("key") == note["key"] else 0


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
