"""`/v1/jobs/{job_id}`, and how a route that starts a job answers.

A client may wait for the end (`?wait=30`) or take the job's address and ask again. With an
`Idempotency-Key` a repeated request finds the job of the first one in place of a second.
"""

import time
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Response

from app.http.errors import problems
from app.http.state import AppState, State
from app.jobs import Job
from app.schemas_jobs import JobView

__all__ = ["JOB_RESPONSES", "IdempotencyKey", "WaitSeconds", "answer_job", "router"]

router = APIRouter(tags=["jobs"])

POLL_SECONDS = 0.05

WaitSeconds = Annotated[
    float, Query(ge=0, le=60, description="seconds to wait for the end before answering")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="makes a repeated request find the first one's job",
    ),
]

JOB_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobView,
        "description": "The job goes on; its address is in `Location`",
        "headers": {"Location": {"schema": {"type": "string"}}},
    },
    **problems(400, 403, 404, 409, 413, 415, 422, 501, 503),
}


async def answer_job(state: AppState, job: Job, response: Response, *, wait: float) -> JobView:
    """Wait a while, then answer 200 with the ended job or 202 with the running one."""
    deadline = time.monotonic() + wait
    while not job.ended.is_set() and time.monotonic() < deadline:
        await anyio.sleep(POLL_SECONDS)
    response.headers["Location"] = job.url
    response.status_code = 200 if job.ended.is_set() else 202
    return job.view()


@router.get(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses=problems(400, 404, 422),
    summary="See how a job stands",
)
async def get_job(job_id: str, state: State, response: Response, wait: WaitSeconds = 0) -> JobView:
    """Progress while it runs; result or problem when it has ended."""
    view = await answer_job(state, state.jobs.get(job_id), response, wait=wait)
    response.status_code = 200
    return view


@router.delete(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses=problems(400, 403, 404, 422),
    summary="Cancel a job",
)
async def cancel_job(job_id: str, state: State) -> JobView:
    """Ask it to stop, which it does within a moment; what is finished is kept."""
    return state.jobs.cancel(job_id).view()
