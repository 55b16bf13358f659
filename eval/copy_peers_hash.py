"""Peers that hash pictures: vPDQ, pHash with votes, and videohash."""

import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.copy_peers import STEP_SECONDS, Frames1, Overlap, Peer
from retrieval.engine import Engine
from retrieval.errors import MissingDependencyError

__all__ = ["PHash", "VideoHash64", "Vpdq", "imported"]

Bits = NDArray[np.float32]
"""(N, B) of -1 and 1, so that an inner product counts equal bits."""


class _Hashed:
    """Times and hashes of a file."""

    def __init__(self, times: NDArray[np.float64], bits: Bits) -> None:
        self.times, self.bits = times, bits


class Vpdq(Peer):
    """vPDQ: a PDQ hash a second, and the share of a film's hashes that are in the other.

    Hashes of quality below 50 are left out and two hashes match within 31 bits of 256, as vPDQ's
    defaults have it. Its users take a match where 80 % of a query's frames match; the score here
    is the larger of both shares, which is in the peer's favour when the copy is partial.
    """

    threshold = 0.8
    note = "recipe over pdqhash: a hash a second, quality from 50, 31 bits, larger share"
    max_distance, min_quality = 31, 50

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._pdqhash = imported("pdqhash")

    def describe(self, path: Path, frames: Frames1) -> _Hashed:
        """PDQ hashes of good enough frames."""
        times, bits = [], []
        for moment, image in zip(frames.times, frames.images, strict=True):
            hashed, quality = self._pdqhash.compute(np.ascontiguousarray(image))
            if quality >= self.min_quality:
                times.append(moment)
                bits.append(np.asarray(hashed, dtype=np.float32) * 2 - 1)
        return _Hashed(np.asarray(times), np.asarray(bits, np.float32).reshape(-1, 256))

    def compare(self, query: _Hashed, ref: _Hashed) -> list[Overlap]:
        """Shares of matching frames, and between which times they lie."""
        is_near = _near(query, ref, self.max_distance)
        if not is_near.any():
            return []
        rows, columns = is_near.any(axis=1), is_near.any(axis=0)
        score = max(float(rows.mean()), float(columns.mean()))
        return [Overlap(score, _span(query.times[rows]), _span(ref.times[columns]))]


class PHash(Peer):
    """imagehash's 64-bit pHash a second, votes for one offset between the films.

    Ten bits of 64 are the usual bound. The score grows with the number of seconds that agree on
    one offset, `n / (n + 5)`; three of them make a match.
    """

    threshold = 3 / 8
    note = "pHash a second, 10 bits of 64, votes for one offset"
    max_distance = 10

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._imagehash = imported("imagehash")

    def describe(self, path: Path, frames: Frames1) -> _Hashed:
        """Hash every frame."""
        from PIL import Image

        bits = [self._imagehash.phash(Image.fromarray(image)).hash for image in frames.images]
        packed = np.asarray(bits, dtype=np.float32).reshape(-1, 64) * 2 - 1
        return _Hashed(frames.times, packed)

    def compare(self, query: _Hashed, ref: _Hashed) -> list[Overlap]:
        """The offset with the most agreeing seconds."""
        rows, columns = np.nonzero(_near(query, ref, self.max_distance))
        if len(rows) == 0:
            return []
        offsets = np.round(ref.times[columns] - query.times[rows]).astype(np.int64)
        values, counts = np.unique(offsets, return_counts=True)
        is_best = offsets == values[np.argmax(counts)]
        agreeing = query.times[np.unique(rows[is_best])]
        score = len(agreeing) / (len(agreeing) + 5)
        spans = _span(agreeing), _span(ref.times[np.unique(columns[is_best])])
        return [Overlap(score, *spans, speed=1.0)]


class VideoHash64(Peer):
    """videohash: one 64-bit hash for a whole film, from a collage of its frames.

    It needs FFmpeg's programs, and a name that Pillow has dropped since its last release. The
    package knows no parts of films, so its segment is the whole file.
    """

    threshold = 1 - 10 / 64
    note = "one hash a film, share of equal bits, whole files"
    needs_frames = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        from PIL import Image

        if not hasattr(Image, "ANTIALIAS"):  # since Pillow 10
            Image.ANTIALIAS = Image.Resampling.LANCZOS  # type: ignore[attr-defined]
        self._hash = imported("videohash").VideoHash
        if shutil.which("ffmpeg") is None:
            raise MissingDependencyError("the peer videohash needs the program ffmpeg on the path")

    def describe(self, path: Path, frames: Frames1) -> tuple[Bits, float] | None:
        """The 64 bits and the length; None where the package fails."""
        try:
            made = self._hash(path=os.fspath(path.resolve()))
            bits = np.array([bit == "1" for bit in made.hash[2:]], dtype=np.float32) * 2 - 1
            return bits, float(made.video_duration)
        except Exception:  # its errors have no common base
            return None

    def compare(
        self, query: tuple[Bits, float] | None, ref: tuple[Bits, float] | None
    ) -> list[Overlap]:
        """Share of equal bits."""
        if query is None or ref is None:
            return []
        score = float(query[0] @ ref[0] / 128 + 0.5)
        return [Overlap(score, (0.0, query[1]), (0.0, ref[1]))]


def _near(query: _Hashed, ref: _Hashed, max_distance: int) -> NDArray[np.bool_]:
    """(Q, R) whether two hashes differ in at most so many bits."""
    size = query.bits.shape[1]
    if not (len(query.times) and len(ref.times)):
        return np.zeros((len(query.times), len(ref.times)), dtype=bool)
    return np.asarray((size - query.bits @ ref.bits.T) / 2 <= max_distance + 0.25)


def _span(times: NDArray[np.float64]) -> tuple[float, float]:
    return float(times.min()), float(times.max()) + STEP_SECONDS


def imported(package: str) -> Any:
    """Import a peer's package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return import_module(package)
    except ImportError as exc:
        raise MissingDependencyError(
            f"not installed: the peer needs {package}; install it with `pip install {package}`"
        ) from exc
