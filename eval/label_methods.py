"""What `eval classify` measures: few-shot adapters on pictures, and fusion of what shots have.

One interface over both, so that all are fitted on the same shots and scored on the same films.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot import Shots, adapter_class
from adapters.few_shot.classifier import train_classifier
from adapters.fusion import FusionShots, fusion_class
from adapters.fusion.base import take_rows
from adapters.fusion.classifier import train_fused_classifier
from retrieval.label_types import LabelledGroup
from retrieval.types import FloatArray

__all__ = ["FewShotMethod", "FusedMethod", "LabelMethod"]

Places = NDArray[np.int64]


class LabelMethod(Protocol):
    """A way to learn a label group; rows are numbers of its labelled shots."""

    @property
    def name(self) -> str:
        """As shown."""

    def shares(self, train: Places, test: Places) -> FloatArray:
        """(n, C) calibrated shares of the test rows; ValueError where nothing can be learned."""

    def logits(self, train: Places, test: Places, *, seed: int) -> FloatArray:
        """(n, C) uncalibrated logits of the test rows."""


@dataclass(frozen=True, eq=False)
class FewShotMethod:
    """A few-shot adapter on pictures."""

    name: str
    shots: Shots
    group: LabelledGroup
    films: tuple[str, ...]

    def shares(self, train: Places, test: Places) -> FloatArray:
        """See `LabelMethod`."""
        classifier = train_classifier(
            self.shots.subset(train),
            group=self.group.name,
            classes=self.group.classes,
            example_ids=_ids(train),
            encoder_name="measured",
            encoder_hash="",
            adapter=self.name,
            sources=[self.films[row] for row in train],
        )
        return classifier.answer(self.shots.embeddings[test]).shares

    def logits(self, train: Places, test: Places, *, seed: int) -> FloatArray:
        """See `LabelMethod`."""
        fitted = adapter_class(self.name).fit(self.shots.subset(train), seed=seed)
        return fitted.logits(self.shots.embeddings[test])


@dataclass(frozen=True, eq=False)
class FusedMethod:
    """A fusion method on all modalities, as `teach` learns."""

    fusion: str
    shots: FusionShots
    group: LabelledGroup
    films: tuple[str, ...]

    @property
    def name(self) -> str:
        """Which modalities are joined, and how."""
        return f"{' + '.join(self.shots.modalities)} ({self.fusion})"

    def shares(self, train: Places, test: Places) -> FloatArray:
        """See `LabelMethod`."""
        classifier = train_fused_classifier(
            self.shots.subset(train),
            group=self.group.name,
            classes=self.group.classes,
            example_ids=_ids(train),
            encoders=dict.fromkeys(self.shots.modalities, ("measured", "")),
            fusion=self.fusion,
            sources=[self.films[row] for row in train],
        )
        return classifier.answer(take_rows(self.shots.rows, test)).shares

    def logits(self, train: Places, test: Places, *, seed: int) -> FloatArray:
        """See `LabelMethod`."""
        fitted = fusion_class(self.fusion).fit(self.shots.subset(train), seed=seed)
        return fitted.logits(take_rows(self.shots.rows, test))


def _ids(rows: Sequence[int] | Places) -> list[str]:
    return [str(row) for row in rows]
