"""A user's own pictures and texts, on which an export is calibrated and measured.

Either the keyframes that a library keeps of its shots, with its subtitles, or a folder of pictures.
Where 8-bit ranges are calibrated, half of the pictures and texts are for that and the other half
for measuring; the draw has a fixed seed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.training.copy_pictures import read_pictures
from eval.queries import query_texts
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError

__all__ = ["ODD_TEXTS", "Material", "folder_material", "library_material"]

Item = TypeVar("Item")

SEED = 0
MAX_PICTURES = 600
MAX_TEXTS = 60
MADE_TEXTS = 40
MAX_PIXELS = 50_000_000
LEAST_MEASURED, LEAST_CALIBRATED = 12, 16

ODD_TEXTS = (
    *("a", "…", "?!", "🚲🚲 两辆自行车", "It’s “quoted” — and ﬁne", "Ｆｕｌｌ　ｗｉｄｔｈ，中文。"),
    *("ALL CAPITALS 123", "tab\tand\nline", "e\u0301cole naïve Straße", "a red car " * 60),
    "夜里下着雨的街道上，一个穿红色外套的女人骑着自行车经过一家书店",
)
"""Texts that tokenizers trip over: the folder's must cut them as the original's does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Pictures (H, W, 3) uint8 RGB and texts; none is in both halves."""

    pictures: Sequence[NDArray[np.uint8]]
    """To measure on."""
    texts: Sequence[str]
    calibration_pictures: Sequence[NDArray[np.uint8]] = ()
    calibration_texts: Sequence[str] = ()

    def __post_init__(self) -> None:
        calibrated = len(self.calibration_pictures)
        if len(self.pictures) < LEAST_MEASURED or 0 < calibrated < LEAST_CALIBRATED:
            wanted = f"{2 * LEAST_CALIBRATED}, half of them to calibrate on"
            raise InvalidInputError(
                f"got {len(self.pictures) + calibrated} pictures, expected at least "
                f"{wanted if calibrated else LEAST_MEASURED}; hundreds are better: give "
                "--pictures DIR, or a --library with more shots"
            )


def library_material(library: Path, *, calibrates: bool) -> Material:
    """Keyframes of shots all over a library, and lines of its subtitles.

    Args:
        library: its folder.
        calibrates: whether half of it is set apart.

    Raises:
        NotFoundError: no library is there.
        InvalidInputError: it has too few shots.
    """
    if not library.is_dir():
        raise NotFoundError(
            f"no library in {library}; give --library DIR or --pictures DIR: an export is "
            "measured on pictures of yours before it is written"
        )
    with Catalog.open(library) as catalog:
        videos = catalog.videos()
        shots = [shot.shot_id for video in videos for shot in catalog.shots(video.video_id)]
        lines = [line.text for video in videos for line in catalog.subtitles(video.video_id)]
        jpegs = [catalog.thumbnail(shot) for shot in _some(shots, MAX_PICTURES)]
    readable = [line for line in lines if line.strip()]
    return _shared_out([_decoded(jpeg) for jpeg in jpegs], _some(readable, MAX_TEXTS), calibrates)


def folder_material(folder: Path, *, calibrates: bool) -> Material:
    """Pictures of a folder or `.tar`; `calibrates` as in `library_material`.

    Raises:
        InvalidInputError: it cannot be read, or holds too few pictures.
    """
    try:
        encoded = read_pictures(folder)[1]
        return _shared_out([_decoded(one) for one in _some(encoded, MAX_PICTURES)], (), calibrates)
    except (OSError, ValueError) as exc:
        raise InvalidInputError(f"pictures of {folder} cannot be used: {exc}") from exc


def _shared_out(
    pictures: Sequence[NDArray[np.uint8]], own: Sequence[str], calibrates: bool
) -> Material:
    """Every other picture and text for calibration; made queries join the user's own."""
    made = [*islice(query_texts("en"), MADE_TEXTS), *islice(query_texts("zh"), MADE_TEXTS)]
    texts = [*own, *_some(made, 2 * MADE_TEXTS)]
    if not calibrates:
        return Material(pictures=pictures, texts=texts)
    return Material(
        pictures=pictures[::2],
        texts=texts[::2],
        calibration_pictures=pictures[1::2],
        calibration_texts=texts[1::2],
    )


def _some(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items in an order drawn at random, the same each time."""
    order = np.random.default_rng(SEED).permutation(len(items))[:most]
    return [items[at] for at in order]


def _decoded(encoded: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"a picture has {picture.width} x {picture.height} pixels")
        return np.asarray(picture.convert("RGB"))
