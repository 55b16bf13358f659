"""Names of aligners and where they are."""

from importlib import import_module

from retrieval.errors import InvalidInputError
from retrieval.match_aligners.base import Aligner

__all__ = ["ALIGNERS", "DEFAULT_ALIGNER", "create_aligner"]

ALIGNERS = {
    "dynamic": "retrieval.match_aligners.dynamic:DynamicAligner",
    "hough": "retrieval.match_aligners.hough:HoughAligner",
    "network": "retrieval.match_aligners.network:NetworkAligner",
}
DEFAULT_ALIGNER = "network"


def create_aligner(name: str = DEFAULT_ALIGNER) -> Aligner:
    """Make an aligner by name.

    Raises:
        InvalidInputError: There is none of this name.
    """
    if name not in ALIGNERS:
        raise InvalidInputError(f"got aligner {name!r}, expected one of {', '.join(ALIGNERS)}")
    module, _, attribute = ALIGNERS[name].partition(":")
    made: Aligner = getattr(import_module(module), attribute)()
    return made
