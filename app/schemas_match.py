"""Matches as they leave through HTTP and `--json`: one object for each query."""

from collections.abc import Iterable

from pydantic import Field

from app.match_words import edit_words
from app.schemas_base import (
    EXAMPLE_SEGMENT,
    EXAMPLE_VIDEO_ID,
    SegmentView,
    View,
    clip_link,
    example,
)
from retrieval.banks import BankInfo
from retrieval.types import Box, Match, MatchEdit, MatchModality, Segment
from retrieval.types import MatchResult as CoreResult

__all__ = [
    "BankView",
    "BanksResult",
    "BoxView",
    "EditView",
    "EvidenceView",
    "MatchResult",
    "MatchView",
]


class EvidenceView(View):
    """One pair of frames that look alike."""

    query_seconds: float
    ref_seconds: float
    score: float


class BoxView(View):
    """A part of a picture: its edges as shares of width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, box: Box | None) -> "BoxView | None":
        """Render a box; None stays None."""
        if box is None:
            return None
        return cls(left=box.left, top=box.top, right=box.right, bottom=box.bottom)


class EditView(View):
    """What was done to the footage, as far as it was seen."""

    is_flipped: bool = Field(description="left and right are exchanged")
    is_reversed: bool = Field(description="plays backwards")
    ref_box: BoxView | None = Field(
        description="part of the film's picture that is shown; null for all of it"
    )
    query_box: BoxView | None = Field(
        description="where in the query's picture it is shown; null for everywhere"
    )
    pitch_semitones: float | None = Field(description="null where the sound was not compared")
    words: list[str] = Field(description="the same for a person; empty where nothing was seen")

    @classmethod
    def of(cls, edit: MatchEdit) -> "EditView":
        """Render an edit."""
        return cls(
            is_flipped=edit.is_flipped,
            is_reversed=edit.is_reversed,
            ref_box=BoxView.of(edit.ref_box),
            query_box=BoxView.of(edit.query_box),
            pitch_semitones=_rounded(edit.pitch_semitones),
            words=edit_words(edit),
        )


_EXAMPLE_MATCH = {
    "video_id": EXAMPLE_VIDEO_ID,
    "video_name": "bikes.mp4",
    "query": {
        "start_seconds": 12.0,
        "end_seconds": 14.0,
        "start_timecode": "00:00:12.000",
        "end_timecode": "00:00:14.000",
    },
    "reference": EXAMPLE_SEGMENT,
    "score": 0.97,
    "similarity": 0.81,
    "sound_score": None,
    "modalities": ["picture"],
    "speed_ratio": 1.25,
    "edit": {
        "is_flipped": True,
        "is_reversed": False,
        "ref_box": {"left": 0.1, "top": 0.1, "right": 0.9, "bottom": 0.9},
        "query_box": None,
        "pitch_semitones": None,
        "words": ["mirrored", "cropped to 80\u00a0%"],
    },
    "false_matches_per_hour": 0.002,
    "reference_clip_url": f"/v1/clips/{EXAMPLE_VIDEO_ID}?start=4.000000&end=6.500000",
    "evidence": [{"query_seconds": 12.5, "ref_seconds": 4.625, "score": 0.84}],
}


class MatchView(View):
    """A copied segment, aligned on both sides."""

    model_config = example(**_EXAMPLE_MATCH)

    video_id: str
    video_name: str
    query: SegmentView = Field(description="where the copy is in the query")
    reference: SegmentView = Field(description="where it comes from in the film of the library")
    score: float = Field(description="probability, in [0, 1], that this is a copy")
    similarity: float | None = Field(
        description="mean likeness of the pictures, in [0, 1]; null where they were not compared"
    )
    sound_score: float | None = Field(
        description="how sure the sound alone is, in [0, 1]; null where it was not compared"
    )
    modalities: list[MatchModality] = Field(description="what agrees: `picture`, `sound` or both")
    speed_ratio: float = Field(
        description="seconds of the film that play in one second of the query; above 1 = sped up"
    )
    edit: EditView
    false_matches_per_hour: float | None = Field(
        description="upper bound on false matches as sure as this one in an hour of unrelated "
        "footage; null where that was not measured"
    )
    reference_clip_url: str
    evidence: list[EvidenceView] = Field(description="frame pairs; empty where only sound agrees")

    @classmethod
    def of(cls, match: Match) -> "MatchView":
        """Render a match."""
        return cls(
            video_id=match.ref_video.video_id,
            video_name=match.ref_video.name,
            query=SegmentView.of(match.query_segment),
            reference=SegmentView.of(match.ref_segment, match.ref_video),
            score=round(match.score, 6),
            similarity=_rounded(match.similarity),
            sound_score=_rounded(match.sound_score),
            modalities=list(match.modalities),
            speed_ratio=round(match.speed_ratio, 6),
            edit=EditView.of(match.edit),
            false_matches_per_hour=match.false_matches_per_hour,
            reference_clip_url=clip_link(match.ref_video, match.ref_segment),
            evidence=[
                EvidenceView(
                    query_seconds=round(item.query_seconds, 6),
                    ref_seconds=round(item.ref_seconds, 6),
                    score=round(item.score, 6),
                )
                for item in match.evidence
            ],
        )


class MatchResult(View):
    """What was found in one query, and what could not be looked at."""

    model_config = example(
        matches=[_EXAMPLE_MATCH],
        query_seconds=60.0,
        unreadable=[],
        notes=[],
        report_url=None,
    )

    matches: list[MatchView] = Field(description="best first; empty where nothing was copied")
    query_seconds: float = Field(description="length of the query; 0 for a still image")
    unreadable: list[SegmentView] = Field(
        description="parts of the query that could not be decoded, and were not compared"
    )
    notes: list[str] = Field(description="what a person should know about the answer")
    report_url: str | None = Field(
        default=None, description="the HTML evidence report, where one was asked for"
    )

    @classmethod
    def of(cls, result: CoreResult, *, report_url: str | None = None) -> "MatchResult":
        """Render a result."""
        return cls(
            matches=[MatchView.of(match) for match in result.matches],
            query_seconds=round(result.query_seconds, 6),
            unreadable=_segments(result.unreadable),
            notes=list(result.notes),
            report_url=report_url,
        )


class BankView(View):
    """A bank of known non-matches."""

    model_config = example(name="logos", num_videos=3, hours=0.02)

    name: str
    num_videos: int
    hours: float

    @classmethod
    def of(cls, bank: BankInfo) -> "BankView":
        """Render a bank."""
        return cls(name=bank.name, num_videos=bank.num_videos, hours=round(bank.hours, 6))


class BanksResult(View):
    """The banks of a library, by name."""

    banks: list[BankView]

    @classmethod
    def of(cls, banks: Iterable[BankInfo]) -> "BanksResult":
        """Render banks."""
        return cls(banks=[BankView.of(bank) for bank in banks])


def _segments(segments: Iterable[Segment]) -> list[SegmentView]:
    return [SegmentView.of(segment) for segment in segments]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
