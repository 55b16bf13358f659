"""Background work and problems as they leave through HTTP."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import ClassifyResult
from app.schemas_base import View, example
from app.schemas_labels import LessonView
from app.schemas_library import IngestResult
from app.schemas_match import MatchResult
from retrieval.types import Progress

__all__ = [
    "JobKind",
    "JobStatus",
    "JobView",
    "ProblemView",
    "ProgressView",
]

JobKind = Literal["match", "classify", "ingest", "teach"]
JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]


class ProgressView(View):
    """How far a job is."""

    stage: str
    item: str
    done: float
    total: float = Field(description="0 when unknown")
    unit: str
    speed: float | None = Field(description="multiple of real time")
    eta_seconds: float | None

    @classmethod
    def of(cls, progress: Progress) -> "ProgressView":
        """Render a progress report."""
        return cls(
            stage=progress.stage,
            item=progress.item,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            speed=progress.speed,
            eta_seconds=progress.eta_seconds,
        )


class ProblemView(BaseModel):
    """A problem details object (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:sceneprint:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "there is no video 'v9'; known: bikes.mp4",
                    "instance": "/v1/videos/v9",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None


class JobView(View):
    """Work in the background."""

    model_config = example(
        job_id="5f0c2a7e9d3b41c8",
        kind="match",
        status="running",
        progress={
            "stage": "match",
            "item": "suspect.mp4",
            "done": 12.0,
            "total": 60.0,
            "unit": "s",
            "speed": 11.5,
            "eta_seconds": 4.2,
        },
        created_at="2026-01-31T12:00:00+00:00",
        finished_at=None,
        result=None,
        error=None,
        url="/v1/jobs/5f0c2a7e9d3b41c8",
    )

    job_id: str
    kind: JobKind
    status: JobStatus
    progress: ProgressView | None
    created_at: str
    finished_at: str | None
    result: MatchResult | ClassifyResult | IngestResult | LessonView | None = Field(
        description="by `kind`, once `status` is `done`"
    )
    error: ProblemView | None = Field(description="why it failed")
    url: str
