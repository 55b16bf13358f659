"""A second opinion on sound from Chromaprint, where its `fpcalc` is installed.

`fpcalc` is a program of its own: it is given one local file, no shell, a time limit and a bound on
what it may print, and whatever goes wrong means "no opinion". Its fingerprint is 32 bits for each
eighth of a second; two recordings of the same sound differ in few of them when lined up, but a
change of speed or pitch changes them all.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChromaprintMatch", "chromaprint", "compare_chromaprints"]

ITEM_SECONDS = 4096 * 2 / 3 / 11_025 / 2  # 0.1238
MIN_SIMILARITY = 0.7
_MAX_OUTPUT_BYTES = 16 << 20
_DECODED_SOME = 3  # exit code of versions that take the end of a file for an error


@dataclass(frozen=True)
class ChromaprintMatch:
    """The best alignment of two fingerprints."""

    query_seconds: float
    """Where the aligned stretch starts in the query."""
    ref_seconds: float
    duration_seconds: float
    similarity: float
    """Share of equal bits in [0, 1]; unrelated sound has about a half."""


def chromaprint(
    path: Path, *, max_seconds: int = 7_200, timeout_seconds: float = 120.0
) -> NDArray[np.uint32] | None:
    """Fingerprint a file with `fpcalc`.

    Returns:
        (N,) items of `ITEM_SECONDS` each; None where `fpcalc` is not installed, fails, takes too
        long or prints too much, and where the file is not a local one.
    """
    program = shutil.which("fpcalc")
    if program is None or not path.is_file():
        return None
    command = [program, "-raw", "-plain", "-length", str(max_seconds), os.fspath(path.resolve())]
    try:
        text = _bounded_output(command, timeout_seconds)
        return np.array([int(item) & 0xFFFFFFFF for item in text.split(b",")], np.uint32)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def compare_chromaprints(
    query: NDArray[np.uint32], ref: NDArray[np.uint32], *, min_items: int = 16
) -> ChromaprintMatch | None:
    """Slide one fingerprint along the other and keep the stretch with the fewest differing bits.

    Each of the alignments is scored by its best run of 24 items (three seconds) or of the shorter
    fingerprint, and the run is then extended while it stays similar.

    Returns:
        None where either has fewer than `min_items`.
    """
    width = min(24, len(query), len(ref))
    if width < max(1, min_items):
        return None
    best = (-1.0, 0, 0)
    for offset in range(width - len(query), len(ref) - width + 1):
        equal = _equal_bits(query, ref, offset)
        sums = np.concatenate([[0.0], np.cumsum(equal)])
        runs = (sums[width:] - sums[:-width]) / width
        at = int(runs.argmax())
        if runs[at] > best[0]:
            best = (float(runs[at]), offset, at)
    similarity, offset, at = best
    equal = _equal_bits(query, ref, offset)
    low, high = _extended(equal, at, at + width)
    first = max(0, -offset)
    return ChromaprintMatch(
        query_seconds=(first + low) * ITEM_SECONDS,
        ref_seconds=(first + low + offset) * ITEM_SECONDS,
        duration_seconds=(high - low) * ITEM_SECONDS,
        similarity=similarity,
    )


def _bounded_output(command: list[str], timeout_seconds: float) -> bytes:
    """What a program prints within the limits.

    Raises:
        subprocess.SubprocessError: it fails, is too slow or prints too much.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C"},  # nothing of ours; the program is given by its whole path
    ) as process:
        assert process.stdout is not None
        alarm = Timer(timeout_seconds, process.kill)
        alarm.start()
        try:
            output = process.stdout.read(_MAX_OUTPUT_BYTES + 1)
            if len(output) > _MAX_OUTPUT_BYTES:
                raise subprocess.SubprocessError("it printed too much")
            code = process.wait()
        finally:
            process.kill()
            alarm.cancel()
    if code not in (0, _DECODED_SOME):
        raise subprocess.SubprocessError(f"exit code {code}")
    return output


def _equal_bits(
    query: NDArray[np.uint32], ref: NDArray[np.uint32], offset: int
) -> NDArray[np.float64]:
    """Share of equal bits of each pair where query item i meets reference item i + offset."""
    first, last = max(0, -offset), min(len(query), len(ref) - offset)
    differing = np.bitwise_count(query[first:last] ^ ref[first + offset : last + offset])
    return np.asarray(1.0 - differing / 32, dtype=np.float64)


def _extended(equal: NDArray[np.float64], low: int, high: int) -> tuple[int, int]:
    """Grow a run to both sides while the next second stays similar."""
    step = 8
    while low > 0 and equal[max(0, low - step) : low].mean() > MIN_SIMILARITY:
        low = max(0, low - step)
    while high < len(equal) and equal[high : high + step].mean() > MIN_SIMILARITY:
        high = min(len(equal), high + step)
    return low, high
