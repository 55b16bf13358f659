"""What may come in: one model for each body, JSON or the fields of a multipart form."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from retrieval.types import ShotMode, Unit

__all__ = [
    "ClassifyForm",
    "IngestBody",
    "IngestForm",
    "MatchBody",
    "MatchForm",
    "SearchBody",
    "SearchForm",
    "VideoClassifyBody",
]

Text = Field(min_length=1, max_length=1000, pattern=r"\S", description="words, in any language")
VideoKey = Field(
    default=None,
    min_length=1,
    max_length=1000,
    description="id, unique start of an id, or unique file name",
)
Labels = Field(
    default=None,
    min_length=1,
    max_length=100_000,
    description="labels like `day,night`, or a JSON object "
    '`{"group": {"label": ["sentence", …]}}`; absent: the groups that ship',
)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SearchForm(_Body):
    """The fields of a search whose pictures come as files beside it."""

    text: str | None = Field(None, min_length=1, max_length=1000, pattern=r"\S")
    k: int = Field(10, ge=1, le=1000, description="number of hits")
    min_score: FiniteFloat | None = Field(None, description="leave out hits below this score")
    video: str | None = VideoKey
    unit: Unit = "shot"
    cursor: str | None = Field(
        None, min_length=1, max_length=200, description="`next_cursor` of the page before"
    )


class SearchBody(SearchForm):
    """A search by text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "two bicycles on a street", "k": 5},
                {"text": "街上的自行车", "unit": "scene"},
            ]
        }
    )

    text: str = Text


class MatchForm(_Body):
    """The fields of a match whose film comes as a file beside it."""

    min_score: float = Field(0.5, ge=0, le=1, description="leave out less probable matches")
    min_seconds: float = Field(2.0, ge=0, le=86400, description="leave out shorter matches")
    video: str | None = VideoKey
    banks: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="names of banks of known non-matches to consult, with commas between them; "
        "`none` for none; absent: all of them",
    )
    report: bool = Field(False, description="also make an HTML evidence report")


class MatchBody(MatchForm):
    """A match of a film that is in the library, against the others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"video_id": "suspect.mp4", "min_seconds": 5, "report": True}]
        }
    )

    video_id: str = Field(
        min_length=1, max_length=1000, description="id, unique start of an id, or unique file name"
    )


class ClassifyForm(_Body):
    """The fields of a classification whose image and audio come as files beside it."""

    text: str | None = Field(
        None, min_length=1, max_length=10_000, pattern=r"\S", description="what is said or written"
    )
    labels: str | None = Labels


class VideoClassifyBody(_Body):
    """A classification of a film of the library."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"labels": "day,night"}]})

    labels: str | None = Labels
    per: Literal["shot", "video"] = "shot"


class IngestForm(_Body):
    """The fields of an ingest whose film comes as a file beside it."""

    shots: ShotMode = "fast"


class IngestBody(IngestForm):
    """An ingest of a file or folder of the server's machine."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"path": "/media/films", "shots": "precise"}]}
    )

    path: str = Field(
        min_length=1,
        max_length=4096,
        description="inside one of the folders of SCENEPRINT_SERVER__MEDIA_ROOTS",
    )
