"""What may come in: one model for each body, JSON or the fields of a multipart form."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from retrieval.label_types import GroupKind
from retrieval.types import ShotMode, Unit

__all__ = [
    "AdapterBody",
    "ClassifyForm",
    "IngestBody",
    "IngestForm",
    "LabelBody",
    "LabelGroupBody",
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


Adapter = Field(
    default=None,
    min_length=1,
    max_length=80,
    description="a taught adapter in place of labels: `mine`, or `mine/2` for a version",
)
GroupName = Field(min_length=1, max_length=200, description="of a label group")


def _examples(*values: dict[str, Any]) -> ConfigDict:
    """Configuration of a body with examples for the OpenAPI."""
    return ConfigDict(json_schema_extra={"examples": [*values]})


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
    adapter: str | None = Adapter


class VideoClassifyBody(_Body):
    """A classification of a film of the library."""

    model_config = _examples({"labels": "day,night"}, {"adapter": "mine"})

    labels: str | None = Labels
    adapter: str | None = Adapter
    per: Literal["shot", "video"] = Field(
        "shot", description="an adapter answers for each shot alone"
    )


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


class VideoBody(_Body):
    """What can be changed of a film."""

    model_config = _examples({"match_threshold": 0.9}, {"match_threshold": None})

    match_threshold: float | None = Field(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="least probability at which its copies are told; null: what the match asks for",
    )


class LabelBody(_Body):
    """A class on a shot, or on a segment of a film; one of the two."""

    model_config = _examples(
        {"group": "light", "label": "night", "shot_id": 12},
        {
            "group": "light",
            "label": "day",
            "video": "bikes.mp4",
            "start_seconds": 4,
            "end_seconds": 6.5,
        },
    )

    group: str = GroupName
    label: str = Field(min_length=1, max_length=200, description="a class of the group")
    shot_id: int | None = Field(None, ge=1, lt=2**63, description="the shot that is labelled")
    video: str | None = VideoKey
    start_seconds: float | None = Field(None, ge=0, le=1e7)
    end_seconds: float | None = Field(None, ge=0, le=1e7)


class LabelGroupBody(_Body):
    """A group of classes: a new one, or more classes for one that is there."""

    model_config = _examples({"name": "light", "kind": "one_of", "classes": ["day", "night"]})

    name: str = GroupName
    kind: GroupKind = Field(
        "one_of", description="`one_of`: one class at a time; `any_of`: each holds or not"
    )
    classes: list[str] = Field(min_length=1, max_length=200, description="names, 2 in all at least")


class AdapterBody(_Body):
    """What to learn."""

    model_config = _examples({"name": "mine", "group": "light"})

    name: str = Field(
        pattern=r"^\w[\w.-]{0,63}$",
        max_length=64,
        description="of the adapter; a name that is there gets a new version",
    )
    group: str = GroupName
    error_rate: float = Field(0.1, gt=0, lt=1, description="at which it says unsure")
