"""Videos, hits and matches made by hand for the tests of the fronts."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from retrieval.types import (
    Box,
    Hit,
    Match,
    MatchEdit,
    MatchEvidence,
    Provenance,
    Segment,
    Video,
)

HOSTILE = '<img src=x onerror="alert(1)">.mp4'


def video(name: str = "film.mp4", *, seconds: float = 100.0) -> Video:
    """A 25 fps film."""
    return Video(
        video_id="v1",
        path=Path("/films") / name,
        size_bytes=1_500_000,
        modified_ns=0,
        duration_seconds=seconds,
        container="mp4",
        width=640,
        height=360,
        frame_rate=Fraction(25),
        video_codec="h264",
        num_shots=3,
    )


def hit(name: str = "film.mp4", *, start: float = 2.0, end: float = 4.5, **changes: str) -> Hit:
    """A hit of shot 7 that the picture list found first."""
    source = Provenance(modality="picture", rank=1, score=0.4, query=changes.get("query", "text"))
    sources: tuple[Provenance, ...] = (source,)
    if "line" in changes:
        sources += (Provenance("subtitle", 3, 2.0, text=changes["line"], query="text"),)
    return Hit(
        video=video(name),
        unit="shot",
        number=0,
        shot_id=7,
        segment=Segment(start, end),
        start_frame=50,
        end_frame=112,
        score=0.4,
        provenance=sources,
    )


def match(name: str = "film.mp4", **changes: Any) -> Match:
    """Five seconds of a suspect that play seconds 50 to 60 of the film at double speed."""
    plain = Match(
        query_path=Path("/tmp/suspect.mp4"),
        query_segment=Segment(0.0, 5.0),
        ref_video=video(name),
        ref_segment=Segment(50.0, 60.0),
        score=0.9,
        speed_ratio=2.0,
    )
    return replace(plain, **changes)


def edited_match(name: str = "film.mp4") -> Match:
    """The same, mirrored and cropped, in a corner, with the sound two semitones higher."""
    return match(
        name,
        score=0.97,
        evidence=(MatchEvidence(1.0, 52.0, 0.8),),
        modalities=("picture", "sound"),
        similarity=0.8,
        sound_score=0.6,
        edit=MatchEdit(
            is_flipped=True,
            ref_box=Box(0.1, 0.1, 0.9, 0.9),
            query_box=Box(0.6, 0.05, 0.95, 0.4),
            pitch_semitones=2.0,
        ),
        false_matches_per_hour=0.002,
    )
