"""What leaves through HTTP and `--json`: one model for each word of `retrieval.types`.

Both fronts render with the same models, so a script reads the same keys from either. Times are
seconds, with timecode and frame number beside them where the film has a frame rate. Matches are in
`app.schemas_match`, the library itself in `app.schemas_library`, background work in
`app.schemas_jobs`.
"""

from collections.abc import Sequence

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
from retrieval.taught import TaughtShot
from retrieval.types import Classification, Hit, Modality, Unit

__all__ = [
    "ClassificationView",
    "ClassifyResult",
    "HitView",
    "LabelScoreView",
    "ProvenanceView",
    "SearchResult",
]


class ProvenanceView(View):
    """Why a hit is in the list."""

    modality: Modality
    query: str = Field(description="which part of the query: `text`, `image`, `clip` or `sound`")
    rank: int = Field(description="1-based place in that modality's own list")
    score: float
    text: str | None = Field(description="the subtitle line; null for pictures and sounds")


class HitView(SegmentView):
    """One ranked search result."""

    model_config = example(
        **EXAMPLE_SEGMENT,
        video_id=EXAMPLE_VIDEO_ID,
        video_name="bikes.mp4",
        unit="shot",
        number=2,
        shot_id=12,
        start_frame=100,
        end_frame=162,
        score=0.31,
        thumbnail_url="/v1/thumbnails/12",
        clip_url=f"/v1/clips/{EXAMPLE_VIDEO_ID}?start=4.000000&end=6.500000",
        provenance=[
            {"modality": "picture", "query": "text", "rank": 1, "score": 0.31, "text": None}
        ],
    )

    video_id: str
    video_name: str
    unit: Unit
    number: int = Field(description="0-based number of the shot or scene in its film")
    shot_id: int
    start_frame: int | None
    end_frame: int | None
    score: float = Field(description="higher is better; comparable within one answer")
    thumbnail_url: str | None
    clip_url: str
    provenance: list[ProvenanceView]

    @classmethod
    def of_hit(cls, hit: Hit) -> "HitView":
        """Render a hit."""
        return cls(
            **times(hit.segment, hit.video),
            video_id=hit.video.video_id,
            video_name=hit.video.name,
            unit=hit.unit,
            number=hit.number,
            shot_id=hit.shot_id,
            start_frame=hit.start_frame,
            end_frame=hit.end_frame,
            score=round(hit.score, 6),
            thumbnail_url="/" + thumbnail_url(hit.shot_id) if hit.shot_id else None,
            clip_url=clip_link(hit.video, hit.segment),
            provenance=[
                ProvenanceView(
                    modality=item.modality,
                    query=item.query,
                    rank=item.rank,
                    score=round(item.score, 6),
                    text=item.text,
                )
                for item in hit.provenance
            ],
        )


class SearchResult(View):
    """The hits of a search, best first."""

    hits: list[HitView]
    next_cursor: str | None = Field(
        description="give it back as `cursor`, with the same query, for the next hits"
    )


class LabelScoreView(View):
    """One label and its share within its group."""

    label: str
    score: float


class ClassificationView(View):
    """Scores of one label group over one segment; they sum to one."""

    group: str
    shot_number: int | None = Field(description="null for a whole film or a still")
    start_seconds: float
    end_seconds: float
    scores: list[LabelScoreView] = Field(description="best first")
    labels: list[str] | None = Field(
        None,
        description="what a taught adapter is sure of; null where it is not, or words alone answer",
    )
    examples: list[str] = Field(
        default=[], description="the labelled shots of a taught adapter that are most alike"
    )

    @classmethod
    def of_taught(cls, group: str, shot: TaughtShot, *, is_still: bool) -> "ClassificationView":
        """Render what a taught adapter says of a shot, or of a still."""
        return cls(
            group=group,
            shot_number=None if is_still else shot.shot_number,
            start_seconds=shot.segment.start_seconds,
            end_seconds=shot.segment.end_seconds,
            scores=[LabelScoreView(label=one.label, score=one.score) for one in shot.scores],
            labels=None if shot.labels is None else list(shot.labels),
            examples=list(shot.examples),
        )

    @classmethod
    def of(cls, item: Classification) -> "ClassificationView":
        """Render a classification."""
        scores = [LabelScoreView(label=one.label, score=one.score) for one in item.scores]
        return cls(
            group=item.group,
            shot_number=item.shot_number,
            start_seconds=item.segment.start_seconds,
            end_seconds=item.segment.end_seconds,
            scores=scores,
        )


class ClassifyResult(View):
    """The answer of `classify`."""

    model_config = example(
        classifications=[
            {
                "group": "labels",
                "shot_number": None,
                "start_seconds": 0.0,
                "end_seconds": 0.0,
                "scores": [{"label": "day", "score": 0.83}, {"label": "night", "score": 0.17}],
                "labels": None,
                "examples": [],
            }
        ],
        modalities_used=["image", "text"],
        notes=[],
    )

    classifications: list[ClassificationView]
    modalities_used: list[str] = Field(description="which of the given parts decided")
    notes: list[str] = Field(description="what was given but not used, and why")

    @classmethod
    def of(
        cls,
        items: Sequence[Classification],
        *,
        modalities_used: Sequence[str],
        notes: Sequence[str] = (),
    ) -> "ClassifyResult":
        """Render classifications."""
        return cls(
            classifications=[ClassificationView.of(item) for item in items],
            modalities_used=list(modalities_used),
            notes=list(notes),
        )
