"""Copy match: which segments of the library's films a file shows, aligned on both sides.

In steps, each cheaper than the next would be without it. The query is decoded at two frames a
second and described, whole and in frames found within it (`match_query`); nearest reference frames
say which videos to compare it with (`match_candidates`); an aligner finds runs in step with them
(`match_aligners`); there the reference's file is opened and pictures are compared (`match_verify`).
Sound is matched beside, and each match gets the probability that it is a copy
(`match_calibration`).
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.match_aligners import create_aligner
from retrieval.match_calibration import load_calibration
from retrieval.match_evidence import EvidenceScale
from retrieval.match_finder import Finder, least_score
from retrieval.match_finds import Find, to_matches, without_repeats
from retrieval.match_query import QueryPictures
from retrieval.match_reading import Suspect, open_suspect
from retrieval.match_stills import Still
from retrieval.match_views import QueryView
from retrieval.sound_print import PRINT_VERSION
from retrieval.types import Box, Match, MatchResult, Progress, ProgressCallback, Video

if TYPE_CHECKING:
    from retrieval.encoders.copy_base import CopyEncoder
    from retrieval.media.limits import MediaLimits
    from retrieval.sound_match import SoundMatch
    from retrieval.vectors import FrameVectors

__all__ = ["match"]

SHORT_SECONDS = 2.0
MAX_NAMES = 3
MOST = 0.8
"""Share of a query shorter than the least length that a match must have: its ends are rough."""

SoundMatcher = Callable[[Path, float], "list[SoundMatch] | None"]
"""From a query's path and the least seconds to what its sound matches; None for silence."""


def match(
    query: Path,
    *,
    catalog: Catalog,
    encoder: "CopyEncoder",
    vectors: "FrameVectors",
    limits: "MediaLimits",
    min_score: float = 0.5,
    min_seconds: float = 2.0,
    video: str | None = None,
    aligner: str | None = None,
    sounds: SoundMatcher | None = None,
    on_finds: Callable[[Sequence[Find]], None] | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """Find segments of the library's films in a file.

    Args:
        query: A film, a sound file or a still image; it need not be in the library.
        catalog: The library.
        encoder: What its frames were described with.
        vectors: Its frames' descriptors and their index.
        limits: Bounds on the query.
        min_score: Least probability of a match, in [0, 1], with videos that have no threshold of
            their own.
        min_seconds: Least length of the query side of a match; a query that is shorter itself
            may match with most of it, and a very short one with any part.
        video: Look only for this video (id, start of an id, path or file name).
        aligner: Name of the temporal aligner; None for the default.
        sounds: Matches the sound; None to look at pictures alone.
        on_finds: Given what pictures say, down to the least likely, for calibration.
        progress: Told in seconds of the query, then in places looked at.
        should_stop: Asked often.

    Returns:
        The matches, best first; those of one video do not overlap by more than half. Parts that
        cannot be decoded are named, and do not hinder the rest.

    Raises:
        InvalidInputError: A value out of range.
        NotFoundError: The query or video does not exist, or the library is empty.
        MediaError: The query cannot be read at all.
        OperationCancelled: `should_stop` said so.
    """
    if not 0.0 <= min_score <= 1.0:
        raise InvalidInputError(f"got min_score = {min_score}, expected 0 to 1")
    if not (math.isfinite(min_seconds) and min_seconds >= 0.0):
        raise InvalidInputError(f"got min_seconds = {min_seconds}, expected 0 or more")
    video_id = None if video is None else catalog.resolve_video(video).video_id
    if video_id is None and catalog.totals().num_videos == 0:
        raise NotFoundError(
            f"the library {catalog.library} holds no videos yet; add some with "
            "`sceneprint ingest PATH`"
        )
    suspect = open_suspect(query, limits=limits)
    report = _Reporter(query.name, progress, should_stop)
    finder = Finder(
        catalog=catalog,
        vectors=vectors,
        encoder_id=encoder.id,
        run=encoder.encode_pictures,
        scale=EvidenceScale.of(encoder),
        calibration=load_calibration(),
        aligner=create_aligner() if aligner is None else create_aligner(aligner),
        limits=limits,
        video_id=video_id,
        min_score=0.0 if on_finds is not None else min_score,
    )
    run = _Run(suspect, finder, encoder, report)
    run.pictures()
    if on_finds is not None:
        on_finds(finder.finds)
    least = _least_seconds(suspect, min_seconds)
    run.sounds(sounds, least, catalog, video_id)
    if sounds is not None:
        run.note_incomplete(catalog, video_id)
    return run.result(min_score=min_score, min_seconds=least)


def _least_seconds(suspect: Suspect, wanted: float) -> float:
    """The length that is asked for; a suspect that is shorter may match with most of it."""
    length = suspect.duration_seconds
    if length <= SHORT_SECONDS:
        return 0.0
    return wanted if length >= wanted else MOST * length


@dataclass
class _Reporter:
    """Passes progress on and stops when asked to."""

    item: str
    progress: ProgressCallback | None
    should_stop: Callable[[], bool] | None
    started: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: float, total: float, unit: str) -> None:
        if self.should_stop is not None and self.should_stop():
            raise OperationCancelled(f"stopped while matching {self.item}")
        if self.progress is not None:
            elapsed = time.monotonic() - self.started
            speed = done / elapsed if unit == "s" and elapsed > 0 else None
            left = elapsed * (total - done) / done if done > 0 else None
            self.progress(
                Progress(
                    stage, self.item, done, total, unit, elapsed, speed=speed, eta_seconds=left
                )
            )

    def places(self, done: int, total: int) -> None:
        """Report places looked at."""
        self("match", done, total, "places")


