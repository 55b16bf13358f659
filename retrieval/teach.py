"""Teach: labels of a library's films and the embeddings of their shots become a classifier.

`teach` learns from the labelled shots of one group and keeps a new version in
`LIBRARY/adapters/NAME`; `apply` scores the shots of a film of the library with it. Nothing is
decoded: the embeddings are in the catalog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.few_shot import DEFAULT_ADAPTER, Shots
from adapters.few_shot.classifier import Answers, FewShotClassifier, train_classifier
from adapters.few_shot.storage import EncoderChangedError, load_classifier, save_classifier
from adapters.few_shot.unsure import UNSURE
from adapters.zero_shot import class_matrix
from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.label_types import Label, LabelledGroup
from retrieval.labels import TEMPLATES
from retrieval.types import FloatArray, LabelScore, Segment, Shot

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder

__all__ = [
    "Lesson",
    "TaughtShot",
    "apply_adapter",
    "class_words",
    "label_group",
    "shot_targets",
    "teach",
]

FOLDER = "adapters"
MIN_OVERLAP = 0.5
"""Of the shorter of shot and label: a label of a moment names its shot, one of an act many."""


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


@dataclass(frozen=True)
class TaughtShot:
    """What a taught adapter says of one shot."""

    shot_number: int
    segment: Segment
    scores: tuple[LabelScore, ...]
    """Every class, best first; calibrated shares."""
    labels: tuple[str, ...] | None
    """What it is sure of; None = unsure. Several classes only in a multi-label group."""
    examples: tuple[str, ...]
    """The most similar labelled shots, as film and seconds."""


def teach(
    name: str,
    group: str,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    adapter: str = DEFAULT_ADAPTER,
    error_rate: float = 0.1,
) -> Lesson:
    """Learn the classes of a label group from its labelled shots.

    Labels kept for validation or test are left out. In a multi-label group only shots with some
    label of the group are learned from: a shot that nobody looked at says nothing.

    Args:
        name: of the adapter; a name that is there gets a new version.
        group: of labels, as `sceneprint labels list` shows.
        catalog: the library.
        encoder: the one of the library; makes the words of the classes.
        adapter: which method, by its name in `adapters.few_shot`.
        error_rate: at which it says "unsure".

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
    rows, targets, ids = _labelled_shots(catalog, encoder, found)
    counts = targets.sum(axis=0).astype(int) if len(rows) else np.zeros(len(found.classes), int)
    empty = [one for one, count in zip(found.classes, counts, strict=True) if count == 0]
    if empty:
        raise InvalidInputError(
            f"group {group!r} has no shot in the library for: {', '.join(empty)}; label some, or "
            "remove the class"
        )
    try:
        classifier = train_classifier(
            Shots(
                embeddings=rows,
                targets=targets,
                text_weights=class_words(found.classes, encoder),
                temperature=encoder.temperature,
                is_exclusive=found.is_exclusive,
            ),
            group=group,
            classes=found.classes,
            example_ids=ids,
            encoder_name=encoder.name,
            encoder_hash=encoder.hash,
            adapter=adapter,
            error_rate=error_rate,
        )
        folder = save_classifier(classifier, catalog.library / FOLDER, name)
    except ValueError as exc:
        raise InvalidInputError(f"cannot teach {name!r}: {exc}") from exc
    return Lesson(
        name=name,
        version=int(folder.name),
        folder=folder,
        num_shots=dict(zip(found.classes, counts.tolist(), strict=True)),
        figures=classifier.figures,
        can_be_sure=bool(np.isfinite(classifier.threshold)),
    )


def apply_adapter(
    name: str, video: str, *, catalog: Catalog, encoder: "PictureTextEncoder"
) -> list[TaughtShot]:
    """Score the shots of a film of the library.

    Args:
        name: of an adapter, `mine` for its newest version or `mine/2`.
        video: id, start of an id, path or file name.
        catalog: the library.
        encoder: the one of the library.

    Raises:
        NotFoundError: there is no such adapter, version or film.
        InvalidInputError: the adapter is damaged or the name cannot be one.
        EncoderMismatchError: adapter or library are of another encoder; says how to teach again.
    """
    classifier = _load(name, catalog, encoder)
    video_id = catalog.resolve_video(video).video_id
    shots = catalog.shots(video_id)
    _, vectors = catalog.shot_vectors(encoder.id, video_id)
    if not shots:
        return []
    answers = classifier.answer(vectors)
    return [_taught(classifier, answers, row, shot) for row, shot in enumerate(shots)]


