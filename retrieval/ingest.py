"""Ingest: files and folders into the library, each film in one transaction.

For each file the cheapest question comes first: is it known by its place, size and time; is its
content known (then it was moved, or is a copy); only what is new is decoded. A video goes into the
catalog whole or not at all, so an ingest may be stopped or killed at any moment and started again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from retrieval.catalog import Catalog, VideoRecord
from retrieval.errors import (
    CatalogError,
    EncoderMismatchError,
    InvalidInputError,
    MediaError,
    MissingDependencyError,
    NotFoundError,
    OperationCancelled,
    SceneprintError,
)
from retrieval.ingest_record import FileTask, make_record
from retrieval.ingest_scan import scan
from retrieval.ingest_subtitles import SubtitleFolders
from retrieval.listening import listening
from retrieval.media.detectors import create_detector
from retrieval.media.hashing import content_id
from retrieval.media.info import MediaInfo
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe
from retrieval.pace import Pace
from retrieval.reading import read_film
from retrieval.side_by_side import side_by_side
from retrieval.sound_print import PRINT_VERSION
from retrieval.types import (
    IngestOutcome,
    IngestSummary,
    Progress,
    ProgressCallback,
    ShotMode,
    Video,
)

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder, SoundEncoder
    from retrieval.encoders.copy_base import CopyEncoder

__all__ = ["ingest"]

logger = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")
Status = Literal["added", "unchanged", "moved", "replaced", "skipped", "failed"]
MAX_AT_ONCE = 64
STOPPING = (CatalogError, EncoderMismatchError, MissingDependencyError, OperationCancelled)
"""Errors that are not of one file: the next file would meet them too."""


def ingest(
    paths: Sequence[Path],
    *,
    catalog: Catalog,
    load_encoder: "Callable[[], PictureTextEncoder]",
    load_copy_encoder: "Callable[[], CopyEncoder]",
    load_sound_encoder: "Callable[[], SoundEncoder] | None" = None,
    limits: MediaLimits,
    shots: ShotMode = "fast",
    detector: str = "sync",
    at_once: int = 1,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> IngestSummary:
    """Bring files and folders into the library.

    Args:
        paths: Files and folders.
        catalog: The library.
        load_encoder: Gives the encoder; called when there is something to encode.
        load_copy_encoder: Gives the copy encoder, likewise.
        load_sound_encoder: Gives the sound encoder, likewise; None leaves the sound of shots out.
        limits: Bounds on each file.
        shots: `fast` reads sync frames and finds most cuts; `precise` decodes everything once. A
            video that is known from a fast ingest is read again for a precise one, and so is
            one from before films were described and listened to.
        detector: Name of the shot detector.
        at_once: Files that are read at the same time. Each takes the memory of its own decoder;
            the encoders are shared.
        progress: Told seconds of film over all files, with speed and time left.
        should_stop: Asked often, also inside a file.

    Returns:
        One outcome a file. A stopped ingest says so and keeps what was finished; it goes on where
        it stopped when it is called again.

    Raises:
        NotFoundError: A named path does not exist.
        InvalidInputError: There is no such mode or detector, or `at_once` is out of range.
        MissingDependencyError: The detector needs an extra.
        CatalogError: The library cannot be written (another process writes, the disk is full).
        EncoderMismatchError: The library was made with another encoder.
    """
    if shots not in ("fast", "precise"):
        raise InvalidInputError(f"got shots = {shots!r}, expected 'fast' or 'precise'")
    if not 1 <= at_once <= MAX_AT_ONCE:
        raise InvalidInputError(f"got at_once = {at_once}, expected 1 to {MAX_AT_ONCE}")
    create_detector(detector)  # an unknown or missing one is no fault of any file
    encoders = load_encoder, load_copy_encoder, load_sound_encoder
    run = _Run(catalog, *encoders, limits, shots, detector, at_once, progress, should_stop)
    found = scan(paths, library=catalog.library)
    run.outcomes += found.outcomes
    was_cancelled = False
    with catalog.writing():
        try:
            run.all(found.files)
        except OperationCancelled:
            was_cancelled = True
    return IngestSummary(
        outcomes=tuple(run.outcomes),
        wall_seconds=time.monotonic() - run.started,
        was_cancelled=was_cancelled,
        extra={"ignored": dict(found.ignored), "media_seconds": run.pace.read_seconds},
    )


@dataclass(frozen=True)
class _Reading:
    """What was read of a file.

    Attributes:
        video_id: Of its content.
        record: For the catalog; None where the content was known already.
        wall_seconds: Spent on it.
    """

    video_id: str
    record: VideoRecord | None
    wall_seconds: float


@dataclass
class _Run:
    """One ingest."""

    catalog: Catalog
    load_encoder: "Callable[[], PictureTextEncoder]"
    load_copy_encoder: "Callable[[], CopyEncoder]"
    load_sound_encoder: "Callable[[], SoundEncoder] | None"
    limits: MediaLimits
    shots: ShotMode
    detector: str
    at_once: int
    progress: ProgressCallback | None
    asked_to_stop: Callable[[], bool] | None
    is_over: threading.Event = field(default_factory=threading.Event)
    """Set when one file's error ends all, for those that are read beside it."""
    outcomes: list[IngestOutcome] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    pace: Pace = field(init=False)
    subtitles: SubtitleFolders = field(init=False)
    incomplete: set[str] = field(init=False)
    """Videos from before there were copy descriptors, sound prints or embeddings of sound."""

    def __post_init__(self) -> None:
        self.pace = Pace(self.progress, self.started)
        self.subtitles = SubtitleFolders(self.catalog)
        without = self.catalog.videos_without_copies(sound_print_version=PRINT_VERSION)
        if self.load_sound_encoder is not None:
            without += self.catalog.videos_without_sounds()
        self.incomplete = {video.video_id for video in without}

    def all(self, files: Sequence[Path]) -> None:
        """Look at every file, then work on those that are not known."""
        tasks = []
        for file in files:
            self._check_stop()
            task = self._guarded(file, partial(self._look, file))
            if task is not None:
                tasks.append(task)
                self.pace.total_seconds += task.info.duration_seconds
        self.pace.started = time.monotonic()  # speed and time left are those of the real work
        results = side_by_side(self._read, self._in_turn(tasks), at_once=self.at_once)
        try:
            for task, read in results:
                self._guarded(task.path, partial(self._keep, task, read))
                self.pace.finish("ingest", task.path.name, task.info.duration_seconds)
        finally:
            self.is_over.set()
            results.close()  # waits for what is in work

    def should_stop(self) -> bool:
        """Whether to stop, by whoever asked for it."""
        return self.is_over.is_set() or (self.asked_to_stop is not None and self.asked_to_stop())

    def _in_turn(self, tasks: Sequence[FileTask]) -> Iterator[FileTask]:
        for task in tasks:
            self._check_stop()
            self.pace.tell("ingest", task.path.name)
            yield task

    def _check_stop(self) -> None:
        if self.should_stop():
            raise OperationCancelled("stopped between two files")

    def _guarded(self, file: Path, work: Callable[[], FileTask | None]) -> FileTask | None:
        """Do one file's work; what goes wrong with the file becomes its outcome."""
        try:
            return work()
        except STOPPING:
            raise
        except _LoadError as exc:  # no fault of any file
            raise exc.reason from exc
        except SceneprintError as exc:
            self._add(file, "failed", reason=str(exc))
        except OSError as exc:
            self._add(file, "failed", reason=f"{file.name} cannot be read: {exc.strerror or exc}")
        except Exception as exc:  # one file's surprise must not end the others' ingest
            logger.exception("unexpected error at %s", file)
            reason = f"unexpected {type(exc).__name__} at {file.name}: {exc}; please report it"
            self._add(file, "failed", reason=reason)
        return None

    def _look(self, file: Path) -> FileTask | None:
        """Done with a file that was not touched since it was ingested; else probe it."""
        stat = file.stat()
        known = self.catalog.find_by_stat(file, stat.st_size, stat.st_mtime_ns)
        if known is not None and self._is_enough(known):
            self._add_known(file, "unchanged", known)
            return None
        self.pace.tell("scan", file.name)
        return FileTask(file, stat.st_size, stat.st_mtime_ns, probe(file, limits=self.limits))

    def _read(self, task: FileTask) -> _Reading:
        """Read a file that is not known by its place, unless its content is known."""
        started = time.monotonic()
        video_id = content_id(task.path, limits=self.limits, should_stop=self.should_stop)
        known = self._video(video_id)
        is_known = known is not None and self._is_enough(known)
        record = None if is_known else self._record(task, video_id)
        return _Reading(video_id, record, time.monotonic() - started)

    def _keep(self, task: FileTask, done: Future[_Reading]) -> None:
        """Bring what was read of a file into the catalog."""
        read = done.result()
        known = self._video(read.video_id)
        if known is not None and self._is_enough(known):
            self._known_content(task, known)  # perhaps since a moment ago, from a file beside it
            return
        record = read.record or self._record(task, read.video_id)
        before = known or self.catalog.find_by_path(task.path)
        _refuse_changed(task)
        self.catalog.add_video(record)
        self.incomplete.discard(read.video_id)
        self.pace.read_seconds += task.info.duration_seconds
        self._add(
            task.path,
            "added" if before is None else "replaced",
            record.video,
            media_seconds=task.info.duration_seconds,
            wall_seconds=read.wall_seconds,
        )

    def _known_content(self, task: FileTask, known: Video) -> None:
        """The same content is in the library: the file moved, was touched, or is a copy."""
        path = known.path
        if path != task.path and _is_still(path, known):
            reason = f"the same content as {path}, which is in the library"
            self._add(task.path, "skipped", known, reason=reason)
            return
        overwritten = self.catalog.find_by_path(task.path)
        if overwritten is not None and overwritten.video_id != known.video_id:
            self.catalog.remove_video(overwritten.video_id)
        self.catalog.relocate_video(known.video_id, task.path, task.size_bytes, task.modified_ns)
        self._add_known(task.path, "unchanged" if path == task.path else "moved", known)

    def _add_known(self, file: Path, status: Status, known: Video) -> None:
        """A film that need not be read again; its subtitle files may have changed."""
        done = self.subtitles.refresh(known, file)
        told = "replaced" if done is not None and status == "unchanged" else status
        self._add(file, told, known, reason=done)

    def _record(self, task: FileTask, video_id: str) -> VideoRecord:
        encoder, copy_encoder = _loaded(self.load_encoder), _loaded(self.load_copy_encoder)
        self.catalog.shot_vectors(encoder.id, video_id)  # refuses another encoder before the work
        self.catalog.frames(copy_encoder.id, video_id)
        sound_encoder = self._sound_encoder(task.info)
        if sound_encoder is not None:
            self.catalog.shot_sounds(sound_encoder.id, video_id)

        def pass_on(report: Progress) -> None:
            self.pace.tell("ingest", task.path.name, inside_seconds=report.done)

        with listening(
            task.path,
            task.info,
            encoder=sound_encoder,
            limits=self.limits,
            should_stop=self.should_stop,
        ) as heard:
            film = read_film(
                task.path,
                encoder=encoder,
                copy_encoder=copy_encoder,
                limits=self.limits,
                info=task.info,
                video_id=video_id,
                shots=self.shots,
                detector=self.detector,
                progress=pass_on,
                should_stop=self.should_stop,
            )
            sound = heard()
        heard_by = None if sound_encoder is None else sound_encoder.id
        ids = encoder.id, copy_encoder.id, heard_by
        return make_record(task, film, sound, video_id=video_id, encoders=ids, mode=self.shots)

    def _sound_encoder(self, info: MediaInfo) -> "SoundEncoder | None":
        """The sound encoder, where there is sound for it."""
        if self.load_sound_encoder is None or info.audio_codec is None:
            return None
        return _loaded(self.load_sound_encoder)

    def _video(self, video_id: str) -> Video | None:
        try:
            return self.catalog.video(video_id)
        except NotFoundError:
            return None

    def _is_enough(self, known: Video) -> bool:
        """Whether what the library holds of a video is all that this ingest would store."""
        is_coarse = self.shots == "precise" and known.shot_mode == "fast" and known.has_picture
        return not is_coarse and known.video_id not in self.incomplete

    def _add(
        self,
        path: Path,
        status: Status,
        video: Video | None = None,
        *,
        reason: str | None = None,
        media_seconds: float = 0.0,
        wall_seconds: float = 0.0,
    ) -> None:
        self.outcomes.append(
            IngestOutcome(
                path=path,
                status=status,
                video_id=None if video is None else video.video_id,
                reason=reason,
                warnings=() if video is None or status == "unchanged" else video.warnings,
                media_seconds=media_seconds,
                wall_seconds=wall_seconds,
            )
        )


class _LoadError(Exception):
    """An encoder cannot be loaded; the reason is for whoever asked for it."""

    def __init__(self, reason: SceneprintError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _loaded(load: Callable[[], Loaded]) -> Loaded:
    try:
        return load()
    except SceneprintError as exc:
        raise _LoadError(exc) from exc


def _refuse_changed(task: FileTask) -> None:
    """A file that was written while it was read is no film yet.

    Raises:
        MediaError: Its size or time is not what it was.
    """
    stat = task.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (task.size_bytes, task.modified_ns):
        raise MediaError(
            f"{task.path.name} changed while it was read; ingest it when it is complete"
        )


def _is_still(path: Path, known: Video) -> bool:
    """Whether a known video's file is where it was, as far as its size tells."""
    try:
        return path.stat().st_size == known.size_bytes
    except OSError:
        return False