class _Run:
    """One match, from reading the suspect to its result."""

    def __init__(
        self, suspect: Suspect, finder: Finder, encoder: "CopyEncoder", report: _Reporter
    ) -> None:
        self._suspect, self._finder, self._report = suspect, finder, report
        self._encoder = encoder
        self._notes: list[str] = []
        self._bars: dict[int, Box | None] = {}
        self._shown: list[Match] = []
        self._heard: list[tuple[Video, SoundMatch]] = []

    def pictures(self) -> None:
        """Look at the pictures: whole, and in the frames found within them."""
        if not self._suspect.has_picture:
            self._notes.append("there is no picture: only the sound was compared")
            return
        if self._suspect.is_still:
            self._still()
            return
        kept = QueryPictures(self._encoder.encode_pictures)
        try:
            views = self._read(kept)
            self._note_pictures(views[0])
            self._finder.look(views, self._report.places)
            self._finder.finds = without_repeats(self._finder.finds)
            self._bars = {
                place: kept.bars_at(find.segment.start_seconds)
                for place, find in enumerate(self._finder.finds)
            }
        finally:
            kept.close()

    def _still(self) -> None:
        """Look for single frames that show the picture."""
        (frame,) = self._suspect.frames(self._report.should_stop)
        still = Still.of(frame.image, self._encoder.encode_pictures)
        self._note_pictures(still.view)
        self._shown = self._finder.still(self._suspect.path, still)

    def sounds(
        self, matcher: "SoundMatcher | None", min_seconds: float, catalog: Catalog, only: str | None
    ) -> None:
        """Match the sound, where there is any."""
        info = self._suspect.info
        if matcher is None or info is None or not info.has_sound:
            if info is not None and not info.has_picture:
                self._notes.append("the sound was not compared")
            return
        self._report("match", 0, 0, "sound")
        found = matcher(self._suspect.path, min_seconds)
        if found is None:
            self._notes.append("the sound is silent throughout")
            return
        for item in found:
            if only is None or item.video_id == only:
                with suppress(NotFoundError):  # removed meanwhile
                    self._heard.append((catalog.video(item.video_id), item))

    def note_incomplete(self, catalog: Catalog, only: str | None) -> None:
        """Name films that an earlier version ingested, whose copies cannot all be found."""
        without = catalog.videos_without_copies(sound_print_version=PRINT_VERSION)
        names = [video.name for video in without if only in (None, video.video_id)]
        if names:
            more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            self._notes.append(
                f"not compared whole, ingest again: {', '.join(names[:MAX_NAMES])}{more}"
            )

    def result(self, *, min_score: float, min_seconds: float) -> MatchResult:
        """All that was found, as asked for."""
        suspect = self._suspect
        matches = to_matches(
            suspect.path,
            self._finder.finds,
            self._heard,
            duration_seconds=suspect.duration_seconds,
            bars=self._bars,
            calibration=load_calibration(),
        )
        matches += self._shown
        sure = [item for item in matches if item.score >= least_score(item.ref_video, min_score)]
        self._notes += _held_back(matches, min_score)
        shown = [item for item in sure if item.query_segment.duration_seconds >= min_seconds - 1e-6]
        if sure and not shown:
            self._notes.append(_too_short(len(sure), min_seconds))
        return MatchResult(
            suspect.path,
            suspect.duration_seconds,
            tuple(shown),
            unreadable=tuple(suspect.unreadable),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _read(self, kept: QueryPictures) -> list[QueryView]:
        total = self._suspect.duration_seconds
        for number, frame in enumerate(self._suspect.frames(self._report.should_stop)):
            if number % 8 == 0:
                self._report("decode", frame.seconds, max(total, frame.seconds), "s")
            kept.add(frame)
        return kept.finish()

    def _note_pictures(self, plain: QueryView) -> None:
        """Say what a person should know about the suspect."""
        if self._suspect.is_still:
            self._notes.append(
                "the query is a still image: a match rests on one picture, and with a crop or a "
                "caption about half are not found; `sceneprint search --image` ranks "
                "the shots alike"
            )
        elif self._suspect.duration_seconds < SHORT_SECONDS:
            self._notes.append(
                f"the query is only {self._suspect.duration_seconds:.1f} s long: a match rests on "
                f"{len(plain)} frames"
            )
        if not plain.layouts(slice(None)).any():
            self._notes.append("the picture is black or one even tone throughout")
        elif plain.is_plain.all():
            self._notes.append("the picture shows next to nothing throughout")
        if self._suspect.unreadable:
            lost = sum(part.duration_seconds for part in self._suspect.unreadable)
            self._notes.append(f"{lost:.1f} s of the query could not be decoded")


def _too_short(count: int, min_seconds: float) -> str:
    """Why nothing is shown although something was found."""
    found = "1 match is" if count == 1 else f"{count} matches are"
    return f"{found} left out, shorter than the least length of {min_seconds:g} s"


def _held_back(matches: Sequence[Match], min_score: float) -> list[str]:
    """Say which films' own thresholds leave matches out that would be shown without them."""
    names = {
        item.ref_video.name: item.ref_video.match_threshold
        for item in matches
        if item.ref_video.match_threshold is not None
        and min_score <= item.score < item.ref_video.match_threshold
    }
    return [
        f"matches with {name} are left out below its own threshold of {threshold:g}"
        for name, threshold in sorted(names.items())
    ]
