"""PySceneDetect's hash detector, with its own defaults."""

from retrieval.media.detectors.pyscenedetect import PySceneDetector

__all__ = ["HashDetector"]


class HashDetector(PySceneDetector):
    """Cuts where the perceptual hash changes by more than a threshold."""

    their_name = "HashDetector"
