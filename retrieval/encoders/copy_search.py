"""A search encoder taken as a copy encoder, as it is: its embeddings are the descriptors.

What copy detection would be without an output made for copies, to measure against: it finds copies
that were edited little, and takes two takes of one scene for one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.copy_base import CopyEncoder
from retrieval.types import FloatArray

__all__ = ["SearchCopyEncoder"]


class SearchCopyEncoder(CopyEncoder):
    """Descriptors of pictures are their search embeddings.

    Args:
        encoder: Makes them.
    """

    def __init__(self, encoder: PictureTextEncoder) -> None:
        self._encoder = encoder
        self.name, self.hash, self.dim = encoder.name, encoder.hash, encoder.dim

    def encode_beside(
        self, search: PictureTextEncoder, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[FloatArray, FloatArray]:
        """As in the base class; one pass where `search` is the encoder behind this one."""
        if search is not self._encoder:
            return super().encode_beside(search, images)
        rows = search.encode_images(images)
        return rows, rows

    def _encode_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        return self._encoder.encode_images(images)
