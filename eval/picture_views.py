"""Augmentation before the encoder: views of the shots, cropped, mirrored and recoloured.

A view takes its picture's place with it (`mean`: the direction between all of them) or stands
beside it as one more example (`add`). Test pictures are seen as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters.training.views import make_view
from eval.picture_folders import PictureSet
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.types import FloatArray

__all__ = ["Views", "ViewsAs"]

ViewsAs = Literal["mean", "add"]
SIZE = 224
MAX_VIEWS = 64


@dataclass(frozen=True, kw_only=True)
class Views:
    """How many views of a shot there are, and what they are for.

    Attributes:
        num_views: of each shot; the first is the mirror image, the rest are random.
        how: `mean` or `add`.
    """

    num_views: int
    how: ViewsAs

    def __post_init__(self) -> None:
        if not 0 <= self.num_views <= MAX_VIEWS or self.how not in ("mean", "add"):
            raise InvalidInputError(
                f"got {self.num_views} views as {self.how!r}, expected 0 to {MAX_VIEWS} as mean or "
                "add"
            )

    def embed(
        self,
        pictures: PictureSet,
        rows: Sequence[int],
        encoder: PictureTextEncoder,
        should_stop: Callable[[], bool] | None = None,
    ) -> dict[int, FloatArray]:
        """(num_views, D) of the views of each picture, by its row."""
        made: dict[int, FloatArray] = {}
        for row in rows if self.num_views else ():
            if should_stop is not None and should_stop():
                raise OperationCancelled("stopped while views were embedded")
            data = pictures.paths[row].read_bytes()
            seed = int(pictures.digests[row][:8], 16)
            made[row] = encoder.encode_images(
                [
                    make_view(data, view=view, seed=seed, size=SIZE)
                    for view in range(1, self.num_views + 1)
                ]
            )
        return made

    def applied(
        self,
        rows: NDArray[np.int64],
        embeddings: FloatArray,
        targets: FloatArray,
        views: dict[int, FloatArray],
    ) -> tuple[FloatArray, FloatArray]:
        """Embeddings and targets of the shots in `rows`, with their views."""
        plain, labels = embeddings[rows], targets[rows]
        if not self.num_views:
            return plain, labels
        seen = np.stack([views[int(row)] for row in rows])
        if self.how == "add":
            added = seen.reshape(-1, plain.shape[1])
            return np.concatenate([plain, added]), np.concatenate(
                [labels, np.repeat(labels, self.num_views, axis=0)]
            )
        mean = plain + seen.sum(axis=1)
        norms = np.linalg.norm(mean, axis=1, keepdims=True)
        return np.asarray(mean / np.maximum(norms, 1e-6), np.float32), labels
