"""What two encoders are asked by `sceneprint compare` where nobody says: the library's own words.

Names of labels and subtitle lines are what its people and films speak of; a short list of plain
things makes up for a library without either; shots as examples compare pictures with pictures.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_types import LabelledGroup
from retrieval.lesson_shots import shot_targets

__all__ = ["PLAIN_QUERIES", "Query", "QueryKind", "library_queries"]

T = TypeVar("T")
QueryKind = Literal["label", "subtitle", "plain", "shot", "text", "picture"]
"""A class name, a subtitle line, one of `PLAIN_QUERIES`, a shot of the library, and what a person
gave: words or a picture."""

PLAIN_QUERIES = (
    "a person talking", "a crowd of people", "a street with cars", "a room indoors",
    "an animal", "trees and grass", "water", "the sky", "a building", "food on a table",
    "written words on the screen", "night",
)  # fmt: skip
MAX_LINES = 24
MIN_LINE_CHARS = 12
MAX_TEXT_CHARS = 200
MAX_SHOTS = 24


@dataclass(frozen=True, eq=False)
class Query:
    """One question to both encoders.

    Attributes:
        kind: Where it comes from.
        title: For a person: the words, or the name of the picture.
        text: Words; None for a picture.
        image: (H, W, 3) uint8 RGB; None for words.
        shot_id: The shot that is the example, which is not among its own answers; None otherwise.
        right: Shots that labels say are right; empty where labels say nothing.
    """

    kind: QueryKind
    title: str
    text: str | None = None
    image: NDArray[np.uint8] | None = None
    shot_id: int | None = None
    right: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if (self.text is None) == (self.image is None):
            raise InvalidInputError(f"got query {self.title!r}, expected words or a picture")


def library_queries(catalog: Catalog) -> list[Query]:
    """The queries of a library: names of labels, subtitle lines, plain words, example shots."""
    classes = _classes(catalog)
    queries = [
        Query("label", name, text=name.replace("_", " "), right=right)
        for name, right in classes.items()
    ]
    queries += [Query("subtitle", line, text=line) for line in _lines(catalog)]
    queries += [Query("plain", words, text=words) for words in PLAIN_QUERIES]
    return queries + _shots(catalog, list(classes.values()))


def _classes(catalog: Catalog) -> dict[str, frozenset[int]]:
    """The shots that each class is on, by its name; classes on no shot are left out."""
    found: dict[str, set[int]] = {}
    for group in catalog.label_groups():
        for name, shot_id in _labelled(catalog, group):
            found.setdefault(name, set()).add(shot_id)
    return {name: frozenset(ids) for name, ids in found.items()}


def _labelled(catalog: Catalog, group: LabelledGroup) -> list[tuple[str, int]]:
    """Class and shot of all labels of a group that are on a shot."""
    found = []
    labels = catalog.labels(group=group.name)
    known = {video.video_id for video in catalog.videos()}
    for video_id in dict.fromkeys(label.video_id for label in labels):
        shots = catalog.shots(video_id) if video_id in known else []
        own = [label for label in labels if label.video_id == video_id]
        for place, targets in shot_targets(shots, own, group):
            names = np.array(group.classes)[targets > 0]
            found += [(str(name), shots[place].shot_id) for name in names]
    return found


def _lines(catalog: Catalog) -> list[str]:
    """Some subtitle lines, spread over all films, each once; very short ones say nothing."""
    lines = [
        line.text.strip()[:MAX_TEXT_CHARS]
        for video in catalog.videos()
        if video.num_subtitles
        for line in catalog.subtitles(video.video_id)
    ]
    return _spread(
        [line for line in dict.fromkeys(lines) if len(line) >= MIN_LINE_CHARS], MAX_LINES
    )


def _shots(catalog: Catalog, classes: Sequence[frozenset[int]]) -> list[Query]:
    """Some shots as examples: labelled ones first, each with the others of its classes as right."""
    labelled = sorted(set().union(*classes)) if classes else []
    ids = _spread(labelled, MAX_SHOTS)
    others = sorted(set(catalog.shot_table().shot_ids.tolist()) - set(labelled))
    queries = []
    for shot_id in ids + _spread(others, MAX_SHOTS - len(ids)):
        right = frozenset().union(*(ids for ids in classes if shot_id in ids)) - {shot_id}
        try:
            image = _picture(catalog.thumbnail(shot_id))
            (shot,) = catalog.shots_by_ids([shot_id])
            name = catalog.video(shot.video_id).name
        except (NotFoundError, OSError, ValueError):  # no picture, or gone a moment ago
            continue
        title = f"{name}, shot {shot.number}"
        queries.append(Query("shot", title, image=image, shot_id=shot_id, right=right))
    return queries


def _picture(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def _spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spread."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, max(0, count)).round().astype(int)
    return [items[place] for place in places]
