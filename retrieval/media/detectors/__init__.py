"""Shot detectors, one file each, by name.

`sync` is our own; the others are PySceneDetect's (extra `scenedetect`).
"""

from importlib import import_module
from typing import cast

from retrieval.errors import InvalidInputError
from retrieval.media.detector import ShotDetector

__all__ = ["DETECTORS", "create_detector"]

DETECTORS = {
    "adaptive": "retrieval.media.detectors.adaptive:AdaptiveDetector",
    "content": "retrieval.media.detectors.content:ContentDetector",
    "hash": "retrieval.media.detectors.hash:HashDetector",
    "histogram": "retrieval.media.detectors.histogram:HistogramDetector",
    "sync": "retrieval.media.detectors.sync:SyncDetector",
    "threshold": "retrieval.media.detectors.threshold:ThresholdDetector",
}


def create_detector(name: str, *, rate: float = 25.0) -> ShotDetector:
    """A new detector by name.

    Args:
        name: One of `DETECTORS`.
        rate: Average frames per second of the film.

    Raises:
        InvalidInputError: no detector has this name.
        MissingDependencyError: it needs the extra `scenedetect`.
    """
    if name not in DETECTORS:
        known = ", ".join(sorted(DETECTORS))
        raise InvalidInputError(f"got detector {name!r}, expected one of: {known}")
    module, _, cls = DETECTORS[name].partition(":")
    return cast(ShotDetector, getattr(import_module(module), cls)(rate=rate))
