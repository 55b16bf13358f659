"""Puts a library's search into an encoder folder: vectors, shot times and labels.

With it the folder answers queries where neither Sceneprint nor the films are, with ONNX Runtime
alone (docs/encoders.md has the program). Nothing of it belongs to the encoder, whose hash stays.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.encoder_folder import sha256_of, write_json
from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError
from retrieval.label_types import Label
from retrieval.lesson_rows import overlaps
from retrieval.types import EncoderId, FloatArray, Shot

__all__ = ["BUNDLE", "VECTORS", "Bundled", "check_library", "write_bundle"]

FORMAT = "sceneprint-bundle"
VERSION = 1
BUNDLE, VECTORS = "library.json", "vectors.npy"


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """What a bundle holds."""

    num_shots: int
    num_labels: int
    num_bytes: int


def check_library(library: Path, *, encoders: Sequence[str], wanted: str) -> None:
    """Refuse a library of another encoder before minutes are spent on an export.

    Args:
        library: a library's folder.
        encoders: names of those whose vectors would do.
        wanted: the encoder to name in the advice.

    Raises:
        EncoderMismatchError: it uses none of them.
        CatalogError: it cannot be read.
    """
    with Catalog.open(library) as catalog:
        used = catalog.encoder()
    if used is None or used.name not in encoders:
        raise _mismatch(library, used, wanted)


def write_bundle(
    library: Path, folder: Path, *, encoders: Sequence[EncoderId], wanted: str
) -> Bundled:
    """Write the two files.

    Args:
        library: a library's folder.
        folder: of the encoder.
        encoders: whose vectors fit the folder's queries, the best first: those of the folder
            itself, or of the original that it was measured against.
        wanted: the encoder to name in the advice where the library has none of these.

    Raises:
        EncoderMismatchError: the library has vectors of none of them.
        CatalogError: it cannot be read.
        OSError: the folder cannot be written.
    """
    with Catalog.open(library) as catalog:
        encoder, shot_ids, vectors = _vectors(catalog, library, encoders, wanted)
        shots = {
            shot.shot_id: (video.path.name, shot)
            for video in catalog.videos()
            for shot in catalog.shots(video.video_id)
        }
        of_film = defaultdict(list)
        for label in catalog.labels():
            of_film[label.video_id].append(label)
    there = [at for at, shot in enumerate(shot_ids.tolist()) if shot in shots]
    rows = [_row(*shots[shot], of_film) for shot in shot_ids[there].tolist()]
    np.save(folder / VECTORS, vectors[there].astype(np.float16), allow_pickle=False)
    described = {
        "format": FORMAT,
        "version": VERSION,
        "encoder": {"name": encoder.name, "hash": encoder.hash, "dim": encoder.dim},
        "vectors": VECTORS,
        "sha256": sha256_of(folder, [VECTORS]),
        "shots": rows,
    }
    write_json(folder / BUNDLE, described)
    return Bundled(
        num_shots=len(rows),
        num_labels=sum(len(row["labels"]) for row in rows),
        num_bytes=sum((folder / name).stat().st_size for name in (BUNDLE, VECTORS)),
    )


def _vectors(
    catalog: Catalog, library: Path, encoders: Sequence[EncoderId], wanted: str
) -> tuple[EncoderId, Any, FloatArray]:
    """The first of these encoders that the library has vectors of."""
    for encoder in encoders:
        try:
            return encoder, *catalog.shot_vectors(encoder)
        except EncoderMismatchError:
            continue
    raise _mismatch(library, catalog.encoder(), wanted)


def _mismatch(library: Path, used: EncoderId | None, wanted: str) -> EncoderMismatchError:
    return EncoderMismatchError(
        f"the library {library} was made with {used.name if used else 'no encoder'}, whose vectors "
        f"do not fit the exported folder; make others first: "
        f"sceneprint reindex --library {library} --encoder {wanted}"
    )


def _row(film: str, shot: Shot, labels: dict[str, list[Label]]) -> dict[str, Any]:
    """One shot for the file: no path, for the films are elsewhere."""
    here = {
        f"{label.group}/{label.name}"
        for label in labels.get(shot.video_id, ())
        if overlaps(shot.segment, label.segment)
    }
    return {
        "film": film,
        "start_seconds": round(shot.segment.start_seconds, 3),
        "end_seconds": round(shot.segment.end_seconds, 3),
        "keyframe_seconds": round(shot.keyframe_seconds, 3),
        "labels": sorted(here),
    }
