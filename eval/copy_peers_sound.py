"""The peer for sound: Chromaprint's `fpcalc`, aligned as AcoustID aligns fingerprints.

A fingerprint is a 32-bit number about eight times a second. Equal upper bits vote for an offset;
at the best offsets the share of differing bits, smoothed over two seconds, says which stretch is
the same.
"""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.copy_peers import Frames1, Overlap, Peer
from retrieval.engine import Engine
from retrieval.errors import MissingDependencyError

__all__ = ["Chromaprint", "align_prints"]

Prints = NDArray[np.uint32]
ITEM_SECONDS = 4096 / 3 / 11025
"""Time between two numbers: a third of a window of 4096 samples at 11,025 Hz."""
VOTE_SHIFT = 32 - 14
NUM_OFFSETS = 3
SMOOTH_ITEMS = 16
MAX_ERROR = 0.35
"""Share of differing bits up to which a stretch is the same; 0.5 is chance."""
MIN_ITEMS = 16


class Chromaprint(Peer):
    """Chromaprint by its program `fpcalc`."""

    threshold = 0.32
    note = "fpcalc -raw, offsets by votes of 14 bits, bit error up to 0.35 over 2 s"
    needs_frames = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        program = shutil.which("fpcalc")
        if program is None:
            raise MissingDependencyError(
                "not installed: the peer needs the program fpcalc of Chromaprint"
            )
        self._program = program

    def describe(self, path: Path, frames: Frames1) -> Prints:
        """The raw fingerprint; empty for a file without sound."""
        done = subprocess.run(
            [self._program, "-raw", "-length", "0", str(path.resolve())],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        found = re.search(r"^FINGERPRINT=([\d,]+)$", done.stdout, re.MULTILINE)
        numbers = found.group(1).split(",") if found else []
        return np.array([int(number) for number in numbers], dtype=np.uint32)

    def compare(self, query: Prints, ref: Prints) -> list[Overlap]:
        """Stretches that are the same."""
        return align_prints(query, ref)


def align_prints(query: Prints, ref: Prints) -> list[Overlap]:
    """Align two fingerprints; the best stretch of each of the best offsets.

    The score is one minus twice the share of differing bits, less for stretches under 8 seconds.
    """
    if len(query) < MIN_ITEMS or len(ref) < MIN_ITEMS:
        return []
    is_equal = (query >> VOTE_SHIFT)[:, None] == (ref >> VOTE_SHIFT)[None, :]
    rows, columns = np.nonzero(is_equal)
    if len(rows) == 0:
        return []
    offsets, votes = np.unique(columns - rows, return_counts=True)
    best: list[Overlap] = []
    for offset in offsets[np.argsort(-votes)][:NUM_OFFSETS].tolist():
        found = _stretch(query, ref, offset)
        if found is not None and not any(_shares(found, other) for other in best):
            best.append(found)
    return best


def _stretch(query: Prints, ref: Prints, offset: int) -> Overlap | None:
    start, end = max(0, -offset), min(len(query), len(ref) - offset)
    if end - start < MIN_ITEMS:
        return None
    differing = query[start:end] ^ ref[start + offset : end + offset]
    errors = np.unpackbits(differing.view(np.uint8).reshape(-1, 4), axis=1).mean(axis=1)
    smooth = np.convolve(errors, np.ones(SMOOTH_ITEMS) / SMOOTH_ITEMS, mode="same")
    first, last = _longest_run(smooth <= MAX_ERROR)
    if last - first < MIN_ITEMS:
        return None
    error = float(errors[first:last].mean())
    length = (last - first) * ITEM_SECONDS
    score = max(0.0, 1 - 2 * error) * min(1.0, length / 8.0)
    begin = (start + first) * ITEM_SECONDS
    shift = offset * ITEM_SECONDS
    return Overlap(score, (begin, begin + length), (begin + shift, begin + length + shift), 1.0)


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and end of the longest run of True; (0, 0) without any."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if len(starts) == 0:
        return 0, 0
    place = int(np.argmax(ends - starts))
    return int(starts[place]), int(ends[place])


def _shares(one: Overlap, other: Overlap) -> bool:
    """Whether both cover the same stretch of the query by more than half."""
    shared = min(one.query[1], other.query[1]) - max(one.query[0], other.query[0])
    return shared > 0.5 * (one.query[1] - one.query[0])
