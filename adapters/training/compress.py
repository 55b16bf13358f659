"""The three ways to a smaller encoder: distillation, pruning, integers of 8 bits.

Each writes an encoder folder (`adapters.training.compress_export`) from an encoder and pictures;
`eval.compression` measures it and decides whether it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from adapters.precision.int8 import Int8Config, quantize_static
from adapters.training.cache import IMAGE_MEAN, IMAGE_STD, normalise_pixels
from adapters.training.compress_export import write_compressed, write_tower
from adapters.training.config import Progress
from adapters.training.distill import DistillConfig, distill
from adapters.training.pairs import open_picture
from adapters.training.prune import prune_channels, shallower
from adapters.training.tower_file import read_tower
from adapters.training.towers import ImageTower

__all__ = ["Original", "distilled", "pruned", "to_int8"]

Embed = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""N pictures (H, W, 3) uint8 RGB -> (N, D) embeddings."""
FEW = 64
"""Pictures that show a pruned block what it gave before."""
CALIBRATION_BATCH = 16
INT8 = Int8Config(wanted=0.98)
"""Far enough above the floor of `sceneprint compress`, and no more layers in float32 than that."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """The encoder that is made smaller, as it names itself.

    Attributes:
        folder: of its ONNX networks.
    """

    name: str
    hash: str
    folder: Path
    embed: Embed


def to_int8(
    original: Original,
    pictures: Sequence[bytes],
    folder: Path,
    progress: Progress,
    *,
    num_pictures: int,
) -> None:
    """Write the encoder with a picture network in 8 bits.

    Args:
        original: an encoder folder.
        pictures: encoded JPEG or PNG, for the ranges.
        folder: to write.
        progress: told now and then.
        num_pictures: at most so many are used.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: too few pictures, or not such a network.
    """
    image = _image_of(original.folder)
    feeds = [
        {image["input_name"]: normalise_pixels(np.stack(views))}
        for views in _batches(_views(pictures[:num_pictures], image["size"][0]), CALIBRATION_BATCH)
    ]

    def write_image(path: Path) -> None:
        quantize_static(original.folder / image["file"], path, feeds, INT8)

    progress("calibrate", 0, 1, {})
    write_compressed(
        original.folder,
        folder,
        write_image,
        name=f"{original.name}+int8",
        method={"method": "int8", "pictures": min(num_pictures, len(pictures))},
        original=(original.name, original.hash),
    )


def pruned(
    original: Original,
    pictures: Sequence[bytes],
    folder: Path,
    progress: Progress,
    *,
    share: float,
    num_pictures: int,
    config: DistillConfig,
    threads: int,
) -> None:
    """Write the encoder with a narrower picture network, healed by distillation from itself.

    Arguments and errors as `to_int8`; `share` as `prune_channels`.
    """
    image = _image_of(original.folder)
    size, chosen = int(image["size"][0]), pictures[:num_pictures]
    with _seeded(config.seed, threads):
        views = list(_views(chosen, size))
        some = torch.from_numpy(normalise_pixels(np.stack(views[:FEW])))
        progress("prune", 0, 1, {})
        whole = read_tower(original.folder / image["file"])
        student = prune_channels(whole, share=share, pictures=some)
        _teach(student, original, views, chosen, config, progress)
    write_compressed(
        original.folder,
        folder,
        lambda path: write_tower(student, path, size=size),
        name=f"{original.name}+pruned",
        method={"method": "prune", "share": share, "pictures": len(chosen),
                "epochs": config.epochs},
        original=(original.name, original.hash),
    )  # fmt: skip


def distilled(
    original: Original,
    pictures: Sequence[bytes],
    folder: Path,
    progress: Progress,
    *,
    start: Path,
    blocks: float,
    size: int,
    num_pictures: int,
    config: DistillConfig,
    threads: int,
) -> None:
    """Write a student of the encoder: a shallower picture network over smaller pictures.

    Args:
        original: the teacher; its text networks are taken over.
        pictures: encoded JPEG or PNG.
        folder: to write.
        progress: told now and then.
        num_pictures: at most so many are used.
        start: folder of the encoder whose picture network it begins as.
        blocks: share of the blocks to leave out, as `shallower`.
        size: side of its input.
        config: schedule.
        threads: of torch.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: too few pictures, or networks that do not go together.
    """
    chosen = pictures[:num_pictures]
    with _seeded(config.seed, threads):
        student = shallower(read_tower(start / _image_of(start)["file"]), share=blocks)
        _teach(student, original, list(_views(chosen, size)), chosen, config, progress)
    write_compressed(
        original.folder,
        folder,
        lambda path: write_tower(student, path, size=size),
        name=f"{original.name}+student",
        method={"method": "distill", "blocks": blocks, "size": size, "pictures": len(chosen),
                "epochs": config.epochs},
        original=(original.name, original.hash),
        size=size,
    )  # fmt: skip


def _teach(
    student: ImageTower,
    original: Original,
    views: Sequence[NDArray[np.uint8]],
    pictures: Sequence[bytes],
    config: DistillConfig,
    progress: Progress,
) -> None:
    parts = []
    for seen in _batches(np.asarray(open_picture(data)) for data in pictures):
        parts.append(original.embed(seen))
        progress("teacher", sum(map(len, parts)), len(pictures), {})
    targets = np.concatenate(parts)
    if targets.shape[1] != student.head.linear.out_features:
        raise ValueError(
            f"got a teacher of {targets.shape[1]} dimensions and a student of "
            f"{student.head.linear.out_features}; start from an encoder as wide as the teacher"
        )
    distill(
        student,
        views,
        targets,
        config,
        report=lambda done, total, loss: progress("distil", done, total, {"loss": loss}),
    )


def _image_of(folder: Path) -> dict[str, Any]:
    """The manifest's entry on the picture network; ValueError where it is none of ours."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    image: dict[str, Any] = manifest["image"]
    given = (image["mean"], image["std"], image["size"][0])
    if given != ([IMAGE_MEAN] * 3, [IMAGE_STD] * 3, image["size"][1]):
        raise ValueError(f"{folder} normalises pictures another way than Sceneprint's own towers")
    return image


def _views(pictures: Sequence[bytes], size: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures squashed to squares, as in serving."""
    for data in pictures:
        picture = open_picture(data)
        if picture.size != (size, size):
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        yield np.asarray(picture, dtype=np.uint8)


def _batches(
    views: Iterator[NDArray[np.uint8]], size: int = FEW
) -> Iterator[list[NDArray[np.uint8]]]:
    batch: list[NDArray[np.uint8]] = []
    for view in views:
        batch.append(view)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _seeded:
    """torch's seed and threads for a block."""

    def __init__(self, seed: int, threads: int) -> None:
        self._seed, self._threads = seed, threads

    def __enter__(self) -> None:
        self._kept = torch.get_rng_state(), torch.get_num_threads()
        torch.manual_seed(self._seed)
        torch.set_num_threads(self._threads)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._kept[0])
        torch.set_num_threads(self._kept[1])
