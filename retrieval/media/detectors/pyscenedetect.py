"""What the detectors of PySceneDetect have in common here.

They get our own decoded pictures, small and BGR, so that nothing is decoded twice and no second
video library opens the file.
"""

import logging
from array import array
from typing import Any, ClassVar

from retrieval.errors import MissingDependencyError
from retrieval.media.detector import ShotDetector, View

__all__ = ["PySceneDetector"]

_MAX_SIDE = 256
"""Longest side of the pictures, as PySceneDetect itself scales them down."""


class PySceneDetector(ShotDetector):
    """Wraps one class of `scenedetect.detectors`.

    Raises:
        MissingDependencyError: PySceneDetect is not installed.
    """

    their_name: ClassVar[str]

    def __init__(self, *, rate: float = 25.0) -> None:
        try:
            from scenedetect import FrameTimecode, detectors
        except ImportError as exc:
            raise MissingDependencyError(
                f"the detector {self.their_name} needs PySceneDetect; install it with"
                " `pip install 'sceneprint[scenedetect]'`, or use the detector `sync`"
            ) from exc
        logging.getLogger("pyscenedetect").setLevel(logging.WARNING)
        self._theirs: Any = getattr(detectors, self.their_name)()
        self._timecode: Any = FrameTimecode
        self._rate = rate
        self._seconds = array("d")

    def push(self, view: View) -> list[float]:
        """Take the next picture."""
        self._seconds.append(view.seconds)
        image = view.bgr(max_side=_MAX_SIDE)
        return self._times(self._theirs.process_frame(self._place(view.number), image))

    def finish(self) -> list[float]:
        """The cuts that only the end makes sure."""
        if not self._seconds:
            return []
        return self._times(self._theirs.post_process(self._place(len(self._seconds) - 1)))

    def _place(self, number: int) -> Any:
        return self._timecode(number, self._rate)

    def _times(self, cuts: list[Any]) -> list[float]:
        numbers = sorted(cut.frame_num for cut in cuts)
        return [self._seconds[n] for n in numbers if 0 < n < len(self._seconds)]
