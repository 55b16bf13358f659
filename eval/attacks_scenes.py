"""Scenes that attack films are cut from: stills under a moving camera, footage, moving shapes.

A film is a list of scenes. Frames come one at a time, at the size and rate that are asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from eval.attacks_material import Material, Picture, seeded
from retrieval.media.frames import frames_between

__all__ = ["Footage", "Scene", "Shapes", "Still", "fit", "scene_frames", "total_seconds"]

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Still:
    """A still picture under a camera that pans and zooms."""

    place: int
    """In the pool of the material."""
    seconds: float
    seed: str


@dataclass(frozen=True)
class Footage:
    """A part of a film file."""

    path: Path
    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class Shapes:
    """Drawn shapes that move over a gradient."""

    seconds: float
    seed: str


Scene = Still | Footage | Shapes


def total_seconds(scenes: Sequence[Scene]) -> float:
    """Length of a film of these scenes."""
    return sum(scene.seconds for scene in scenes)


def scene_frames(
    scenes: Sequence[Scene], material: Material, *, size: Size, rate: Fraction
) -> Iterator[Picture]:
    """All frames of a film, (H, W, 3) uint8 RGB each."""
    shown, end = 0, 0.0
    for scene in scenes:
        end += scene.seconds
        count = round(end * rate) - shown
        shown += count
        if isinstance(scene, Still):
            yield from _still_frames(scene, material, count, size)
        elif isinstance(scene, Footage):
            yield from _footage_frames(scene, count, size, rate)
        else:
            yield from _shape_frames(scene, count, size, rate)


def fit(image: Picture, size: Size) -> Picture:
    """Scale to cover `size` and cut off what is over, in the middle."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    scale = max(size[0] / width, size[1] / height)
    w, h = size[0] / scale, size[1] / scale
    box = ((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized)


def _still_frames(scene: Still, material: Material, count: int, size: Size) -> Iterator[Picture]:
    """The window moves and grows or shrinks evenly between two boxes."""
    rng = seeded("still", scene.seed)
    picture = Image.fromarray(material.still(scene.place))
    boxes = [_window(rng, picture.size, size) for _ in range(2)]
    for place in np.linspace(0.0, 1.0, max(count, 1))[:count]:
        box = (1 - place) * boxes[0] + place * boxes[1]
        shown = picture.resize(size, Image.Resampling.BILINEAR, box=tuple(box.tolist()))
        yield np.asarray(shown)


def _window(rng: np.random.Generator, source: Size, size: Size) -> NDArray[np.float64]:
    """A box of the aspect of `size` within the source, as large as 70 to 100 % of what fits.

    A source that is square stands for a 4:3 picture, as data sets squash theirs.
    """
    squash = 4 / 3 if source[0] == source[1] else 1.0
    aspect = size[0] / size[1] / squash
    width = min(source[0], source[1] * aspect) * rng.uniform(0.7, 1.0)
    height = width / aspect
    left, top = rng.uniform(0, source[0] - width), rng.uniform(0, source[1] - height)
    return np.array([left, top, left + width, top + height])


def _footage_frames(scene: Footage, count: int, size: Size, rate: Fraction) -> Iterator[Picture]:
    """The frame on screen at each moment; the last one stays when the file ends early."""
    frames = frames_between(
        scene.path, scene.start_seconds, scene.start_seconds + scene.seconds + 1.0, max_side=960
    )
    upcoming = next(frames, None)
    shown = None if upcoming is None else fit(upcoming.image, size)
    for number in range(count):
        moment = scene.start_seconds + float(number / rate)
        fresh = None
        while upcoming is not None and upcoming.seconds <= moment + 1e-6:
            fresh, upcoming = upcoming, next(frames, None)
        if fresh is not None:
            shown = fit(fresh.image, size)
        yield np.zeros((size[1], size[0], 3), np.uint8) if shown is None else shown
    frames.close()  # type: ignore[attr-defined]


def _shape_frames(scene: Shapes, count: int, size: Size, rate: Fraction) -> Iterator[Picture]:
    rng = seeded("shapes", scene.seed)
    corners = rng.integers(0, 256, (2, 3, 3)).astype(np.uint8)
    ground = Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC)
    number = int(rng.integers(3, 9))
    places, speeds = rng.uniform(0, 1, (number, 2)), rng.uniform(-0.25, 0.25, (number, 2))
    sides = rng.uniform(0.06, 0.3, number) * size[1]
    colours = rng.integers(0, 256, (number, 3)).tolist()
    for step in range(count):
        canvas = ground.copy()
        draw = ImageDraw.Draw(canvas)
        moved = places + speeds * float(step / rate)
        triangle = np.abs((moved % 2.0) - 1.0) * size
        for item in range(number):
            (x, y), side = triangle[item].tolist(), float(sides[item])
            box = (x - side, y - side * 0.7, x + side, y + side * 0.7)
            colour = tuple(colours[item])
            (draw.ellipse if item % 2 else draw.rectangle)(box, fill=colour)
        yield np.asarray(canvas)
