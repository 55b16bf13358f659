"""Labelled shots of a library, and folds of them that share no film and no copied footage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.fusion import ModalityRows
from adapters.fusion.base import take_rows
from retrieval.catalog import Catalog
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError
from retrieval.label_check import NEAR_DUPLICATE_COSINE
from retrieval.label_types import LabelledGroup
from retrieval.lesson_rows import Senses, film_rows, joined_rows
from retrieval.lesson_shots import shot_targets
from retrieval.types import FloatArray, Shot

__all__ = ["LabelledShots", "film_folds", "gather_shots"]

OTHER_MODALITIES = ("sound", "text")
ALIKE_SHARE = 0.5
"""Of the labelled shots of the film with fewer: from there on two films are the same footage."""


@dataclass(frozen=True, eq=False)
class LabelledShots:
    """The shots that labels of one group are on.

    Attributes:
        shots: N shots.
        film_names: N file names.
        films: (N,) int64, number of the film of each.
        units: (N,) int64, number of its footage: films that look the same share one.
        embeddings: (N, D) float32, unit norm.
        targets: (N, C) float32, 0 or 1.
        rows: what else the shots have: sound and text, masked, where the library knows of them.
    """

    shots: tuple[Shot, ...]
    film_names: tuple[str, ...]
    films: NDArray[np.int64]
    units: NDArray[np.int64]
    embeddings: FloatArray
    targets: FloatArray
    rows: dict[str, ModalityRows]


def gather_shots(
    catalog: Catalog, encoder: PictureTextEncoder, group: LabelledGroup
) -> LabelledShots:
    """Collect the labelled shots, those that are kept for test or validation too.

    Raises:
        InvalidInputError: no shot, one film, or a class whose footage is in fewer than two films.
        EncoderMismatchError: the library's vectors are of another encoder.
    """
    labels = catalog.labels(group=group.name)
    shots: list[Shot] = []
    names: list[str] = []
    films: list[int] = []
    rows: list[FloatArray] = []
    targets: list[FloatArray] = []
    senses, others = Senses.of(catalog, encoder), []
    for number, video in enumerate(catalog.videos()):
        own = [label for label in labels if label.video_id == video.video_id]
        _, vectors = catalog.shot_vectors(encoder.id, video.video_id)
        if not own or not len(vectors):  # none of a film that a reindex had to leave out
            continue
        film_shots = catalog.shots(video.video_id)
        chosen = list(shot_targets(film_shots, own, group))
        film = film_rows(catalog, senses, video.video_id, OTHER_MODALITIES) if chosen else {}
        others.append(take_rows(film, [place for place, _ in chosen]))
        for place, target in chosen:
            shots.append(film_shots[place])
            names.append(video.name)
            films.append(number)
            rows.append(vectors[place])
            targets.append(target)
    if not shots:
        raise InvalidInputError(f"group {group.name!r} has no labelled shot in the library")
    numbers, embeddings = np.array(films, np.int64), np.array(rows, np.float32)
    found = LabelledShots(
        tuple(shots), tuple(names), numbers, _units(numbers, embeddings), embeddings,
        np.array(targets, np.float32), joined_rows([one for one in others if one]),
    )  # fmt: skip
    _check(found, group)
    return found


def film_folds(found: LabelledShots, num_folds: int) -> NDArray[np.int64]:
    """(N,) fold of each shot: the units, largest first, each where its classes are rarest."""
    units = np.unique(found.units)
    counts = np.array([found.targets[found.units == unit].sum(axis=0) for unit in units])
    totals = np.maximum(counts.sum(axis=0), 1.0)
    folds = np.zeros((num_folds, counts.shape[1]))
    sizes = np.zeros(num_folds)
    fold_of = np.zeros(int(units.max()) + 1, np.int64)
    for place in np.argsort(-counts.sum(axis=1), kind="stable"):
        crowding = (folds * counts[place] / totals**2).sum(axis=1)
        chosen = int(np.lexsort((sizes, crowding))[0])
        folds[chosen] += counts[place]
        sizes[chosen] += counts[place].sum()
        fold_of[units[place]] = chosen
    _, numbers = np.unique(fold_of[found.units], return_inverse=True)
    return numbers.astype(np.int64)


def _units(films: NDArray[np.int64], rows: FloatArray) -> NDArray[np.int64]:
    """Number films; two of which half the labelled shots look the same become one unit."""
    names = np.unique(films).tolist()
    unit = {name: name for name in names}
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            alike = rows[films == first] @ rows[films == second].T >= NEAR_DUPLICATE_COSINE
            sides = alike.any(axis=0), alike.any(axis=1)
            if min(sides, key=len).mean() >= ALIKE_SHARE:
                old, new = unit[second], unit[first]
                unit = {key: new if value == old else value for key, value in unit.items()}
    _, numbers = np.unique([unit[film] for film in films.tolist()], return_inverse=True)
    return numbers.astype(np.int64)


def _check(found: LabelledShots, group: LabelledGroup) -> None:
    num_units = len(np.unique(found.units))
    if num_units < 2:
        raise InvalidInputError(
            f"group {group.name!r} is labelled in {len(np.unique(found.films))} films of "
            f"{num_units} footage, expected at least 2 films that differ: shots of one film are "
            "never on both sides"
        )
    few = _lonely(found, group.classes)
    if few:
        raise InvalidInputError(
            f"group {group.name!r}: classes in fewer than 2 films that differ: {', '.join(few)}; "
            "label them in another film, or remove them with `sceneprint labels remove`"
        )


def _lonely(found: LabelledShots, classes: Sequence[str]) -> list[str]:
    return [
        name
        for place, name in enumerate(classes)
        if len(np.unique(found.units[found.targets[:, place] > 0])) < 2
    ]
