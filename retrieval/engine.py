"""The one door of the core: command line, HTTP, UI and eval call these methods and nothing below.

An Engine stands on one library directory (`catalog.sqlite3`, derived `index/` and `cache/`). It
opens the catalog at once and everything heavy (encoder, vector indexes, FFmpeg) on first use;
reads may come from several threads, and one writer at a time may ingest or remove.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.engine_reading import EngineReading
from retrieval.library_info import LibraryInfo
from retrieval.types import (
    Classification,
    Hit,
    IngestSummary,
    Match,
    MatchResult,
    ProgressCallback,
    ShotMode,
    Unit,
    Video,
)

if TYPE_CHECKING:
    from retrieval.banks import BankInfo
    from retrieval.classify import LabelGroup
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.label_book import LabelBook
    from retrieval.label_desk import LabelDesk
    from retrieval.match_frames import FramePair
    from retrieval.match_matrix import MatchMatrix
    from retrieval.reindex import ReindexSummary
    from retrieval.teach import Lesson, TaughtShot

__all__ = ["Engine", "LibraryInfo"]

logger = logging.getLogger(__name__)


class Engine(EngineReading):
    """Ingest, search, match and classify over one library.

    Args:
        library: Directory of the library.
        encoder: A loaded encoder, or a name for the encoder registry (`builtin`), which a library
            of another refuses; None for that of the library, `builtin` for a new one.
        copy_encoder: What describes frames for copy matching: a loaded one, or a name for its
            registry; `builtin` is the second output of `encoder` where it has one, else that of
            the shipped encoder.
        sound_encoder: What embeds the shots' sound: a loaded one, or a name for its registry.
        index: Name of the vector index backend (`faiss`, `exact`).
        limits: Bounds on media files; None for the defaults.
        runtime: What runs the encoder: `auto` (its own choice), `onnxruntime`, `openvino`.
        device: `cpu`, `cuda`, `tensorrt` or `auto`.
        create: Make the library where it does not exist.

    Raises:
        NotFoundError: There is no library and `create` is False.
        CatalogError: The library cannot be read.
    """

    # --- the four verbs

    def ingest(
        self,
        paths: Sequence[Path],
        *,
        shots: ShotMode = "fast",
        detector: str = "sync",
        at_once: int = 1,
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> IngestSummary:
        """Bring files and folders into the library; see `retrieval.ingest`.

        Errors of single files are outcomes in the summary; a stopped ingest keeps the finished
        videos and says `was_cancelled`.

        Raises:
            NotFoundError: A named path does not exist.
            CatalogError: The library cannot be written (busy, disk full).
            EncoderMismatchError: The library was made with another encoder.
        """
        from retrieval.ingest import ingest

        return ingest(
            paths,
            catalog=self.catalog,
            load_encoder=lambda: self.encoder,
            load_copy_encoder=lambda: self.copy_encoder,
            load_sound_encoder=lambda: self.sound_encoder,
            limits=self.limits,
            shots=shots,
            detector=detector,
            at_once=at_once,
            progress=progress,
            should_stop=should_stop,
        )

    def search(
        self,
        *,
        text: str | None = None,
        image: NDArray[np.uint8] | None = None,
        clip: Path | None = None,
        sound: Path | None = None,
        k: int = 10,
        min_score: float | None = None,
        video: str | None = None,
        unit: Unit = "shot",
        offset: int = 0,
    ) -> list[Hit]:
        """Rank shots or scenes by text, image `(H, W, 3) uint8 RGB`, clip and sound.

        Several parts at once are fused. `video` (id, path or unique name) restricts the search,
        `min_score` is a bound on the score shown.

        Raises:
            InvalidInputError: No query part, or a value out of range.
            NotFoundError: `video`, `clip` or `sound` does not exist.
            MediaError: `clip` or `sound` cannot be read.
            EncoderMismatchError: The library was made with another encoder.
        """
        from retrieval.search import SearchQuery, search

        query = SearchQuery(
            text=text,
            image=image,
            clip=clip,
            sound=sound,
            k=k,
            min_score=min_score,
            video=video,
            unit=unit,
            offset=offset,
        )
        return self._in_use.answer(
            lambda sight: search(
                query,
                catalog=self.catalog,
                encoder=sight.encoder,
                vectors=sight.vectors,
                sounds=self.sound_search,
                limits=self.limits,
            )
        )

    def match(
        self,
        query: Path,
        *,
        min_score: float = 0.5,
        min_seconds: float = 2.0,
        video: str | None = None,
        banks: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> MatchResult:
        """Find segments of the library's films in the file `query`; see `retrieval.match`.

        The query is read once for all. What the `banks` of known non-matches explain is left out:
        all of them for None, none for an empty list.

        Raises:
            InvalidInputError: A value out of range.
            NotFoundError: `query`, `video` or a bank does not exist.
            MediaError: `query` cannot be read.
            EncoderMismatchError: The library was made with another encoder.
            OperationCancelled: `should_stop` said so.
        """
        from retrieval.banks import chosen_banks, without_known
        from retrieval.match_description import describe_query

        names = chosen_banks(self.library, banks)
        describe = cache(
            partial(
                describe_query,
                query,
                encoder=self.copy_encoder,
                limits=self.limits,
                progress=progress,
                should_stop=should_stop,
            )
        )
        options: dict[str, Any] = {
            "describe": describe,
            "min_seconds": min_seconds,
            "should_stop": should_stop,
        }
        found = self._match(query, min_score=min_score, video=video, progress=progress, **options)
        known = {}
        for name in names if found.matches else ():
            with self.bank(name) as bank:
                if bank.catalog.totals().num_videos:
                    known[name] = bank._match(query, **options).matches
        return without_known(found, known)

    def _match(self, query: Path, **options: Any) -> MatchResult:
        """Match a query with this library alone."""
        from retrieval.match import match

        return match(
            query,
            catalog=self.catalog,
            encoder=self.copy_encoder,
            vectors=self.frame_vectors,
            limits=self.limits,
            sounds=partial(self.library_sounds.find, should_stop=options["should_stop"]),
            **options,
        )

    def classify(
        self,
        path: Path | str | None = None,
        *,
        image: NDArray[np.uint8] | None = None,
        text: str | None = None,
        groups: "Sequence[LabelGroup] | None" = None,
        per: Literal["shot", "video"] = "shot",
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[Classification]:
        """Score label groups over a film, a still or a text, zero-shot; see `retrieval.classify`.

        `path` is a media file (in the library or not) or the id of a library video; `image` and
        `text` may come together and then decide together. `groups` None means the shipped groups.

        Raises:
            InvalidInputError: Nothing, or too much, to classify, or bad groups.
            NotFoundError: `path` is neither a file nor a video of the library.
            MediaError: `path` cannot be read.
            OperationCancelled: `should_stop` said so.
        """
        from retrieval.classify import classify

        return classify(
            path,
            image=image,
            text=text,
            groups=groups,
            per=per,
            catalog=self.catalog,
            encoder=self.encoder,
            limits=self.limits,
            progress=progress,
            should_stop=should_stop,
        )

    def annotations(
        self, classifications: Sequence[Classification], *, source: Path | str | None = None
    ) -> list[dict[str, Any]]:
        """Give classifications in the annotation format, one record a segment.

        Each is `{"frame_id", "scene_type", "audio_emotion", "text_description"}`; see
        `retrieval.annotations`. `source` is what was classified; it gives the frame rate and,
        for a video of the library, the subtitles.
        """
        from retrieval.annotations import annotations

        return annotations(classifications, source=source, catalog=self.catalog)

    def reindex(self, encoder: "PictureTextEncoder | str", **options: Any) -> "ReindexSummary":
        """Change the library to another encoder; see `retrieval.reindex.reindex`."""
        from retrieval.reindex import reindex

        loaded = self._load_encoder(encoder) if isinstance(encoder, str) else encoder
        return reindex(loaded, catalog=self.catalog, limits=self.limits, **options)

    def remove(self, key: str) -> Video:
        """Forget a video; its file stays where it is. Returns what was removed."""
        video = self.video(key)
        self.catalog.remove_video(video.video_id)
        return video

    # --- evidence for a match

    def match_matrix(
        self,
        match: Match,
        *,
        query_seconds: float,
        should_stop: Callable[[], bool] | None = None,
    ) -> "MatchMatrix":
        """Compare all frames around a match, for a picture; see `retrieval.match_matrix`.

        Raises:
            NotFoundError: The query or the video's file is not where it was.
            MediaError: One of them has no picture there.
            OperationCancelled: `should_stop` said so.
        """
        from retrieval.match_matrix import match_matrix

        return match_matrix(
            match,
            query_seconds=query_seconds,
            encode=self.copy_encoder.encode_pictures,
            limits=self.limits,
            should_stop=should_stop,
        )

    def match_frames(self, match: Match) -> "list[FramePair]":
        """Decode the frame pairs of a match; a side that cannot be read is None."""
        from retrieval.match_frames import match_frames

        return match_frames(match, limits=self.limits)

    @property
    def labels(self) -> "LabelBook":
        """The labels that people gave to its films: import, list, export, check, remove."""
        from retrieval.label_book import LabelBook

        return LabelBook(self.catalog, limits=self.limits)

    @cached_property
    def label_desk(self) -> "LabelDesk":
        """Labels by hand, and which shots to label next."""
        from retrieval.label_desk import LabelDesk

        return LabelDesk(self.catalog, load_encoder=lambda: self.encoder)

    def teach(self, name: str, group: str, **options: Any) -> "Lesson":
        """Learn a label group's classes from its labelled shots; see `retrieval.teach.teach`."""
        from retrieval.teach import teach

        return teach(name, group, catalog=self.catalog, encoder=self.encoder, **options)

    def apply_adapter(self, name: str, film: Path | str, **options: Any) -> "list[TaughtShot]":
        """Score a film's shots with a taught adapter; see `retrieval.taught.apply_adapter`."""
        from retrieval.taught import apply_adapter

        options |= {"catalog": self.catalog, "encoder": self.encoder, "limits": self.limits}
        options |= {"load_sound_encoder": lambda: self.sound_encoder}
        return apply_adapter(name, film, **options)

    def judge_still(
        self, name: str, image: NDArray[np.uint8], *, text: str | None = None
    ) -> "TaughtShot":
        """Score a still with a taught adapter; see `retrieval.taught.judge_still`."""
        from retrieval.taught import judge_still

        return judge_still(name, image, text=text, catalog=self.catalog, encoder=self.encoder)

    # --- banks of known non-matches

    def bank(self, name: str, *, create: bool = False) -> "Engine":
        """Open a bank, a small library; the caller closes it.

        A new one gets the encoder of this library. One that is there keeps its own: a bank is
        matched, and what search goes by does not matter to that.

        Raises:
            InvalidInputError: The name is not one.
            NotFoundError: There is no such bank and `create` is False.
        """
        from retrieval.banks import bank_path, chosen_banks

        path = bank_path(self.library, name)
        if not create:
            chosen_banks(self.library, [name])
        bank = Engine(
            path,
            copy_encoder=self._copy_encoder or self._copy_encoder_spec,
            sound_encoder=self._sound_encoder or self._sound_encoder_spec,
            index=self._index,
            limits=self._limits,
            runtime=self._runtime,
            device=self._device,
            create=create,
        )
        bank._in_use = self._in_use.for_bank(bank.catalog)
        return bank

    def remove_bank(self, name: str) -> "BankInfo":
        """Delete a bank; the files it was made from stay. Returns what it held.

        Raises:
            NotFoundError: There is no such bank.
        """
        from retrieval.banks import remove_bank

        return remove_bank(self.library, name)
