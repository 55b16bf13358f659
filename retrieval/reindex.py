"""Reindex: the shots' vectors of another encoder, made beside those in use, then exchanged.

Each film is one transaction, so a reindex may be stopped or killed at any moment; started again
it goes on with the films that have no vectors yet. Search, ingest and the rest go on with the old
vectors meanwhile: what an ingest brings in is picked up before the exchange, which waits for an
ingest to end. Of copies, sounds, labels and subtitles nothing changes.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.catalog import Catalog
from retrieval.catalog_sets import SetRow, Source
from retrieval.embedding import FrameEmbedder
from retrieval.errors import (
    CatalogBusyError,
    InvalidInputError,
    MediaError,
    NotFoundError,
    OperationCancelled,
)
from retrieval.keyframes import are_kept_large, check_film, film_keyframes, kept_keyframes
from retrieval.media.frames import Frame
from retrieval.media.limits import MediaLimits
from retrieval.pace import Pace
from retrieval.scenes import group_scenes
from retrieval.types import EncoderId, FloatArray, ProgressCallback, Shot, Video

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder

__all__ = ["MissingFilm", "ReindexSummary", "reindex"]

SOURCES: tuple[Source, ...] = ("keyframes", "films")


@dataclass(frozen=True)
class MissingFilm:
    """A film that the new encoder could not be shown."""

    video: Video
    reason: str


@dataclass(frozen=True)
class ReindexSummary:
    """What a reindex did.

    Attributes:
        encoder: The new one.
        before: What was in use; None for nothing.
        is_used: Whether the new one is in use now.
        was_changed: Whether this run put it in use.
        num_videos: Films that have its vectors.
        num_shots: Shots that have.
        num_embedded: Shots that this run showed to it.
        sources: Number of films that this run showed to it, by what it saw of them.
        missing: Films that it could not be shown.
        pruned: Whose vectors were forgotten.
        wall_seconds: Of this run.
        was_cancelled: Stopped before its end.
    """

    encoder: EncoderId
    before: EncoderId | None
    is_used: bool
    was_changed: bool
    num_videos: int
    num_shots: int
    num_embedded: int
    sources: dict[Source, int]
    missing: tuple[MissingFilm, ...]
    pruned: tuple[EncoderId, ...]
    wall_seconds: float
    was_cancelled: bool


def reindex(
    encoder: "PictureTextEncoder",
    *,
    catalog: Catalog,
    limits: MediaLimits | None = None,
    source: Source | None = None,
    switch: bool = True,
    without_missing: bool = False,
    prune: bool = False,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> ReindexSummary:
    """Make the vectors of an encoder for all films, and use them in place of those in use.

    Vectors that are there already are kept, so going back to an encoder costs nothing.

    Args:
        encoder: The new one.
        catalog: The library.
        limits: Bounds on media files; None for the defaults.
        source: What the encoder is shown; None for the film, and where that is missing for the
            kept keyframes, if they are large enough.
        switch: Use the new vectors at the end; False leaves them beside, to compare first.
        without_missing: Use them also where films are missing: their shots stay listed, and no
            search by picture finds them.
        prune: Forget the vectors of all other encoders once the new ones are in use.
        progress: Told seconds of film, with speed and time left.
        should_stop: Asked often.

    Returns:
        What was done. With missing films, and without `without_missing`, nothing was changed.

    Raises:
        NotFoundError: The library has no film with a picture.
        InvalidInputError: No such source; or pruning without using.
        CatalogBusyError: Another process reindexes.
        CatalogError: The library cannot be written.
    """
    if source not in (None, *SOURCES):
        raise InvalidInputError(f"got source {source!r}, expected {' or '.join(SOURCES)}")
    if prune and not switch:
        raise InvalidInputError("got --prune with --no-switch; what is in use cannot be forgotten")
    if not catalog.totals().num_shots:
        raise NotFoundError(
            f"{catalog.library} holds no film with a picture; `sceneprint ingest PATH --encoder "
            "NAME` takes any encoder there"
        )
    run = _Run(catalog, encoder, limits or MediaLimits(), source, Pace(progress), should_stop)
    before = catalog.encoder()
    pruned: tuple[EncoderId, ...] = ()
    was_cancelled = False
    with catalog.reindexing():
        catalog.note_spec(encoder.id)  # its folder may have moved
        try:
            run.fill()
            if switch and before != encoder.id:
                run.exchange(without_missing=without_missing)
        except OperationCancelled:
            was_cancelled = True
        if prune and catalog.encoder() == encoder.id and not was_cancelled:
            pruned = _prune(catalog)
    return run.summary(before, pruned=pruned, was_cancelled=was_cancelled)


@dataclass
class _Run:
    """One reindex."""

    catalog: Catalog
    encoder: "PictureTextEncoder"
    limits: MediaLimits
    source: Source | None
    pace: Pace
    should_stop: Callable[[], bool] | None
    started: float = field(default_factory=time.monotonic)
    missing: dict[str, MissingFilm] = field(default_factory=dict)
    sources: Counter[Source] = field(default_factory=Counter)
    num_embedded: int = 0

    def fill(self) -> None:
        """Show the encoder every film that it has not seen, until none is left but the missing."""
        while todo := self._todo():
            seconds = sum(video.duration_seconds for video in todo)
            self.pace.total_seconds = self.pace.done_seconds + seconds
            for video in todo:
                self._check_stop()
                self.pace.tell("reindex", video.name)
                self._work(video)
                self.pace.done_seconds += video.duration_seconds
                self.pace.tell("reindex", video.name)

    def exchange(self, *, without_missing: bool) -> None:
        """Use the new vectors, once no other process writes and nothing came in meanwhile."""
        while self.missing == {} or without_missing:
            try:
                with self.catalog.writing():
                    if not self._todo():
                        self.catalog.use_set(self.encoder.id, without=self.missing)
                        return
            except CatalogBusyError as busy:
                self.pace.tell("wait", str(busy))
                self._check_stop()
            self.fill()

    def summary(
        self, before: EncoderId | None, *, pruned: tuple[EncoderId, ...], was_cancelled: bool
    ) -> ReindexSummary:
        """Say what was done."""
        made = [one for one in self.catalog.vector_sets() if one.encoder == self.encoder.id]
        is_used = bool(made) and made[0].is_used
        return ReindexSummary(
            encoder=self.encoder.id,
            before=before,
            is_used=is_used,
            was_changed=is_used and before != self.encoder.id,
            num_videos=made[0].num_videos if made else 0,
            num_shots=made[0].num_shots if made else 0,
            num_embedded=self.num_embedded,
            sources=dict(self.sources),
            missing=tuple(self.missing.values()),
            pruned=pruned,
            wall_seconds=time.monotonic() - self.started,
            was_cancelled=was_cancelled,
        )

    def _todo(self) -> list[Video]:
        found = self.catalog.videos_without_vectors(self.encoder.id)
        return [video for video in found if video.video_id not in self.missing]

    def _work(self, video: Video) -> None:
        """Embed one film's keyframes and store them; what cannot be shown is noted."""
        try:
            shots = self.catalog.shots(video.video_id)
        except NotFoundError:  # removed a moment ago
            return
        reason = ""
        for source in self._sources(shots):
            try:
                vectors = self._embed(video, shots, source)
            except (MediaError, NotFoundError) as exc:
                reason = reason or str(exc)
                continue
            except OSError as exc:
                reason = reason or f"it cannot be read: {exc.strerror or exc}"
                continue
            self._store(shots, vectors, source)
            self.pace.read_seconds += video.duration_seconds
            return
        self.missing[video.video_id] = MissingFilm(video, reason)

    def _sources(self, shots: Sequence[Shot]) -> Iterator[Source]:
        """What to look at, in turn: what ingest sees comes first, it is worth some time."""
        yield self.source or "films"
        if self.source is None and are_kept_large(
            self.catalog, shots, side=self.encoder.picture_side
        ):
            yield "keyframes"

    def _embed(self, video: Video, shots: Sequence[Shot], source: Source) -> FloatArray:
        """(N, D) embeddings of the shots' keyframes, as ingest would make them."""
        with FrameEmbedder(self.encoder) as embedder:
            for frame in self._frames(video, shots, source):
                self._check_stop()
                embedder.add(frame.seconds, frame.image)
                self.pace.tell("reindex", video.name, inside_seconds=frame.seconds)
            return embedder.finish().at([shot.keyframe_seconds for shot in shots])

    def _frames(self, video: Video, shots: Sequence[Shot], source: Source) -> Iterator[Frame]:
        if source == "keyframes":
            return kept_keyframes(self.catalog, shots)
        check_film(video, limits=self.limits, should_stop=self.should_stop)
        return film_keyframes(video.path, shots, limits=self.limits, should_stop=self.should_stop)

    def _store(self, shots: Sequence[Shot], vectors: FloatArray, source: Source) -> None:
        _, scenes = group_scenes(shots, vectors)
        row = SetRow(
            video_id=shots[0].video_id,
            first_shot_id=shots[0].shot_id,
            vectors=np.ascontiguousarray(vectors),
            scene_starts=[scene.first_shot for scene in scenes],
            source=source,
        )
        if self.catalog.add_to_set(self.encoder.id, row):  # else the film went or was read again
            self.num_embedded += len(shots)
            self.sources[source] += 1

    def _check_stop(self) -> None:
        if self.should_stop is not None and self.should_stop():
            raise OperationCancelled("stopped between two keyframes")


def _prune(catalog: Catalog) -> tuple[EncoderId, ...]:
    """Forget all sets but the one in use, with what was derived from them."""
    others = [one.encoder for one in catalog.vector_sets() if not one.is_used]
    for encoder in others:
        catalog.drop_set(encoder)
        for path in (catalog.library / "index").glob(f"shots-{encoder.hash[:12]}-*"):
            path.unlink(missing_ok=True)
        _forget_texts(catalog.library, encoder)
    return tuple(others)


def _forget_texts(library: Path, encoder: EncoderId) -> None:
    """Delete what the encoder made of subtitles (see `lesson_rows`); it is only a cache."""
    shutil.rmtree(library / "cache" / "shot-texts" / encoder.hash[:16], ignore_errors=True)
