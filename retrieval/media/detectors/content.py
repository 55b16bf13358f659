"""PySceneDetect's content detector, with its own defaults."""

from retrieval.media.detectors.pyscenedetect import PySceneDetector

__all__ = ["ContentDetector"]


class ContentDetector(PySceneDetector):
    """Cuts where hue, saturation and brightness change by more than a threshold."""

    their_name = "ContentDetector"
