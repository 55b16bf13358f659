"""The labelled shots of one group, and what they and the names of its classes look like.

Between the labels in the catalog and the classifiers of `adapters`: `teach` learns from what is
gathered here, and `eval` measures on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adapters.few_shot import Shots
from adapters.fusion import FusionShots, ModalityRows
from adapters.fusion.base import presence, take_rows
from adapters.fusion.experts import spread_temperature
from adapters.zero_shot import class_matrix
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_types import Label, LabelledGroup
from retrieval.labels import TEMPLATES
from retrieval.lesson_rows import (
    MODALITIES,
    Senses,
    film_rows,
    joined_rows,
    overlaps,
    shared_seconds,
)
from retrieval.types import FloatArray, Shot

if TYPE_CHECKING:
    from retrieval.encoders.base import TextEncoder

__all__ = [
    "LessonShots",
    "class_words",
    "fusion_shots",
    "label_group",
    "lesson_shots",
    "picture_shots",
    "shot_targets",
]

MIN_SHOTS = 2
"""Labelled shots that must have a modality, or it is not learned from."""


@dataclass(frozen=True, eq=False)
class LessonShots:
    """The shots that labels of a group are on.

    Attributes:
        rows: the modalities of N shots.
        targets: (N, C) float32, 0 or 1.
        ids: N names, as film and seconds.
        films: N names of the films they are of.
    """

    rows: dict[str, ModalityRows]
    targets: FloatArray
    ids: tuple[str, ...]
    films: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, modalities: Sequence[str]) -> "LessonShots":
        """Leave out the other modalities, and the shots that have none of these."""
        rows = {name: self.rows[name] for name in modalities if name in self.rows}
        places = np.flatnonzero(presence(rows).any(axis=1)) if rows else np.arange(0)
        ids = tuple(self.ids[place] for place in places)
        films = tuple(self.films[place] for place in places)
        return LessonShots(take_rows(rows, places), self.targets[places], ids, films)

    def learned_modalities(self) -> tuple[str, ...]:
        """Those that enough of the shots have; pictures always count."""
        return tuple(
            name
            for name, one in self.rows.items()
            if name == "picture" or int(one.is_present.sum()) >= MIN_SHOTS
        )


def label_group(catalog: Catalog, name: str) -> LabelledGroup:
    """The group of that name; NotFoundError lists those that there are."""
    groups = {one.name: one for one in catalog.label_groups()}
    if name not in groups:
        known = ", ".join(groups) or "none; bring labels in with `sceneprint labels import`"
        raise NotFoundError(f"found no label group {name!r}, there is: {known}")
    return groups[name]


def class_words(classes: Sequence[str], encoder: "TextEncoder") -> FloatArray:
    """(C, D) a direction for each class, from its name in the standard sentences."""
    shown = [name.replace("_", " ") for name in classes]
    texts = [template.format(name) for name in shown for template in TEMPLATES]
    return class_matrix(np.split(encoder.encode_texts(texts), len(classes)))


def lesson_shots(
    catalog: Catalog, senses: Senses, group: LabelledGroup, modalities: Sequence[str] | None
) -> LessonShots:
    """Gather the labelled shots but those kept for validation or test.

    Args:
        catalog: the library.
        senses: its encoders.
        group: of labels.
        modalities: which to learn from; None for all that the labelled shots have.

    Raises:
        InvalidInputError: an unknown modality, one that the shots do not have, or a class without
            a shot.
        EncoderMismatchError: the library's vectors are of another encoder.
    """
    asked = MODALITIES if modalities is None else _known(modalities)
    found = _gathered(catalog, senses, group, asked)
    have = found.learned_modalities() or ("picture",)
    missing = [name for name in asked if name not in have]
    if modalities is not None and missing:
        raise InvalidInputError(
            f"the labelled shots of {group.name!r} have no {' and no '.join(missing)} to learn "
            f"from, they have: {', '.join(have)}; films that were ingested by an earlier version "
            "are heard when they are ingested again"
        )
    found = found.only(have)
    counts = found.targets.sum(axis=0) if len(found) else np.zeros(len(group.classes))
    empty = [one for one, count in zip(group.classes, counts, strict=True) if count == 0]
    if empty:
        raise InvalidInputError(
            f"group {group.name!r} has no shot in the library for: {', '.join(empty)}; label "
            "some, or remove the class"
        )
    return found


def picture_shots(found: LessonShots, senses: Senses, group: LabelledGroup) -> Shots:
    """As few-shot adapters take them."""
    return Shots(
        embeddings=found.rows["picture"].embeddings,
        targets=found.targets,
        text_weights=class_words(group.classes, senses.picture),
        temperature=senses.picture.temperature,
        is_exclusive=group.is_exclusive,
    )


def fusion_shots(found: LessonShots, senses: Senses, group: LabelledGroup) -> FusionShots:
    """As fusion methods take them: names of classes speak to picture and text, not to sound."""
    temperatures, words = {}, {}
    for name, one in found.rows.items():
        if name == "picture":
            temperatures[name] = senses.picture.temperature
        else:
            temperatures[name] = spread_temperature(one.embeddings[one.is_present])
    if "picture" in found.rows:
        words["picture"] = class_words(group.classes, senses.picture)
    if "text" in found.rows:
        words["text"] = class_words(group.classes, senses.text)
    return FusionShots(
        rows=found.rows,
        targets=found.targets,
        text_weights=words,
        temperatures=temperatures,
        is_exclusive=group.is_exclusive,
    )


def shot_targets(
    shots: Sequence[Shot], labels: Sequence[Label], group: LabelledGroup
) -> Iterator[tuple[int, FloatArray]]:
    """Place and targets (C,) of each shot that a label covers enough of."""
    for place, shot in enumerate(shots):
        seconds = np.zeros(len(group.classes), np.float32)
        for label in labels:
            if overlaps(shot.segment, label.segment):
                seconds[group.classes.index(label.name)] += shared_seconds(
                    shot.segment, label.segment
                )
        if seconds.any():
            best = np.eye(len(seconds), dtype=np.float32)[int(seconds.argmax())]
            yield place, best if group.is_exclusive else (seconds > 0).astype(np.float32)


def _known(modalities: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in modalities if name not in MODALITIES]
    if unknown or not modalities:
        raise InvalidInputError(
            f"got modalities {', '.join(modalities)!r}, expected some of {', '.join(MODALITIES)}"
        )
    return tuple(name for name in MODALITIES if name in modalities)


def _gathered(
    catalog: Catalog, senses: Senses, group: LabelledGroup, modalities: Sequence[str]
) -> LessonShots:
    labels = [x for x in catalog.labels(group=group.name) if x.split in (None, "train")]
    films: list[dict[str, ModalityRows]] = []
    targets: list[FloatArray] = []
    ids: list[str] = []
    film_of: list[str] = []
    for video in catalog.videos():
        own = [label for label in labels if label.video_id == video.video_id]
        shots = catalog.shots(video.video_id) if own else []
        chosen = list(shot_targets(shots, own, group))
        if not chosen:
            continue
        rows = film_rows(catalog, senses, video.video_id, modalities)
        films.append(take_rows(rows, [place for place, _ in chosen]))
        targets += [target for _, target in chosen]
        film_of += [video.video_id] * len(chosen)
        ids += [
            f"{video.path.name} {shots[place].segment.start_seconds:.1f} s" for place, _ in chosen
        ]
    shape = (len(ids), len(group.classes))
    marks = np.array(targets, np.float32).reshape(shape)
    return LessonShots(joined_rows(films), marks, tuple(ids), tuple(film_of))
