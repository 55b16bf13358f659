"""Using what was taught: the shots of a film, with their classes and the reasons.

A film of the library costs no decoding; another file is read as `classify` reads it, and stays
outside of the library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.classifier import FewShotClassifier
from adapters.few_shot.folders import EncoderChangedError
from adapters.few_shot.storage import load_classifier
from adapters.few_shot.unsure import UNSURE
from adapters.fusion import ModalityRows
from adapters.fusion.base import Rows
from adapters.fusion.classifier import FusedClassifier
from adapters.fusion.storage import is_fused, load_fused_classifier
from retrieval.adapter_commands import teach_command
from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.lesson_films import FilmReader, stored_video
from retrieval.lesson_rows import Senses, film_rows, text_rows
from retrieval.types import FloatArray, LabelScore, ProgressCallback, Segment, Shot

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder, SoundEncoder, TextEncoder
    from retrieval.media.limits import MediaLimits

__all__ = [
    "FOLDER",
    "LibraryAnswers",
    "TaughtShot",
    "apply_adapter",
    "judge_library",
    "judge_still",
]

FOLDER = "adapters"

Classifier = FewShotClassifier | FusedClassifier


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
    decided: dict[str, float]
    """Share of each modality that the shot has in what speaks for the best class."""


def apply_adapter(
    name: str,
    film: Path | str,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    text_encoder: "TextEncoder | None" = None,
    load_sound_encoder: "Callable[[], SoundEncoder] | None" = None,
    limits: "MediaLimits | None" = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[TaughtShot]:
    """Score the shots of a film.

    Args:
        name: of an adapter, `mine` for its newest version or `mine/2`.
        film: a media file, or a film of the library (id, start of an id, path or file name).
        catalog: the library.
        encoder: the one of the library.
        text_encoder: what the adapter learned subtitles with; None for the library's encoder.
        load_sound_encoder: gives the library's sound encoder, for a file outside of it; None: such
            a file is judged without its sound.
        limits: bounds on media files; None for the defaults.
        progress: told while a film that is not in the library is read.
        should_stop: asked often meanwhile.

    Raises:
        NotFoundError: there is no such adapter, version or film.
        InvalidInputError: the adapter is damaged or the name cannot be one.
        EncoderMismatchError: adapter or library are of another encoder; says how to teach again.
        MediaError: the file cannot be read or has no picture.
        OperationCancelled: `should_stop` said so.
    """
    senses = Senses.of(catalog, encoder, text_encoder)
    classifier = _load(name, catalog, senses)
    modalities = _modalities(classifier)
    video = stored_video(film, catalog)
    if video is not None:
        shots = catalog.shots(video.video_id)
        rows = film_rows(catalog, senses, video.video_id, modalities) if shots else {}
        if "picture" in rows and not any(one.is_present.any() for one in rows.values()):
            raise NotFoundError(
                f"{video.name} has no vectors of {encoder.name}; put its file back where it was "
                f"and run `sceneprint reindex --encoder {encoder.spec or encoder.name} --library "
                f"{catalog.library}`"
            )
    else:
        reader = FilmReader(senses, load_sound_encoder, limits, progress, should_stop)
        shots, rows = reader.read(Path(film), modalities, _sound_hash(classifier))
    return _answered(classifier, shots, rows) if shots else []


@dataclass(frozen=True, eq=False)
class LibraryAnswers:
    """What a taught adapter says of many shots, without reasons.

    Attributes:
        classes: C names.
        shares: (N, C) float32, calibrated.
        is_sure: (N,) bool.
    """

    classes: tuple[str, ...]
    shares: FloatArray
    is_sure: NDArray[np.bool_]


def judge_library(
    name: str,
    video_ids: Sequence[str],
    *,
    pictures: FloatArray,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
) -> LibraryAnswers:
    """Score all shots of many films of the library at once; pictures alone take one product.

    Args:
        name: of an adapter, `mine` for its newest version or `mine/2`.
        video_ids: of films that have shots.
        pictures: (N, D) embeddings of all their shots, in order.
        catalog: the library.
        encoder: the one of the library.

    Raises:
        NotFoundError: there is no such adapter, version or film.
        InvalidInputError: the adapter is damaged or the name cannot be one.
        EncoderMismatchError: adapter or library are of another encoder; says how to teach again.
    """
    senses = Senses.of(catalog, encoder)
    classifier = _load(name, catalog, senses)
    if isinstance(classifier, FewShotClassifier):
        shares, sure = classifier.judge(pictures)
    else:
        parts = []
        for video_id in video_ids:
            rows = film_rows(catalog, senses, video_id, classifier.modalities)
            count = len(next(iter(rows.values())).embeddings) if rows else 0
            parts.append(classifier.answer(_completed(classifier, rows, count), num_examples=1))
        shares = np.concatenate([one.shares for one in parts])
        sure = np.concatenate([one.sure for one in parts])
    is_sure = sure != UNSURE if classifier.is_exclusive else (sure != UNSURE).all(axis=1)
    return LibraryAnswers(classifier.classes, shares, is_sure)


def judge_still(
    name: str,
    image: NDArray[np.uint8],
    *,
    text: str | None = None,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
) -> TaughtShot:
    """Score one still, with what is said there where that is known; it has no sound.

    Args:
        name: of an adapter, `mine` for its newest version or `mine/2`.
        image: (H, W, 3) uint8 RGB.
        text: spoken or written words.
        catalog: the library.
        encoder: the one of the library.

    Raises:
        NotFoundError: there is no such adapter or version.
        InvalidInputError: the adapter is damaged or the name cannot be one.
        EncoderMismatchError: the adapter is of another encoder; says how to teach again.
    """
    senses = Senses.of(catalog, encoder)
    classifier = _load(name, catalog, senses)
    rows = {"picture": ModalityRows.of(encoder.encode_images([image]))}
    if text is not None and text.strip():
        rows["text"] = text_rows([text], senses.text)
    still = Shot(0, "", 0, Segment(0.0, 0.0), 0, 0, 0.0)
    return _answered(classifier, [still], rows)[0]


def _load(name: str, catalog: Catalog, senses: Senses) -> Classifier:
    plain, _, number = name.partition("/")
    if number and not number.isdigit():
        raise InvalidInputError(f"got adapter {name!r}, expected a name, or name/number")
    version, root = int(number) if number else None, catalog.library / FOLDER
    try:
        if is_fused(root, plain, version=version):
            hashes = {
                key: one for key, (_, one) in senses.encoders(("picture", "sound", "text")).items()
            }
            return load_fused_classifier(root, plain, encoder_hashes=hashes, version=version)
        return load_classifier(root, plain, encoder_hash=senses.picture.hash, version=version)
    except FileNotFoundError as exc:
        raise NotFoundError(f"{exc}; make one with `sceneprint teach`") from exc
    except EncoderChangedError as exc:
        command = teach_command(exc.manifest, plain, library=catalog.library)
        raise EncoderMismatchError(
            f"{exc}: `{command}`, or change the library back to the encoder it learned from"
        ) from exc
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc


def _modalities(classifier: Classifier) -> tuple[str, ...]:
    return classifier.modalities if isinstance(classifier, FusedClassifier) else ("picture",)


def _sound_hash(classifier: Classifier) -> str | None:
    """Of the encoder that made the sounds it learned from."""
    if isinstance(classifier, FusedClassifier) and "sound" in classifier.encoders:
        return classifier.encoders["sound"][1]
    return None


def _answered(
    classifier: Classifier, shots: list[Shot], rows: dict[str, ModalityRows]
) -> list[TaughtShot]:
    if isinstance(classifier, FewShotClassifier):
        answers = classifier.answer(rows["picture"].embeddings)
        decided = np.ones((len(shots), 1), np.float32)
        there: Rows = rows
        found = answers.shares, answers.sure, answers.examples
    else:
        there = _completed(classifier, rows, len(shots))
        fused = classifier.answer(there)
        decided = fused.decisive
        found = fused.shares, fused.sure, fused.examples
    names = _modalities(classifier)
    return [
        TaughtShot(
            shot_number=shot.number,
            segment=shot.segment,
            scores=_scores(classifier, found[0][row]),
            labels=_labels(classifier, found[1][row]),
            examples=tuple(classifier.example_ids[place] for place in found[2][row]),
            decided={
                name: float(decided[row, place])
                for place, name in enumerate(names)
                if there[name].is_present[row]
            },
        )
        for row, shot in enumerate(shots)
    ]


def _completed(
    classifier: FusedClassifier, rows: dict[str, ModalityRows], num_shots: int
) -> dict[str, ModalityRows]:
    """All modalities that the classifier knows; those that the film has not are absent."""
    return {
        name: rows[name]
        if name in rows
        else ModalityRows.of(np.zeros((num_shots, classifier.adapter.dims[name]), np.float32))
        for name in classifier.modalities
    }


def _scores(classifier: Classifier, shares: FloatArray) -> tuple[LabelScore, ...]:
    order = np.argsort(-shares, kind="stable")
    return tuple(LabelScore(classifier.classes[place], float(shares[place])) for place in order)


def _labels(classifier: Classifier, sure: np.ndarray) -> tuple[str, ...] | None:
    if classifier.is_exclusive:
        return None if sure == UNSURE else (classifier.classes[int(sure)],)
    if (sure == UNSURE).any():
        return None
    return tuple(one for one, yes in zip(classifier.classes, sure, strict=True) if yes == 1)
