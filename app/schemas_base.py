"""What all models of `app.schemas` stand on: frozen views and the rendering of times."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.templating import clip_url
from retrieval.types import Segment, Video, readable, timecode

__all__ = [
    "EXAMPLE_SEGMENT",
    "EXAMPLE_VIDEO_ID",
    "SegmentView",
    "View",
    "clip_link",
    "example",
    "times",
]

EXAMPLE_VIDEO_ID = "v3f1c0a9be2d74c518a6b90de"


EXAMPLE_SEGMENT = {
    "start_seconds": 4.0,
    "end_seconds": 6.5,
    "start_timecode": "00:00:04:00",
    "end_timecode": "00:00:06:12",
}


class View(BaseModel):
    """Base of all models that leave: frozen, and with text that UTF-8 can carry.

    File names are bytes; those that are no UTF-8 come with lone surrogates, which no JSON can hold.
    """

    model_config = ConfigDict(frozen=True)

    @field_validator("*", mode="after")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [cls._readable(item) for item in value]
        return readable(value) if isinstance(value, str) else value


def example(**values: Any) -> ConfigDict:
    """Configuration of a view with one example for the OpenAPI."""
    return ConfigDict(frozen=True, json_schema_extra={"examples": [values]})


class SegmentView(View):
    """A half-open part of a film."""

    model_config = example(**EXAMPLE_SEGMENT)

    start_seconds: float
    end_seconds: float
    start_timecode: str = Field(description="SMPTE `HH:MM:SS:FF`; `HH:MM:SS.mmm` without a rate")
    end_timecode: str

    @classmethod
    def of(cls, segment: Segment, video: Video | None = None) -> "SegmentView":
        """Render a segment; `video` gives the frame rate of its timecodes."""
        return cls(**times(segment, video))


def times(segment: Segment, video: Video | None) -> dict[str, Any]:
    """The fields of `SegmentView`, for the views that extend it."""
    rate = video.frame_rate if video is not None else None
    return {
        "start_seconds": round(segment.start_seconds, 6),
        "end_seconds": round(segment.end_seconds, 6),
        "start_timecode": timecode(segment.start_seconds, rate),
        "end_timecode": timecode(segment.end_seconds, rate),
    }


def clip_link(video: Video, segment: Segment) -> str:
    """Where a segment plays, as an absolute path."""
    return "/" + clip_url(video.video_id, segment.start_seconds, segment.end_seconds)
