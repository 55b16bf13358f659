"""Real subclasses of our interfaces whose answers can be worked out by hand.

`FakeEncoder` splits a picture's mean colour into named parts that sum to one, and reads the same
names in a text: pure red pictures and the text "a red car" have cosine 1 (without layout).
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder, SoundTextEncoder
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.types import FloatArray

__all__ = ["COLOUR_AXES", "FakeEncoder", "FakeSoundEncoder", "colour_parts"]

COLOUR_AXES = ("red", "green", "blue", "cyan", "magenta", "yellow", "bright", "dark")
"""Axes 0 to 7 of a fake embedding; axis 8 is text without any known word."""

_WORDS = {
    **{name: number for number, name in enumerate(COLOUR_AXES)},
    **{"white": 6, "light": 6, "day": 6, "snow": 6, "black": 7, "night": 7},
    **{"红": 0, "绿": 1, "蓝": 2, "青": 3, "紫": 4, "黄": 5, "亮": 6, "白": 6, "暗": 7, "黑": 7},
}
_UNKNOWN_AXIS = len(COLOUR_AXES)
_GRID = 4


def colour_parts(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Split a colour in [0, 1]^3 into the eight named parts, which sum to one.

    With the channels sorted, low <= middle <= high: low is white light, middle - low the mix of
    the two strong channels, high - middle the strongest one alone, and 1 - high is darkness.
    """
    parts = np.zeros(len(COLOUR_AXES))
    lowest, middle, highest = np.argsort(rgb, kind="stable")
    parts[highest] = rgb[highest] - rgb[middle]
    parts[3 + lowest] = rgb[middle] - rgb[lowest]  # the mix without red is cyan, and so on
    parts[6] = rgb[lowest]
    parts[7] = 1.0 - rgb[highest]
    return parts


class FakeEncoder(PictureTextEncoder):
    """Pictures and texts by colour.

    Args:
        name: to make two encoders that must not be mixed.
        layout_weight: how much a picture's 4 x 4 layout of light adds in axes of its own, so that
            pictures of one mean colour can be told apart (copy matching); texts have none there.
    """

    def __init__(self, name: str = "fake:colour/v1", *, layout_weight: float = 0.0) -> None:
        self.name = name
        self.layout_weight = layout_weight
        self.hash = hashlib.sha256(f"{name} {layout_weight}".encode()).hexdigest()
        self.dim = _UNKNOWN_AXIS + 1 + _GRID * _GRID
        self.temperature = 10.0
        self.num_images = 0
        """How many pictures were encoded, to prove that work was not done twice."""

    def copy_encoder(self) -> CopyEncoder:
        """Its embeddings taken as copy descriptors, so that an engine needs no other encoder."""
        return SearchCopyEncoder(self)

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            found = [_WORDS[word] for word in _words(text) if word in _WORDS]
            for axis in found or [_UNKNOWN_AXIS]:
                row[axis] += 1.0
        return rows

    def _encode_image_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        self.num_images += len(images)
        rows = np.zeros((len(images), self.dim), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            row[:_UNKNOWN_AXIS] = colour_parts(image.mean(axis=(0, 1)) / 255.0)
            row[_UNKNOWN_AXIS + 1 :] = self.layout_weight * _layout(image)
        return rows


class FakeSoundEncoder(SoundTextEncoder):
    """Sounds by loudness: axis 0 is `loud`, axis 1 is `quiet`, axis 2 text with neither word."""

    def __init__(self) -> None:
        self.name = "fake:loudness/v1"
        self.hash = hashlib.sha256(self.name.encode()).hexdigest()
        self.dim = 3
        self.sample_rate_hz = 16_000
        self.window_seconds = 1.0
        self.temperature = 10.0

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            words = _words(text)
            row[:] = ["loud" in words, "quiet" in words, not {"loud", "quiet"} & set(words)]
        return rows

    def _encode_sound_batch(self, sounds: Sequence[FloatArray]) -> FloatArray:
        loudness = [min(1.0, float(np.sqrt(np.mean(sound**2)))) for sound in sounds]
        return np.array([[level, 1.0 - level, 0.0] for level in loudness], dtype=np.float32)


def _words(text: str) -> list[str]:
    """Lower-case words; each Chinese character is a word."""
    return re.findall(r"[a-z]+|[^\W\da-z_]", text.lower())


def _layout(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Light of the 4 x 4 tiles around the picture's mean: (16,) of sum zero, in [-1, 1]."""
    light = image.mean(axis=2) / 255.0
    rows = np.array_split(light, _GRID, axis=0)
    tiles = [tile.mean() if tile.size else 0.0 for row in rows for tile in _columns(row)]
    return np.asarray(tiles) - float(np.mean(tiles))


def _columns(row: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return np.array_split(row, _GRID, axis=1)
