"""Measures one row of `sceneprint bench encode` in a process of its own.

Memory and start time are then those of this runtime alone. `python -m eval.encode_child TASK.json`
reads the task and writes what it measured beside it; what fails is written too, in one line.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from eval.encode_rows import TORCH, Row
from eval.queries import query_texts
from eval.table import median_seconds
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.registry import load_encoder
from retrieval.errors import SceneprintError

__all__ = ["PEER", "Measured", "Task", "read_measured", "write_task"]

PEER = "peer:builtin"
"""Stands for the built-in encoder's network in eager torch, which has no weights of its own."""
NUM_TEXTS = 32
_CALLS = ("encode_image", "encode_text", "get_image_features", "get_text_features")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to measure.

    Attributes:
        encoder: name; `PEER` for the built-in encoder's network in torch.
        runtime: for `load_encoder`; `auto` is what the family or folder says.
        row: precision and device.
        batches: items at once; the first is 1.
        runs: of which each figure is the median.
        started: when the process was asked for, seconds since 1970.
    """

    encoder: str
    runtime: str
    row: Row
    batches: tuple[int, ...]
    runs: int
    started: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came out; `error` alone where nothing did."""

    image_seconds: tuple[float, ...] = ()
    """A picture, by batch."""
    text_seconds: tuple[float, ...] = ()
    start_seconds: float | None = None
    """From asking for the process to its first picture and text."""
    peak_bytes: int | None = None
    error: str | None = None


def write_task(folder: Path, task: Task, pictures: Sequence[NDArray[np.uint8]]) -> Path:
    """Write a task and its pictures; returns the path to give to the process."""
    np.savez(folder / "pictures.npz", *pictures)
    path = folder / "task.json"
    path.write_text(json.dumps(asdict(task)), encoding="utf-8")
    return path


def read_measured(folder: Path) -> tuple[Measured, dict[str, NDArray[np.float32]]]:
    """What the process wrote, and its vectors as `images` and `texts`.

    Raises:
        OSError: it wrote nothing.
    """
    raw = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    vectors = folder / "vectors.npz"
    if not vectors.is_file():
        return Measured(**raw), {}
    with np.load(vectors, allow_pickle=False) as arrays:
        return Measured(**raw), {name: arrays[name] for name in arrays.files}


def run_task(path: Path) -> None:
    """Measure, and write the result beside the task."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    task = Task(**{**raw, "row": Row(**raw["row"]), "batches": tuple(raw["batches"])})
    with np.load(path.with_name("pictures.npz"), allow_pickle=False) as arrays:
        pictures = [arrays[name] for name in arrays.files]
    try:
        measured = _measure(task, pictures, path.parent)
    except (SceneprintError, RuntimeError, MemoryError) as exc:
        measured = Measured(error=(str(exc) or type(exc).__name__).splitlines()[0])
    text = json.dumps(asdict(measured))
    path.with_name("measured.json").write_text(text, encoding="utf-8")


def _measure(task: Task, pictures: Sequence[NDArray[np.uint8]], folder: Path) -> Measured:
    encoder = _load(task)
    texts = query_texts("en")
    with _arithmetic(task.row):
        encoder.encode_images(pictures[:1])
        encoder.encode_texts([next(texts)])
        start = time.time() - task.started
        images = _each(task, lambda number: encoder.encode_images(_cycled(pictures, number)))
        words = _each(task, lambda number: encoder.encode_texts(list(islice(texts, number))))
        peak = _peak_bytes()
        if task.encoder != PEER:
            _write_vectors(encoder, pictures, folder)
    return Measured(image_seconds=images, text_seconds=words, start_seconds=start, peak_bytes=peak)


def _load(task: Task) -> PictureTextEncoder:
    if task.encoder == PEER:
        from eval.peers import TorchBuiltin

        return cast(PictureTextEncoder, TorchBuiltin())
    encoder = load_encoder(task.encoder, runtime=task.runtime, device=task.row.device)
    if task.row.compiles:
        import torch

        network: Any = encoder._model  # type: ignore[attr-defined]
        for call in _CALLS:
            if hasattr(network, call):
                setattr(network, call, torch.compile(getattr(network, call)))
    return encoder


def _arithmetic(row: Row) -> AbstractContextManager[object]:
    """Torch's own way to bfloat16: products in it, sums and norms in float32."""
    if row.runtime != TORCH or row.precision != "bf16":
        return nullcontext()
    import torch

    return cast(AbstractContextManager[object], torch.autocast(row.device, dtype=torch.bfloat16))


def _each(task: Task, encode: Callable[[int], object]) -> tuple[float, ...]:
    """Seconds for one item, by batch."""
    return tuple(
        median_seconds(lambda number=number: encode(number), runs=task.runs) / number  # type: ignore[misc]
        for number in task.batches
    )


def _cycled(pictures: Sequence[NDArray[np.uint8]], number: int) -> list[NDArray[np.uint8]]:
    return [pictures[at % len(pictures)] for at in range(number)]


def _write_vectors(
    encoder: PictureTextEncoder, pictures: Sequence[NDArray[np.uint8]], folder: Path
) -> None:
    same: Iterator[str] = query_texts("en")
    np.savez(
        folder / "vectors.npz",
        images=encoder.encode_images(pictures),
        texts=encoder.encode_texts(list(islice(same, NUM_TEXTS))),
    )


def _peak_bytes() -> int | None:
    """Most memory this process held; Linux alone says so of a program and not of its parent."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    peak = next((line for line in lines if line.startswith("VmHWM:")), None)
    return None if peak is None else 1024 * int(peak.split()[1])


if __name__ == "__main__":
    run_task(Path(sys.argv[1]))
