"""The words of Sceneprint as frozen, self-checking data classes.

Everything that crosses a boundary (catalog, engine, fronts) is one of these. Times are float
seconds from the start of the video; segments are half-open `[start_seconds, end_seconds)`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Box",
    "Classification",
    "EncoderId",
    "FloatArray",
    "Frames",
    "Hit",
    "IngestOutcome",
    "IngestSummary",
    "LabelScore",
    "Match",
    "MatchEdit",
    "MatchEvidence",
    "MatchModality",
    "MatchResult",
    "Modality",
    "Progress",
    "ProgressCallback",
    "Provenance",
    "Scene",
    "Segment",
    "Shot",
    "ShotMode",
    "Subtitle",
    "Unit",
    "Video",
    "readable",
    "timecode",
]

FloatArray = NDArray[np.float32]
Frames = NDArray[np.uint8]  # (N, H, W, 3) RGB
Unit = Literal["shot", "scene"]
ShotMode = Literal["fast", "precise"]
Modality = Literal["picture", "sound", "subtitle"]
MatchModality = Literal["picture", "sound"]
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Segment:
    """A half-open part `[start_seconds, end_seconds)` of a video."""

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        ordered = 0.0 <= self.start_seconds <= self.end_seconds
        if not (math.isfinite(self.end_seconds) and ordered):
            raise ValueError(f"got {self}, expected 0 <= start_seconds <= end_seconds < inf")

    @property
    def duration_seconds(self) -> float:
        """Length of the segment."""
        return self.end_seconds - self.start_seconds

    def intersection_seconds(self, other: "Segment") -> float:
        """Length that both segments share; 0 where they do not touch."""
        start = max(self.start_seconds, other.start_seconds)
        return max(0.0, min(self.end_seconds, other.end_seconds) - start)


@dataclass(frozen=True)
class EncoderId:
    """What travels with every vector: which encoder made it."""

    name: str
    hash: str
    """Of weights and preprocessing together, so that any change is a new encoder."""
    dim: int
    spec: str | None = field(default=None, compare=False)
    """The name that it was loaded by, where that is known; `name` mostly loads it too."""


@dataclass(frozen=True)
class Video:
    """One source file; `video_id` comes from its content, so a moved file keeps it."""

    video_id: str
    path: Path
    size_bytes: int
    modified_ns: int
    duration_seconds: float
    container: str
    width: int = 0
    height: int = 0
    rotation_degrees: int = 0
    frame_rate: Fraction | None = None
    """Average frames per second; None where there is no picture or it is unknown."""
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate_hz: int | None = None
    shot_mode: ShotMode = "fast"
    num_shots: int = 0
    num_scenes: int = 0
    num_subtitles: int = 0
    added_at: str = ""
    """UTC, ISO 8601."""
    warnings: tuple[str, ...] = ()
    """What was repaired or left out while ingesting, for a person to read."""
    match_threshold: float | None = None
    """Least score, in [0, 1], of a match of this video; None for that of the match."""

    @property
    def name(self) -> str:
        """The file name for showing; see `readable`."""
        return readable(self.path.name)

    @property
    def has_picture(self) -> bool:
        """Whether the file has a decodable video stream."""
        return self.video_codec is not None

    @property
    def has_sound(self) -> bool:
        """Whether the file has a decodable audio stream."""
        return self.audio_codec is not None


@dataclass(frozen=True)
class Shot:
    """Frames between two cuts."""

    shot_id: int
    """Row id in the catalog; 0 before it is stored."""
    video_id: str
    number: int
    """0-based place within its video."""
    segment: Segment
    start_frame: int
    end_frame: int
    """Exclusive."""
    keyframe_seconds: float
    scene_number: int = 0
    is_exact: bool = True
    """Whether the bounds are exact to the frame (False: to the nearest sync frame)."""


@dataclass(frozen=True)
class Scene:
    """Neighbouring shots of one video that belong together."""

    video_id: str
    number: int
    segment: Segment
    first_shot: int
    """Number of its first shot."""
    last_shot: int
    """Number of its last shot, inclusive."""
    keyframe_shot_id: int = 0
    """The shot whose thumbnail stands for the scene."""


@dataclass(frozen=True)
class Subtitle:
    """One subtitle line with its time."""

    video_id: str
    segment: Segment
    text: str
    language: str | None = None
    source: str = ""
    """`file:NAME` or `stream:INDEX`."""


@dataclass(frozen=True)
class Provenance:
    """Why a hit is in the list: one entry per modality that found it."""

    modality: Modality
    rank: int
    """1-based place in that modality's own list."""
    score: float
    text: str | None = None
    """The subtitle line that matched; None for pictures and sounds."""
    query: str = ""
    """Which query part found it: `text`, `image`, `clip` or `sound`."""


@dataclass(frozen=True)
class Hit:
    """One ranked search result."""

    video: Video
    unit: Unit
    number: int
    """0-based number of the shot or scene in its video."""
    shot_id: int
    """The shot whose thumbnail is shown."""
    segment: Segment
    start_frame: int | None
    end_frame: int | None
    score: float
    """Cosine for a single picture list, fused score otherwise; higher is better."""
    provenance: tuple[Provenance, ...]

    @property
    def start_timecode(self) -> str:
        """SMPTE timecode of the first frame."""
        return timecode(self.segment.start_seconds, self.video.frame_rate)

    @property
    def end_timecode(self) -> str:
        """SMPTE timecode just after the last frame."""
        return timecode(self.segment.end_seconds, self.video.frame_rate)


