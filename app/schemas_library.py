"""The library as it leaves through HTTP and `--json`: films, shots, scenes, what ingest did."""

from pydantic import Field

from app.schemas_base import (
    EXAMPLE_SEGMENT,
    EXAMPLE_VIDEO_ID,
    SegmentView,
    View,
    clip_link,
    example,
    times,
)
from app.templating import thumbnail_url
from retrieval.catalog import VectorSet
from retrieval.types import IngestOutcome, IngestSummary, Scene, Shot, ShotMode, Video

__all__ = [
    "IngestResult",
    "OutcomeView",
    "SceneView",
    "ShotView",
    "ShotsResult",
    "VectorSetView",
    "VectorSetsResult",
    "VideoView",
    "VideosResult",
]


class VideoView(View):
    """A film of the library."""

    model_config = example(
        video_id=EXAMPLE_VIDEO_ID,
        name="bikes.mp4",
        duration_seconds=10.0,
        size_bytes=521871,
        container="mp4",
        width=640,
        height=272,
        rotation_degrees=0,
        frame_rate=25.0,
        video_codec="h264",
        audio_codec=None,
        shot_mode="fast",
        num_shots=6,
        num_scenes=3,
        num_subtitles=0,
        added_at="2026-01-31T12:00:00+00:00",
        match_threshold=None,
        warnings=[],
    )

    video_id: str
    name: str = Field(description="file name")
    duration_seconds: float
    size_bytes: int
    container: str
    width: int
    height: int
    rotation_degrees: int
    frame_rate: float | None = Field(description="average frames per second")
    video_codec: str | None
    audio_codec: str | None
    shot_mode: ShotMode
    num_shots: int
    num_scenes: int
    num_subtitles: int
    added_at: str
    match_threshold: float | None = Field(
        description="least probability at which its copies are told; null: what the match asks for"
    )
    warnings: list[str]

    @classmethod
    def of(cls, video: Video) -> "VideoView":
        """Render a video; its path stays on this machine."""
        return cls(
            video_id=video.video_id,
            name=video.name,
            duration_seconds=video.duration_seconds,
            size_bytes=video.size_bytes,
            container=video.container,
            width=video.width,
            height=video.height,
            rotation_degrees=video.rotation_degrees,
            frame_rate=float(video.frame_rate) if video.frame_rate else None,
            video_codec=video.video_codec,
            audio_codec=video.audio_codec,
            shot_mode=video.shot_mode,
            num_shots=video.num_shots,
            num_scenes=video.num_scenes,
            num_subtitles=video.num_subtitles,
            added_at=video.added_at,
            match_threshold=video.match_threshold,
            warnings=list(video.warnings),
        )


class VideosResult(View):
    """A page of the library."""

    videos: list[VideoView]
    next_cursor: str | None = Field(description="give it back as `cursor` for the next page")


class VectorSetView(View):
    """The shots' vectors of one search encoder."""

    model_config = example(
        name="builtin:lite2-minilm/flickr8k",
        hash="25c3b8ddb470",
        dim=512,
        is_used=True,
        num_videos=5,
        num_shots=10,
        num_missing=0,
        num_from_keyframes=0,
        size_bytes=10240,
    )

    name: str = Field(description="of the encoder")
    hash: str = Field(description="of its weights and preprocessing")
    dim: int
    is_used: bool = Field(description="whether search goes by them")
    num_videos: int = Field(description="films that have such vectors")
    num_shots: int = Field(description="shots that have one")
    num_missing: int = Field(description="films with a picture that have none")
    num_from_keyframes: int = Field(
        description="films of which it saw the kept keyframes, not the film"
    )
    size_bytes: int

    @classmethod
    def of(cls, one: VectorSet) -> "VectorSetView":
        """Render a set."""
        return cls(
            name=one.encoder.name,
            hash=one.encoder.hash,
            dim=one.encoder.dim,
            is_used=one.is_used,
            num_videos=one.num_videos,
            num_shots=one.num_shots,
            num_missing=one.num_missing,
            num_from_keyframes=one.num_from_keyframes,
            size_bytes=one.size_bytes,
        )


class VectorSetsResult(View):
    """The vectors of each search encoder that the library keeps."""

    vector_sets: list[VectorSetView] = Field(description="those in use first")


class ShotView(SegmentView):
    """A shot: the frames between two cuts."""

    model_config = example(
        **EXAMPLE_SEGMENT,
        shot_id=12,
        number=2,
        scene_number=1,
        start_frame=100,
        end_frame=162,
        keyframe_seconds=5.2,
        is_exact=True,
        thumbnail_url="/v1/thumbnails/12",
        clip_url=f"/v1/clips/{EXAMPLE_VIDEO_ID}?start=4.000000&end=6.500000",
    )

    shot_id: int
    number: int = Field(description="0-based place in the film")
    scene_number: int
    start_frame: int
    end_frame: int = Field(description="exclusive")
    keyframe_seconds: float
    is_exact: bool = Field(description="whether the bounds are exact to the frame")
    thumbnail_url: str
    clip_url: str

    @classmethod
    def of_shot(cls, shot: Shot, video: Video) -> "ShotView":
        """Render a shot of a video."""
        return cls(
            **times(shot.segment, video),
            shot_id=shot.shot_id,
            number=shot.number,
            scene_number=shot.scene_number,
            start_frame=shot.start_frame,
            end_frame=shot.end_frame,
            keyframe_seconds=shot.keyframe_seconds,
            is_exact=shot.is_exact,
            thumbnail_url="/" + thumbnail_url(shot.shot_id),
            clip_url=clip_link(video, shot.segment),
        )


class SceneView(SegmentView):
    """A scene: neighbouring shots that belong together."""

    number: int
    first_shot: int
    last_shot: int = Field(description="inclusive")

    @classmethod
    def of_scene(cls, scene: Scene, video: Video) -> "SceneView":
        """Render a scene of a video."""
        return cls(
            **times(scene.segment, video),
            number=scene.number,
            first_shot=scene.first_shot,
            last_shot=scene.last_shot,
        )


class ShotsResult(View):
    """The shots of a film, with the scenes they form."""

    shots: list[ShotView]
    scenes: list[SceneView]


class OutcomeView(View):
    """What happened to one file."""

    name: str
    status: str = Field(description="added, unchanged, moved, replaced, skipped or failed")
    video_id: str | None
    reason: str | None
    warnings: list[str]

    @classmethod
    def of(cls, outcome: IngestOutcome) -> "OutcomeView":
        """Render an outcome; only the file name of its path is shown."""
        return cls(
            name=outcome.name,
            status=outcome.status,
            video_id=outcome.video_id,
            reason=outcome.reason,
            warnings=list(outcome.warnings),
        )


class IngestResult(View):
    """What happened to all files of one ingest."""

    outcomes: list[OutcomeView]
    wall_seconds: float
    was_cancelled: bool

    @classmethod
    def of(cls, summary: IngestSummary) -> "IngestResult":
        """Render a summary."""
        return cls(
            outcomes=[OutcomeView.of(outcome) for outcome in summary.outcomes],
            wall_seconds=round(summary.wall_seconds, 3),
            was_cancelled=summary.was_cancelled,
        )
