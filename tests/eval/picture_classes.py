"""Folders of small coloured pictures, a folder for each class."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}


def save_picture(path: Path, colour: tuple[int, int, int], *, seed: int) -> None:
    """A noisy picture of one colour; another seed, another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (8, 8, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def make_classes(folder: Path, *, num_each: int = 6) -> Path:
    for number, (name, colour) in enumerate(COLOURS.items()):
        for place in range(num_each):
            save_picture(folder / name / f"{place}.png", colour, seed=100 * number + place)
    return folder
