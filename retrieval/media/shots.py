"""Shots of a film, their keyframes and samples of its pictures, in one pass over it.

`fast` decodes the sync frames and only those groups of pictures in which a cut must be;
`precise` decodes everything once. Both hand on every picture that is wanted later (samples for
copy matching and for embeddings, keyframes), so that nothing is decoded twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from retrieval.errors import CorruptMediaError, InvalidInputError, NotMediaError
from retrieval.media.builder import OnFrame, OnKeyframe, ShotBuilder
from retrieval.media.detectors import create_detector
from retrieval.media.fast_pass import read_fast
from retrieval.media.frames import Frame
from retrieval.media.full_pass import read_fully
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe
from retrieval.media.reader import ShouldStop
from retrieval.types import Progress, ProgressCallback, Shot, ShotMode

__all__ = ["ShotResult", "detect_shots"]

MAX_SIDE = 384
"""Longest side in pixels of the frames that are handed on: more than an encoder's input."""


@dataclass(frozen=True, eq=False)
class ShotResult:
    """What one pass over a film gives."""

    shots: tuple[Shot, ...]
    """In order, without gaps, from the first picture to the end; no ids yet."""
    keyframes: tuple[Frame, ...] = ()
    """One per shot; empty where `on_keyframe` took them."""
    frames: tuple[Frame, ...] = ()
    """The samples; empty where `on_frame` took them."""
    warnings: tuple[str, ...] = ()


def detect_shots(
    path: Path,
    info: MediaInfo | None = None,
    *,
    mode: ShotMode = "fast",
    detector: str = "sync",
    max_side: int = MAX_SIDE,
    limits: MediaLimits | None = None,
    on_frame: OnFrame | None = None,
    on_keyframe: OnKeyframe | None = None,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> ShotResult:
    """Find the shots of a film.

    Args:
        path: A film.
        info: What `probe` said, where it is known already.
        mode: `fast` reads sync frames; hard cuts between two alike sync frames stay unseen and
            samples are as far apart as sync frames are. `precise` reads every picture. Detectors
            other than `sync` always do.
        detector: One of `detectors.DETECTORS`.
        max_side: Longest side of the images that are handed on.
        limits: Bounds on the file.
        on_frame: Called with every sample as it is decoded (about one a second, and one for each
            shot), nearly in order of time, on this thread. Without it they are collected, which
            takes half a megabyte each.
        on_keyframe: Called with number and keyframe of each shot when it ends. A keyframe is
            always one of the samples and has the same `seconds`.
        progress: Told the seconds of film that are read.
        should_stop: Asked often.

    Raises:
        NotMediaError: there is no film in the file.
        CorruptMediaError: no picture can be decoded.
        MediaLimitError: over `limits`, in size or in time.
        InvalidInputError: no such detector or mode.
        MissingDependencyError: the detector needs an extra.
        OperationCancelled: `should_stop` said so.
    """
    if mode not in ("fast", "precise"):
        raise InvalidInputError(f"got mode {mode!r}, expected 'fast' or 'precise'")
    limits = limits or MediaLimits()
    info = info or probe(path, limits=limits)
    if not info.has_picture:
        raise NotMediaError(f"{path.name} has no film")
    rate = info.frame_rate or Fraction(25)
    found = create_detector(detector, rate=float(rate))
    frames: list[Frame] = []
    keyframes: list[Frame] = []
    builder = ShotBuilder(
        path,
        rate=rate,
        max_side=max_side,
        limits=limits,
        on_frame=on_frame or frames.append,
        on_keyframe=on_keyframe or (lambda _, frame: keyframes.append(frame)),
    )
    tell = _teller(path, info, progress)
    if mode == "fast" and detector == "sync":
        end, warnings = read_fast(path, builder, limits=limits, tell=tell, should_stop=should_stop)
    else:
        end, warnings = read_fully(
            path, builder, found, limits=limits, tell=tell, should_stop=should_stop
        )
    if end <= 0.0:
        raise CorruptMediaError(f"{path.name} has no picture that can be decoded")
    return ShotResult(
        shots=tuple(builder.finish(end)),
        keyframes=tuple(keyframes),
        frames=tuple(frames),
        warnings=tuple(warnings),
    )


def _teller(
    path: Path, info: MediaInfo, progress: ProgressCallback | None
) -> Callable[[float], None]:
    """A function that reports the seconds read, at most ten times a second."""
    started = time.monotonic()
    last = [started]

    def tell(seconds: float) -> None:
        now = time.monotonic()
        if progress is None or (now - last[0] < 0.1 and seconds < info.duration_seconds):
            return
        last[0] = now
        elapsed = now - started
        speed = seconds / elapsed if elapsed > 0 and seconds > 0 else None
        left = max(0.0, info.duration_seconds - seconds)
        eta = left / speed if speed else None
        progress(
            Progress("decode", path.name, seconds, info.duration_seconds, "s", elapsed, speed, eta)
        )

    return tell
