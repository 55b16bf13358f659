"""PySceneDetect's threshold detector, with its own defaults."""

from retrieval.media.detectors.pyscenedetect import PySceneDetector

__all__ = ["ThresholdDetector"]


class ThresholdDetector(PySceneDetector):
    """Cuts at fades: where the brightness falls below a threshold and comes back."""

    their_name = "ThresholdDetector"
