"""Classify: zero-shot scores of label groups over a film, a still or a text.

Labels are sentences (`labels`), compared with pictures in the encoder's space
(`adapters.zero_shot`). A film is scored per shot by its keyframes or as a whole; a video of the
library costs no decoding, its embeddings are there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from adapters.zero_shot import class_matrix, label_scores, weighted_mean_scores
from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotMediaError
from retrieval.labels import LabelGroup, builtin_groups, load_label_file, parse_labels
from retrieval.lesson_films import stored_video
from retrieval.types import (
    Classification,
    FloatArray,
    LabelScore,
    ProgressCallback,
    Segment,
    Shot,
)

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.media.limits import MediaLimits

__all__ = ["LabelGroup", "builtin_groups", "classify", "load_label_file", "parse_labels"]

MAX_TEXT_CHARS = 10_000
MAX_GROUPS = 50
TEXT_TEMPERATURE_SHARE = 0.35
"""Two texts score higher and spread wider than text and picture do; the softmax over texts is that
much milder, so that neither side is always sure (see `tests/retrieval/test_classify.py`)."""


def classify(
    path: Path | str | None = None,
    *,
    image: NDArray[np.uint8] | None = None,
    text: str | None = None,
    groups: Sequence[LabelGroup] | None = None,
    per: Literal["shot", "video"] = "shot",
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    limits: "MediaLimits | None" = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Classification]:
    """Score label groups.

    Args:
        path: A media file, or a video of the library (id, start of an id, path or file name).
        image: A still, (H, W, 3) uint8 RGB.
        text: What is said or written in the scene. With `image` the scores are the mean of both.
        groups: Label groups; None for the shipped ones.
        per: Score each shot of `path`, or all of it at once.
        catalog: The library.
        encoder: Makes the embeddings.
        limits: Bounds on media files; None for the defaults.
        progress: Told while a film that is not in the library is read.
        should_stop: Asked often meanwhile.

    Returns:
        One item a segment and group, in the order of time and of the groups. Stills and texts have
        the segment [0, 0).

    Raises:
        InvalidInputError: Nothing, or both a film and a still or text; too many groups; a bad
            `per`.
        NotFoundError: `path` is neither a file nor a video of the library.
        MediaError: `path` cannot be read or has no picture.
        OperationCancelled: `should_stop` said so.
    """
    if (path is None) == (image is None and text is None):
        raise InvalidInputError("got nothing or too much; give a film, or an image and/or a text")
    if per not in ("shot", "video"):
        raise InvalidInputError(f"got per = {per!r}, expected 'shot' or 'video'")
    chosen = builtin_groups() if groups is None else tuple(groups)
    if not 1 <= len(chosen) <= MAX_GROUPS:
        raise InvalidInputError(f"got {len(chosen)} label groups, expected 1 to {MAX_GROUPS}")
    classes = [_classes(group, encoder) for group in chosen]
    if path is None:
        return _classify_item(image, text, chosen, classes, encoder)
    film = _film(path, catalog, encoder, limits, progress, should_stop)
    return _classify_film(film, chosen, classes, encoder.temperature, per=per)


def _classes(group: LabelGroup, encoder: "PictureTextEncoder") -> FloatArray:
    """(C, D) one vector a label; all sentences go through the encoder together."""
    embeddings = encoder.encode_texts([p for prompts in group.prompts.values() for p in prompts])
    ends = np.cumsum([len(prompts) for prompts in group.prompts.values()])
    try:
        return class_matrix(np.split(embeddings, ends[:-1]))
    except ValueError as exc:
        raise InvalidInputError(f"group {group.name!r}: {exc}; change its sentences") from exc


# --- stills and texts


def _classify_item(
    image: NDArray[np.uint8] | None,
    text: str | None,
    groups: Sequence[LabelGroup],
    classes: Sequence[FloatArray],
    encoder: "PictureTextEncoder",
) -> list[Classification]:
    queries: list[tuple[FloatArray, float]] = []
    if image is not None:
        from retrieval.media.letterbox import crop_bars

        queries.append((encoder.encode_images(crop_bars([image])), encoder.temperature))
    if text is not None:
        if not text.strip() or len(text) > MAX_TEXT_CHARS:
            raise InvalidInputError(
                f"got a text of {len(text)} characters, expected 1 to {MAX_TEXT_CHARS} visible ones"
            )
        temperature = TEXT_TEMPERATURE_SHARE * encoder.temperature
        queries.append((encoder.encode_texts([text.strip()]), temperature))
    results = []
    for group, matrix in zip(groups, classes, strict=True):
        scores = [
            label_scores(embedding, matrix, temperature=temperature)[0]
            for embedding, temperature in queries
        ]
        mean = np.mean(scores, axis=0)
        results.append(_classification(group, Segment(0.0, 0.0), mean, None))
    return results


# --- films


@dataclass(frozen=True)
class _Film:
    """Shots of one film with their embeddings (N, D)."""

    shots: Sequence[Shot]
    vectors: FloatArray
    duration_seconds: float


def _film(
    path: Path | str,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    limits: "MediaLimits | None",
    progress: ProgressCallback | None,
    should_stop: Callable[[], bool] | None,
) -> _Film:
    """Look a film up in the library, or read it."""
    stored = stored_video(path, catalog)
    if stored is not None and catalog.encoder() in (None, encoder.id):
        _, vectors = catalog.shot_vectors(encoder.id, stored.video_id)
        shots = catalog.shots(stored.video_id)
        if len(vectors) == len(shots) > 0:
            return _Film(shots, vectors, stored.duration_seconds)
    from retrieval.reading import read_film

    film = read_film(
        Path(path) if stored is None else stored.path,
        encoder=encoder,
        limits=limits,
        progress=progress,
        should_stop=should_stop,
    )
    if not film.shots:
        raise NotMediaError(f"{Path(path).name} has no picture to classify")
    return _Film(film.shots, film.shot_vectors, film.info.duration_seconds)


def _classify_film(
    film: _Film,
    groups: Sequence[LabelGroup],
    classes: Sequence[FloatArray],
    temperature: float,
    *,
    per: Literal["shot", "video"],
) -> list[Classification]:
    if per == "video":
        seconds = np.array([shot.segment.duration_seconds for shot in film.shots], np.float32)
        whole = Segment(0.0, film.duration_seconds)
        return [
            _classification(
                group,
                whole,
                weighted_mean_scores(film.vectors, seconds, matrix, temperature=temperature),
                None,
            )
            for group, matrix in zip(groups, classes, strict=True)
        ]
    scores = [label_scores(film.vectors, matrix, temperature=temperature) for matrix in classes]
    return [
        _classification(group, shot.segment, rows[place], shot.number)
        for place, shot in enumerate(film.shots)
        for group, rows in zip(groups, scores, strict=True)
    ]


def _classification(
    group: LabelGroup, segment: Segment, scores: FloatArray, shot_number: int | None
) -> Classification:
    order = np.argsort(-scores, kind="stable")
    labels = group.labels
    return Classification(
        group=group.name,
        segment=segment,
        scores=tuple(LabelScore(labels[place], float(scores[place])) for place in order),
        shot_number=shot_number,
    )
