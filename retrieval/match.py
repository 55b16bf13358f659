"""Copy match: which segments of the library's films a file shows, aligned on both sides.

In steps, each cheaper than the next would be without it. The query is decoded at two frames a
second and described, whole and in frames found within it (`match_query`); nearest reference frames
say which videos to compare it with (`match_candidates`); an aligner finds runs in step with them
(`match_aligners`); there the reference's file is opened and pictures are compared (`match_verify`).
Sound is matched beside, and each match gets the probability that it is a copy
(`match_calibration`).
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.match_aligners import create_aligner
from retrieval.match_calibration import load_calibration
from retrieval.match_description import MatchReporter, QueryDescription, describe_query
from retrieval.match_evidence import EvidenceScale
from retrieval.match_finder import Finder, least_score
from retrieval.match_finds import Find, to_matches, without_repeats
from retrieval.match_reading import Suspect
from retrieval.match_views import QueryView
from retrieval.sound_print import PRINT_VERSION, SoundPrint
from retrieval.types import Match, MatchResult, ProgressCallback, Video

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

SoundMatcher = Callable[[SoundPrint, float], "list[SoundMatch]"]
"""From a query's sound and the least seconds to what it matches."""


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
    describe: Callable[[], QueryDescription] | None = None,
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
        describe: Gives what was read of the query where it is matched more than once; None to
            read it here.
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
    if describe is None:
        describe = partial(
            describe_query,
            query,
            encoder=encoder,
            limits=limits,
            listens=sounds is not None,
            progress=progress,
            should_stop=should_stop,
        )
    described = describe()
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
    run = _Run(described, finder, MatchReporter(query.name, progress, should_stop))
    run.pictures()
    if on_finds is not None:
        on_finds(finder.finds)
    least = _least_seconds(described.suspect, min_seconds)
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


class _Run:
    """One match, from a described query to its result."""

    def __init__(self, query: QueryDescription, finder: Finder, report: MatchReporter) -> None:
        self._query, self._finder, self._report = query, finder, report
        self._notes: list[str] = []
        self._shown: list[Match] = []
        self._heard: list[tuple[Video, SoundMatch]] = []

    def pictures(self) -> None:
        """Look for the pictures: whole, and in the frames found within them."""
        query = self._query
        if query.plain is None:
            self._notes.append("there is no picture: only the sound was compared")
            return
        self._note_pictures(query.plain)
        if query.still is not None:
            self._shown = self._finder.still(query.suspect.path, query.still)
            return
        self._finder.look(query.views, partial(self._report, "match", unit="places"))
        self._finder.finds = without_repeats(self._finder.finds)

    def sounds(
        self, matcher: "SoundMatcher | None", min_seconds: float, catalog: Catalog, only: str | None
    ) -> None:
        """Match the sound, where there is any."""
        query = self._query
        if matcher is None or not query.was_heard:
            if not query.suspect.has_picture:
                self._notes.append("the sound was not compared")
            return
        self._notes += query.warnings
        if query.sound is None:
            self._notes.append("the sound is silent throughout")
            return
        self._report("match", 0, 0, unit="sound")
        for item in matcher(query.sound, min_seconds):
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
        suspect, finds = self._query.suspect, self._finder.finds
        matches = to_matches(
            suspect.path,
            finds,
            self._heard,
            duration_seconds=suspect.duration_seconds,
            bars=[self._query.bars_at(find.segment.start_seconds) for find in finds],
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

    def _note_pictures(self, plain: QueryView) -> None:
        """Say what a person should know about the suspect."""
        suspect = self._query.suspect
        if suspect.is_still:
            self._notes.append(
                "the query is a still image: a match rests on one picture, and with a crop or a "
                "caption a third or more are not found; `sceneprint search --image` ranks "
                "the shots alike"
            )
        elif suspect.duration_seconds < SHORT_SECONDS:
            self._notes.append(
                f"the query is only {suspect.duration_seconds:.1f} s long: a match rests on "
                f"{len(plain)} frames"
            )
        if not plain.layouts(slice(None)).any():
            self._notes.append("the picture is black or one even tone throughout")
        elif plain.is_plain.all():
            self._notes.append("the picture shows next to nothing throughout")
        if suspect.unreadable:
            lost = sum(part.duration_seconds for part in suspect.unreadable)
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
