"""`/v1/adapters`: learn a label group, and what was learned so far."""

from collections.abc import Callable

from fastapi import APIRouter, Response

from app.http.errors import problems
from app.http.requests import AdapterBody
from app.http.routes_jobs import JOB_RESPONSES, IdempotencyKey, WaitSeconds, answer_job
from app.http.routes_labels import refuse_read_only
from app.http.state import AppState, State
from app.jobs import Job
from app.schemas_jobs import JobView
from app.schemas_labels import AdaptersResult, LessonView
from retrieval.adapter_list import list_adapters
from retrieval.teach import label_group
from retrieval.types import ProgressCallback

__all__ = ["router"]

router = APIRouter(tags=["labels"])


@router.get(
    "/v1/adapters",
    response_model=AdaptersResult,
    responses=problems(400, 503),
    summary="List taught adapters",
)
def list_all(state: State) -> AdaptersResult:
    """All versions of all adapters, by name and number."""
    return AdaptersResult.of(list_adapters(state.engine.library))


@router.post(
    "/v1/adapters",
    response_model=JobView,
    responses=JOB_RESPONSES,
    summary="Teach an adapter",
)
async def teach(
    body: AdapterBody,
    response: Response,
    state: State,
    wait: WaitSeconds = 0,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Learn the classes of a label group from its labelled shots; the answer is a job of seconds.

    Each time there is a new version; `/v1/classify` takes it as `adapter`.
    """
    refuse_read_only(state)
    job = await state.compute(lambda: _submit(state, body, idempotency_key))
    return await answer_job(state, job, response, wait=wait)


def _submit(state: AppState, body: AdapterBody, key: str | None) -> Job:
    label_group(state.engine.catalog, body.group)  # an unknown group is told at once

    def work(progress: ProgressCallback, should_stop: Callable[[], bool]) -> LessonView:
        lesson = state.engine.teach(body.name, body.group, error_rate=body.error_rate)
        return LessonView.of(lesson)

    return state.jobs.submit(
        "teach", work, idempotency_key=key, fingerprint=f"teach {body.model_dump_json()}"
    )
