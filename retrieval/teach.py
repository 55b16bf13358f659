"""Teach: labels of a library's films and what their shots show become a classifier.

`teach` learns from the labelled shots of one group and keeps a new version in
`LIBRARY/adapters/NAME`; `apply_adapter` scores the shots of a film with it. Pictures alone make a
few-shot adapter, several modalities a fused one (`adapters.fusion`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.few_shot import DEFAULT_ADAPTER
from adapters.few_shot.classifier import FewShotClassifier, train_classifier
from adapters.few_shot.imbalance import Balance
from adapters.few_shot.storage import save_classifier
from adapters.fusion import DEFAULT_FUSION, DEFAULT_LATE_FUSION, FUSIONS
from adapters.fusion.classifier import FusedClassifier, train_fused_classifier
from adapters.fusion.storage import save_fused_classifier
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError
from retrieval.label_types import LabelledGroup
from retrieval.lesson_rows import Senses
from retrieval.lesson_shots import (
    LessonShots,
    class_words,
    fusion_shots,
    label_group,
    lesson_shots,
    picture_shots,
    shot_targets,
)
from retrieval.taught import FOLDER, TaughtShot, apply_adapter

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder, TextEncoder

__all__ = [
    "Lesson",
    "TaughtShot",
    "apply_adapter",
    "class_words",
    "label_group",
    "shot_targets",
    "teach",
]


@dataclass(frozen=True)
class Lesson:
    """What `teach` made."""

    name: str
    version: int
    folder: Path
    num_shots: dict[str, int]
    """Labelled shots of each class."""
    figures: dict[str, float]
    """Of shots scored by adapters that did not see them."""
    can_be_sure: bool
    """False where there are too few shots to answer anything at the stated rate of error."""
    modalities: tuple[str, ...] = ("picture",)
    """What was learned from."""


def teach(
    name: str,
    group: str,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    adapter: str | None = None,
    error_rate: float = 0.1,
    modalities: Sequence[str] | None = None,
    fusion: str | None = None,
    balance: Balance = "weights",
    text_encoder: "TextEncoder | None" = None,
) -> Lesson:
    """Learn the classes of a label group from its labelled shots.

    Labels kept for validation or test are left out. In a multi-label group only shots with some
    label of the group are learned from: a shot that nobody looked at says nothing.

    Args:
        name: of the adapter; a name that is there gets a new version.
        group: of labels, as `sceneprint labels list` shows.
        catalog: the library.
        encoder: the one of the library; makes the words of the classes.
        adapter: which method, by its name in `adapters.few_shot`; with several modalities a linear
            one for each of them, joined by gates unless `fusion` is given. None for the default.
        error_rate: at which it says "unsure".
        modalities: some of picture, sound and text; None for all that the labelled shots have.
        fusion: how several modalities are joined, by its name in `adapters.fusion`.
        balance: how rare classes are made up for; of pictures alone also by rows that are repeated
            (`sampling`) or made (`smote`).
        text_encoder: embeds the subtitles; None for the encoder of the library.

    Raises:
        NotFoundError: there is no such group.
        InvalidInputError: a group of one class, a class without a shot, a bad name or option.
        EncoderMismatchError: the library's vectors are of another encoder.
    """
    found = label_group(catalog, group)
    if found.is_exclusive and len(found.classes) < 2:
        raise InvalidInputError(
            f"group {group!r} has {len(found.classes)} class, expected at least 2 to tell apart"
        )
    if fusion is not None and fusion not in FUSIONS:
        raise InvalidInputError(f"got fusion {fusion!r}, expected one of {', '.join(FUSIONS)}")
    senses = Senses.of(catalog, encoder, text_encoder)
    shots = lesson_shots(catalog, senses, found, modalities)
    classifier: FewShotClassifier | FusedClassifier
    try:
        if tuple(shots.rows) == ("picture",):
            method = adapter or DEFAULT_ADAPTER
            classifier = _of_pictures(shots, senses, found, method, error_rate, balance)
            folder = save_classifier(classifier, catalog.library / FOLDER, name)
        else:
            _check_balance(balance)
            method = fusion or (DEFAULT_LATE_FUSION if adapter else DEFAULT_FUSION)
            classifier = _fused(shots, senses, found, method, adapter, error_rate)
            folder = save_fused_classifier(classifier, catalog.library / FOLDER, name)
    except ValueError as exc:
        raise InvalidInputError(f"cannot teach {name!r}: {exc}") from exc
    counts = shots.targets.sum(axis=0).astype(int).tolist()
    return Lesson(
        name=name,
        version=int(folder.name),
        folder=folder,
        num_shots=dict(zip(found.classes, counts, strict=True)),
        figures=classifier.figures,
        can_be_sure=_can_be_sure(classifier),
        modalities=tuple(shots.rows),
    )


def _check_balance(balance: str) -> None:
    if balance != "weights":
        raise InvalidInputError(
            f"got balance {balance!r} for several modalities, expected weights; or learn from "
            "pictures alone: --modalities picture"
        )


def _of_pictures(
    shots: LessonShots,
    senses: Senses,
    group: LabelledGroup,
    adapter: str,
    error_rate: float,
    balance: Balance,
) -> FewShotClassifier:
    return train_classifier(
        replace(picture_shots(shots, senses, group), balance=balance),
        group=group.name,
        classes=group.classes,
        example_ids=shots.ids,
        encoder_name=senses.picture.name,
        encoder_hash=senses.picture.hash,
        adapter=adapter,
        error_rate=error_rate,
        sources=shots.films,
    )


def _fused(
    shots: LessonShots,
    senses: Senses,
    group: LabelledGroup,
    fusion: str,
    adapter: str | None,
    error_rate: float,
) -> FusedClassifier:
    return train_fused_classifier(
        fusion_shots(shots, senses, group),
        group=group.name,
        classes=group.classes,
        example_ids=shots.ids,
        encoders=senses.encoders(tuple(shots.rows)),
        fusion=fusion,
        few_shot=adapter,
        error_rate=error_rate,
        sources=shots.films,
    )


def _can_be_sure(classifier: FewShotClassifier | FusedClassifier) -> bool:
    if isinstance(classifier, FusedClassifier):
        return any(np.isfinite(doubt.threshold) for doubt in classifier.doubts.values())
    return bool(np.isfinite(classifier.threshold))
