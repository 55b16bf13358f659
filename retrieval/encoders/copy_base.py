"""Copy encoders: frozen networks whose descriptors say whether two pictures are one picture.

A search embedding says what a picture shows, so two takes of one scene are close. A copy
descriptor stays what it is under edits (crops, overlays, colour, re-encoding) and tells two takes
apart. Descriptors of one copy encoder are compared by their inner product.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.base import PictureTextEncoder, check_image, in_batches
from retrieval.types import EncoderId, FloatArray

__all__ = ["CopyEncoder"]

Picture = NDArray[np.uint8]


class CopyEncoder(ABC):
    """Pictures -> copy descriptors.

    Attributes:
        name: as stored with every descriptor.
        hash: of weights and preprocessing together, so that any change is a new encoder.
        dim: C, the length of a descriptor.
        batch_size: how many pictures go through the network at once.
        spec: the name that `load_copy_encoder` loads it by; None where that is not known.
    """

    name: str
    hash: str
    dim: int
    batch_size: int = 32
    spec: str | None = None

    @property
    def id(self) -> EncoderId:
        """What is stored beside the descriptors."""
        return EncoderId(name=self.name, hash=self.hash, dim=self.dim, spec=self.spec)

    @property
    def background(self) -> FloatArray:
        """Descriptors (B, C) float32 of unrelated pictures, to normalise scores against.

        (0, C) where the encoder brings none.
        """
        return np.empty((0, self.dim), dtype=np.float32)

    def encode_pictures(self, images: Sequence[Picture] | Picture) -> FloatArray:
        """Describe pictures of any sizes.

        Args:
            images: N pictures, each (H, W, 3) uint8 RGB; an (N, H, W, 3) array works too.

        Returns:
            (N, C) float32, unit norm; (0, C) for no pictures.

        Raises:
            InvalidInputError: a picture has another shape or dtype, or no pixels.
        """
        for image in images:
            check_image(image)
        items = cast(Sequence[Picture], images)
        return in_batches(items, self._encode_batch, made_by=self.id, batch_size=self.batch_size)

    def encode_beside(
        self, search: PictureTextEncoder, images: Sequence[Picture] | Picture
    ) -> tuple[FloatArray, FloatArray]:
        """Embed and describe the same pictures, in one pass where the networks share one.

        Returns:
            Search embeddings (N, D) and copy descriptors (N, C), both float32 of unit norm.
        """
        return search.encode_images(images), self.encode_pictures(images)

    def warm_up(self) -> None:
        """Load everything now."""
        self.encode_pictures([np.zeros((8, 8, 3), dtype=np.uint8)])

    @abstractmethod
    def _encode_batch(self, images: Sequence[Picture]) -> FloatArray:
        """Describe 1 to `batch_size` pictures that were checked: (n, C) float32."""
