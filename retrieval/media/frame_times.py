"""When each frame of a film is shown, from the file's own time stamps, without decoding."""

import time
from pathlib import Path

import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from retrieval.errors import MediaLimitError
from retrieval.media.container import forgiving, open_media
from retrieval.media.limits import MediaLimits
from retrieval.media.streams import film_stream, frame_rate

__all__ = ["frame_times"]

_NUM_LOOKED_AT = 500
_NUM_REORDERED = 16


def frame_times(path: Path, *, limits: MediaLimits | None = None) -> NDArray[np.float64] | None:
    """Seconds of every frame, (N,) float64 ascending from 0, for a film of variable frame rate.

    Returns:
        None where counting by the frame rate is as good: the rate is constant, or the file stores
        no times. The header and the first frames tell which; only other files are read to the end.

    Raises:
        NotFoundError, MediaError: The file cannot be read.
    """
    limits = limits or MediaLimits()
    with open_media(path, limits=limits) as container:
        stream = film_stream(container, path)
        is_even = stream.average_rate == stream.base_rate
        if stream.time_base is None:
            return None
        base = float(stream.time_base)
        stamps: list[int] = []
        deadline = time.monotonic() + limits.decode_budget_seconds(0.0)
        for packet in forgiving(container.demux(stream)):
            if not packet.size:
                continue
            if packet.pts is None:
                return None
            stamps.append(packet.pts)
            if is_even and len(stamps) == _NUM_LOOKED_AT:
                if _is_steady(stamps, stream):
                    return None
                is_even = False
            if time.monotonic() > deadline:
                raise MediaLimitError(f"reading the frame times of {path.name} takes too long")
        if not stamps or (is_even and _is_steady(stamps, stream)):
            return None
    times = np.sort(np.array(stamps, np.int64)).astype(np.float64) * base
    return np.asarray(times - times[0])


def _is_steady(stamps: list[int], stream: VideoStream) -> bool:
    """Whether frames lie where the rate puts them, within half of one.

    The last few may still miss one that is shown before them.
    """
    times = np.sort(np.array(stamps, np.float64)) * float(stream.time_base or 0)
    steps = (times - times[0]) * float(frame_rate(stream))
    checked = (
        steps[: max(1, len(steps) - _NUM_REORDERED)] if len(steps) > _NUM_LOOKED_AT - 1 else steps
    )
    return bool((np.abs(checked - np.arange(len(checked))) < 0.5).all())