@dataclass(frozen=True)
class MatchEvidence:
    """One pair of frames that look alike."""

    query_seconds: float
    ref_seconds: float
    score: float


@dataclass(frozen=True)
class Box:
    """A part of a picture: its edges as shares of width and height, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(f"got {self}, expected 0 <= left < right <= 1, top and bottom alike")


@dataclass(frozen=True)
class MatchEdit:
    """What was done to the reference on its way into the query, as far as it was seen."""

    is_flipped: bool = False
    """Left and right are exchanged."""
    is_reversed: bool = False
    """Plays backwards."""
    ref_box: Box | None = None
    """The part of the reference's picture that the query shows; None for all of it (no crop)."""
    query_box: Box | None = None
    """Where in the query's picture it is shown; None for everywhere (no bars, not in a corner)."""
    pitch_semitones: float | None = None
    """By how much the sound is higher, where the sound was compared."""


@dataclass(frozen=True)
class Match:
    """A copied segment, aligned on both sides."""

    query_path: Path
    query_segment: Segment
    ref_video: Video
    ref_segment: Segment
    score: float
    """Probability, in [0, 1], that this is a copy and no coincidence."""
    speed_ratio: float
    """Seconds of reference that play in one second of the query; above 1 = sped up."""
    evidence: tuple[MatchEvidence, ...] = ()
    """Frame pairs; empty where only the sound agrees."""
    modalities: tuple[MatchModality, ...] = ("picture",)
    """What agrees, sorted."""
    similarity: float | None = None
    """Mean likeness of the pictures in [0, 1]; None where they were not compared."""
    sound_score: float | None = None
    """How sure the sound alone is, in [0, 1]; None where it was not compared."""
    edit: MatchEdit = MatchEdit()
    false_matches_per_hour: float | None = None
    """How many false matches with this score or a higher one an hour of unrelated query gives."""

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1 or self.speed_ratio <= 0:
            raise ValueError(
                f"got {self.score = } and {self.speed_ratio = }, expected 0 to 1 and above 0"
            )


@dataclass(frozen=True)
class MatchResult:
    """All that a match of one query found, and what could not be looked at."""

    query_path: Path
    query_seconds: float
    """Length of the query; 0 for a still image."""
    matches: tuple[Match, ...]
    """Best first."""
    unreadable: tuple[Segment, ...] = ()
    """Parts of the query that could not be decoded, in order."""
    notes: tuple[str, ...] = ()
    """What a person should know about the answer (`the picture is black throughout` …)."""


@dataclass(frozen=True)
class LabelScore:
    """One label and its share within its group."""

    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """Scores of one label group over one segment; they sum to one."""

    group: str
    segment: Segment
    scores: tuple[LabelScore, ...]
    """Best first."""
    shot_number: int | None = None
    """None when the segment is the whole video (or a still image)."""

    def __post_init__(self) -> None:
        total = sum(item.score for item in self.scores)
        if not self.scores or abs(total - 1.0) > 1e-3:
            raise ValueError(f"got scores that sum to {total:.4f}, expected 1 within a group")

    @property
    def best(self) -> LabelScore:
        """The label with the highest score."""
        return self.scores[0]


@dataclass(frozen=True)
class Progress:
    """A report of long work, made to be shown as it is."""

    stage: str
    """`scan`, `ingest`, `decode`, `encode`, `match` …"""
    item: str
    """What is being worked on, for a person (a file name)."""
    done: float
    total: float
    """Same unit as `done`; 0 when unknown."""
    unit: str = "s"
    elapsed_seconds: float = 0.0
    speed: float | None = None
    """Multiple of real time where the work is media."""
    eta_seconds: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class IngestOutcome:
    """What happened to one file."""

    path: Path
    status: Literal["added", "unchanged", "moved", "replaced", "skipped", "failed"]
    video_id: str | None = None
    reason: str | None = None
    """Why it was skipped or failed, or that only its subtitles were replaced; None otherwise."""
    warnings: tuple[str, ...] = ()
    media_seconds: float = 0.0
    wall_seconds: float = 0.0

    @property
    def name(self) -> str:
        """The file name for showing; see `readable`."""
        return readable(self.path.name)


@dataclass(frozen=True)
class IngestSummary:
    """What happened to all files of one ingest."""

    outcomes: tuple[IngestOutcome, ...] = ()
    wall_seconds: float = 0.0
    was_cancelled: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """Number of files with this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


def readable(text: str) -> str:
    """Text that UTF-8 can carry: bytes of a file name that are no UTF-8 become U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def timecode(seconds: float, frame_rate: Fraction | None) -> str:
    """Format seconds as non-drop SMPTE `HH:MM:SS:FF`, or `HH:MM:SS.mmm` without a frame rate.

    The frame nearest to `seconds` is counted at the nominal (rounded) rate, as editing programs
    count non-drop timecode: 23.976 counts 24 frames to the second of timecode.
    """
    if frame_rate is None or frame_rate <= 0:
        millis = round(seconds * 1000)
        minutes, millis = divmod(millis, 60_000)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{millis // 1000:02d}.{millis % 1000:03d}"
    rate = frame_rate.numerator / frame_rate.denominator  # arithmetic on Fraction is slow
    nominal = max(1, round(rate))
    total, frames = divmod(round(seconds * rate), nominal)
    width = max(2, len(str(nominal - 1)))
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}:{frames:0{width}d}"
