"""The similarity matrix around one match: every frame of the query against every frame of the film.

A copy shows as a bright line, whose slope is the speed; a coincidence has none. It is evidence for
a person, made anew from both files, so it does not depend on how the match was found.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from retrieval.errors import CorruptMediaError
from retrieval.match_reading import open_suspect
from retrieval.media.frames import Frame, sampled_frames
from retrieval.media.limits import MediaLimits
from retrieval.media.reader import ShouldStop, open_pictures
from retrieval.types import Box, FloatArray, Match, Segment

__all__ = ["MatchMatrix", "match_matrix", "matrix_png"]

Encode = Callable[[Sequence[NDArray[np.uint8]]], FloatArray]

MAX_FRAMES = 96
"""Of each side."""
MIN_STEP_SECONDS = 0.5
MARGIN_SECONDS = 3.0
"""Least that is shown before and after the match, so that one sees the line begin and end."""
MAX_SIDE = 384
BATCH_SIZE = 16
MAX_DECODED_SECONDS = 120.0
"""A longer window is read by its sync frames: decoding all of it would take too long."""
WIDTH, MIN_HEIGHT, MAX_HEIGHT = 480, 160, 480
_DARK, _MIDDLE, _BRIGHT = (24, 32, 36), (35, 110, 118), (250, 236, 190)
_PATH = (226, 92, 58)


@dataclass(frozen=True, eq=False)
class MatchMatrix:
    """How alike the frames of two windows are."""

    query_window: Segment
    ref_window: Segment
    query_times: NDArray[np.float64]
    """(Q,) seconds, rising."""
    ref_times: NDArray[np.float64]
    """(R,) seconds, rising."""
    similarities: FloatArray
    """(Q, R) cosines in [-1, 1]."""

    def __post_init__(self) -> None:
        shape = (len(self.query_times), len(self.ref_times))
        if self.similarities.shape != shape or 0 in shape:
            raise ValueError(f"got {self.similarities.shape = }, expected {shape}, not empty")


def match_matrix(
    match: Match,
    *,
    query_seconds: float,
    encode: Encode,
    limits: MediaLimits | None = None,
    should_stop: ShouldStop | None = None,
) -> MatchMatrix:
    """Compare the frames around a match.

    The edit is undone first, as far as it was seen: the box of each side is cut out and a mirrored
    query turned back.

    Args:
        match: What was found; both files must be where they were.
        query_seconds: Length of the query.
        encode: From N pictures (H, W, 3) uint8 RGB to (N, D) float32, unit norm.
        limits: Bounds on both files.
        should_stop: Asked often.

    Raises:
        NotFoundError: A file is gone.
        MediaError: No picture of a window can be decoded.
        OperationCancelled: `should_stop` said so.
    """
    query = _window(match.query_segment, query_seconds)
    ref = _window(match.ref_segment, match.ref_video.duration_seconds)
    edit = match.edit

    def query_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        part = _cut(image, edit.query_box)
        return np.ascontiguousarray(part[:, ::-1]) if edit.is_flipped else part

    def ref_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return _cut(image, edit.ref_box)

    q = _embedded(_frames(match.query_path, query, limits, should_stop), query_picture, encode)
    r = _embedded(_frames(match.ref_video.path, ref, limits, should_stop), ref_picture, encode)
    for side, path in ((q, match.query_path), (r, match.ref_video.path)):
        if side is None:
            raise CorruptMediaError(f"no picture of {path.name} around the match can be decoded")
    assert q is not None
    assert r is not None
    return MatchMatrix(query, ref, q[0], r[0], q[1] @ r[1].T)


def _window(segment: Segment, total_seconds: float) -> Segment:
    margin = max(MARGIN_SECONDS, 0.25 * segment.duration_seconds)
    end = min(max(total_seconds, segment.end_seconds), segment.end_seconds + margin)
    return Segment(max(0.0, segment.start_seconds - margin), end)


def _cut(image: NDArray[np.uint8], box: Box | None) -> NDArray[np.uint8]:
    if box is None:
        return image
    height, width = image.shape[:2]
    top, bottom = round(box.top * height), round(box.bottom * height)
    left, right = round(box.left * width), round(box.right * width)
    return np.ascontiguousarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])


def _frames(
    path: Path, window: Segment, limits: MediaLimits | None, should_stop: ShouldStop | None
) -> Iterator[Frame]:
    """At most about MAX_FRAMES pictures spread over a window; one of a still image."""
    suspect = open_suspect(path, limits=limits or MediaLimits())
    if suspect.is_still:
        yield from suspect.frames(should_stop)
        return
    step = max(MIN_STEP_SECONDS, window.duration_seconds / MAX_FRAMES)
    start, end = window.start_seconds, max(window.end_seconds, window.start_seconds + 1e-3)
    if window.duration_seconds <= MAX_DECODED_SECONDS:
        yield from sampled_frames(
            path,
            every_seconds=step,
            start=start,
            end=end,
            max_side=MAX_SIDE,
            limits=limits,
            should_stop=should_stop,
        )
        return
    with open_pictures(path, limits=limits, should_stop=should_stop) as reader:
        last = -1.0
        for seconds in np.arange(start, end, step):
            reader.seek(float(seconds))
            picture = next(reader.pictures(), None)
            if picture is not None and picture.seconds > last:
                last = picture.seconds
                yield Frame(last, picture.image(max_side=MAX_SIDE))


def _embedded(
    frames: Iterator[Frame],
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    encode: Encode,
) -> tuple[NDArray[np.float64], FloatArray] | None:
    """Times (N,) and embeddings (N, D) of the frames; None where there are none."""
    times: list[float] = []
    rows: list[FloatArray] = []
    batch: list[NDArray[np.uint8]] = []
    with suppress(CorruptMediaError):  # what was read before stands
        for frame in frames:
            times.append(frame.seconds)
            batch.append(prepare(frame.image))
            if len(batch) == BATCH_SIZE:
                rows.append(encode(batch))
                batch = []
    if batch:
        rows.append(encode(batch))
    return (np.asarray(times), np.concatenate(rows)) if rows else None


# --- the picture


def matrix_png(matrix: MatchMatrix, match: Match) -> bytes:
    """Draw a matrix: the query's time goes to the right, the film's downwards.

    Brighter is more alike, stretched over what occurs where the match is; the two lines run on
    both sides of the path that was found, so that they do not hide it.
    """
    seconds = matrix.ref_window.duration_seconds / max(matrix.query_window.duration_seconds, 1e-6)
    height = int(np.clip(WIDTH * seconds, MIN_HEIGHT, MAX_HEIGHT))
    across = _nearest(matrix.query_times, matrix.query_window, WIDTH)
    down = _nearest(matrix.ref_times, matrix.ref_window, height)
    low, high = np.percentile(_inside(matrix, match), (15, 99.5))
    shares = (matrix.similarities - low) / max(float(high - low), 1e-6)
    image = Image.fromarray(_colours(np.clip(shares, 0.0, 1.0)[np.ix_(across, down)].T))
    _draw_path(image, matrix, match)
    buffer = io.BytesIO()
    image.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _inside(matrix: MatchMatrix, match: Match) -> FloatArray:
    """The similarities within both segments; all of them where too few are."""
    query, ref = match.query_segment, match.ref_segment
    rows = (matrix.query_times >= query.start_seconds) & (matrix.query_times < query.end_seconds)
    columns = (matrix.ref_times >= ref.start_seconds) & (matrix.ref_times < ref.end_seconds)
    inside = matrix.similarities[np.ix_(rows, columns)]
    return inside if inside.size >= 9 else matrix.similarities


def _nearest(times: NDArray[np.float64], window: Segment, size: int) -> NDArray[np.int64]:
    """For each of `size` pixels over the window the place of the latest frame at its time."""
    at = window.start_seconds + (np.arange(size) + 0.5) / size * window.duration_seconds
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)


def _colours(shares: FloatArray) -> NDArray[np.uint8]:
    """(H, W) in [0, 1] to (H, W, 3) uint8: dark, then teal, then bright."""
    stops = np.array([_DARK, _MIDDLE, _BRIGHT], dtype=np.float64)
    channels = [np.interp(shares, (0.0, 0.55, 1.0), stops[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _draw_path(image: Image.Image, matrix: MatchMatrix, match: Match) -> None:
    draw = ImageDraw.Draw(image)
    query, ref = match.query_segment, match.ref_segment
    left, right = (
        _pixel(at, matrix.query_window, image.width)
        for at in (query.start_seconds, query.end_seconds)
    )
    top, bottom = (
        _pixel(at, matrix.ref_window, image.height) for at in (ref.start_seconds, ref.end_seconds)
    )
    if match.edit.is_reversed:
        top, bottom = bottom, top
    length = max(float(np.hypot(right - left, bottom - top)), 1.0)
    aside = 7.0 * (bottom - top) / length, 7.0 * (left - right) / length
    for sign in (-1, 1):
        x, y = sign * aside[0], sign * aside[1]
        draw.line((left + x, top + y, right + x, bottom + y), fill=_PATH, width=2)


def _pixel(seconds: float, window: Segment, size: int) -> float:
    return size * (seconds - window.start_seconds) / max(window.duration_seconds, 1e-6)
