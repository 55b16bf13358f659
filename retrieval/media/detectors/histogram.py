"""PySceneDetect's histogram detector, with its own defaults."""

from retrieval.media.detectors.pyscenedetect import PySceneDetector

__all__ = ["HistogramDetector"]


class HistogramDetector(PySceneDetector):
    """Cuts where the histogram of brightness changes by more than a threshold."""

    their_name = "HistogramDetector"