def _load(name: str, catalog: Catalog, encoder: "PictureTextEncoder") -> FewShotClassifier:
    plain, _, version = name.partition("/")
    if version and not version.isdigit():
        raise InvalidInputError(f"got adapter {name!r}, expected a name, or name/number")
    try:
        return load_classifier(
            catalog.library / FOLDER,
            plain,
            encoder_hash=encoder.hash,
            version=int(version) if version else None,
        )
    except FileNotFoundError as exc:
        raise NotFoundError(f"{exc}; make one with `sceneprint teach`") from exc
    except EncoderChangedError as exc:
        raise EncoderMismatchError(
            f"{exc}: `sceneprint teach {plain} --group {exc.group}`"
        ) from exc
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc


def _taught(classifier: FewShotClassifier, answers: Answers, row: int, shot: Shot) -> TaughtShot:
    shares, sure = answers.shares[row], answers.sure[row]
    labels: tuple[str, ...] | None
    if classifier.is_exclusive:
        labels = None if sure == UNSURE else (classifier.classes[int(sure)],)
    else:
        held = tuple(one for one, yes in zip(classifier.classes, sure, strict=True) if yes == 1)
        labels = None if (sure == UNSURE).any() else held
    return TaughtShot(
        shot_number=shot.number,
        segment=shot.segment,
        scores=tuple(
            LabelScore(classifier.classes[place], float(shares[place]))
            for place in np.argsort(-shares, kind="stable")
        ),
        labels=labels,
        examples=tuple(classifier.example_ids[place] for place in answers.examples[row]),
    )


def label_group(catalog: Catalog, name: str) -> LabelledGroup:
    """The group of that name; NotFoundError lists those that there are."""
    groups = {one.name: one for one in catalog.label_groups()}
    if name not in groups:
        known = ", ".join(groups) or "none; bring labels in with `sceneprint labels import`"
        raise NotFoundError(f"found no label group {name!r}, there is: {known}")
    return groups[name]


def class_words(classes: Sequence[str], encoder: "PictureTextEncoder") -> FloatArray:
    """(C, D) a direction for each class, from its name in the standard sentences."""
    shown = [name.replace("_", " ") for name in classes]
    texts = [template.format(name) for name in shown for template in TEMPLATES]
    return class_matrix(np.split(encoder.encode_texts(texts), len(classes)))


def _labelled_shots(
    catalog: Catalog, encoder: "PictureTextEncoder", group: LabelledGroup
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Embeddings (N, D), targets (N, C) and names of the shots that labels of the group are on."""
    labels = [x for x in catalog.labels(group=group.name) if x.split in (None, "train")]
    rows: list[FloatArray] = []
    targets: list[FloatArray] = []
    ids: list[str] = []
    for video in catalog.videos():
        own = [label for label in labels if label.video_id == video.video_id]
        if not own:
            continue
        _, vectors = catalog.shot_vectors(encoder.id, video.video_id)
        shots = catalog.shots(video.video_id)
        for place, target in shot_targets(shots, own, group):
            shot = shots[place]
            rows.append(vectors[place])
            targets.append(target)
            ids.append(f"{video.path.name} {shot.segment.start_seconds:.1f} s")
    return np.array(rows, np.float32), np.array(targets, np.float32), ids


def shot_targets(
    shots: Sequence[Shot], labels: Sequence[Label], group: LabelledGroup
) -> Iterator[tuple[int, FloatArray]]:
    """Place and targets (C,) of each shot that a label covers enough of."""
    for place, shot in enumerate(shots):
        seconds = np.zeros(len(group.classes), np.float32)
        for label in labels:
            shared = _shared_seconds(shot.segment, label.segment)
            shorter = min(shot.segment.duration_seconds, label.segment.duration_seconds)
            if shared > 0 and shared >= MIN_OVERLAP * shorter:
                seconds[group.classes.index(label.name)] += shared
        if seconds.any():
            best = np.eye(len(seconds), dtype=np.float32)[int(seconds.argmax())]
            yield place, best if group.is_exclusive else (seconds > 0).astype(np.float32)


def _shared_seconds(first: Segment, second: Segment) -> float:
    start = max(first.start_seconds, second.start_seconds)
    return max(0.0, min(first.end_seconds, second.end_seconds) - start)
