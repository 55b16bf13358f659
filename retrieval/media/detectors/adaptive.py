"""PySceneDetect's adaptive detector, with its own defaults."""

from retrieval.media.detectors.pyscenedetect import PySceneDetector

__all__ = ["AdaptiveDetector"]


class AdaptiveDetector(PySceneDetector):
    """Cuts where the content changes more than in the pictures around."""

    their_name = "AdaptiveDetector"
