"""The interface of shot detectors: pictures in, times of cuts out.

One file per detector is in `detectors/`. A detector sees every picture of a film (or of a group of
pictures) in order; what decodes them, samples them and makes shots of the cuts is in `shots.py`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrieval.media.picture import Picture
from retrieval.media.signature import Signature, signature

__all__ = ["ShotDetector", "View"]


@dataclass(frozen=True, eq=False)
class View:
    """One picture as detectors see it; everything is made on demand, once."""

    number: int
    """0-based, rises by one."""
    picture: Picture

    @property
    def seconds(self) -> float:
        """Time of the picture."""
        return self.picture.seconds

    @cached_property
    def signature(self) -> Signature:
        """The small summary that our own detector compares."""
        return signature(self.picture.frame)

    def bgr(self, *, max_side: int) -> NDArray[np.uint8]:
        """A small (H, W, 3) uint8 BGR picture, not turned upright, for OpenCV's sake."""
        frame = self.picture.frame
        scale = min(1.0, max_side / max(frame.width, frame.height))
        width, height = max(8, round(frame.width * scale)), max(8, round(frame.height * scale))
        small = frame.reformat(width, height, "bgr24", interpolation="AREA")
        return small.to_ndarray().astype(np.uint8, copy=False)


class ShotDetector(ABC):
    """Finds cuts in a run of pictures; one instance reads one run.

    A cut is the time of the first picture of the new shot. It may be reported late, when pictures
    after it have been seen, but always in rising order.
    """

    @abstractmethod
    def push(self, view: View) -> list[float]:
        """Take the next picture; returns the cuts that became sure by it, in seconds."""

    def finish(self) -> list[float]:
        """The cuts that became sure by the end of the run."""
        return []
