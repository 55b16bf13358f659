"""`POST /v1/match`: copied footage in an uploaded film, or in one of the library."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, Request, Response

from app.http.bodies import Body, body_schema, read_body
from app.http.requests import MatchBody, MatchForm
from app.http.routes_jobs import JOB_RESPONSES, IdempotencyKey, WaitSeconds, answer_job
from app.http.state import AppState, State
from app.http.uploads import check_film
from app.jobs import Job
from app.schemas_jobs import JobView
from app.schemas_match import MatchResult
from retrieval.errors import InvalidInputError
from retrieval.types import ProgressCallback

__all__ = ["router"]

router = APIRouter(tags=["match"])

_BODY = body_schema(
    body=MatchBody, form=MatchForm, files={"film": "the film to look through"}, any_of=("film",)
)


@router.post(
    "/v1/match",
    openapi_extra=_BODY,
    response_model=JobView,
    responses=JOB_RESPONSES,
    summary="Find copied footage",
)
async def match(
    request: Request,
    response: Response,
    state: State,
    wait: WaitSeconds = 0,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Find segments of the library's films in a film, aligned on both sides.

    The film is uploaded as `film`, or named as `video_id` where it is in the library; it is not
    compared with itself. The answer is a job, whose result has `matches`.
    """
    async with read_body(request, body=MatchBody, form=MatchForm, files=("film",)) as body:
        job = await state.compute(lambda: _submit(state, body, idempotency_key))
    return await answer_job(state, job, response, wait=wait)


def _submit(state: AppState, body: Body[MatchForm], key: str | None) -> Job:
    if isinstance(body.fields, MatchBody):
        video = state.engine.video(body.fields.video_id)
        path, own_id = video.path, video.video_id
    elif "film" in body.files:
        check_film(
            body.files["film"],
            limits=state.settings.media_limits,
            max_seconds=state.settings.upload.max_seconds,
        )
        path, own_id = body.files["film"].path, None
    else:
        raise InvalidInputError("got no film, expected a file `film`, or JSON with `video_id`")
    fingerprint = "match " + body.fingerprint() if key else ""
    kept = body.detach()
    return state.jobs.submit(
        "match",
        lambda progress, should_stop: _match(
            state, kept.fields, path, own_id, progress, should_stop
        ),
        on_end=kept.close,
        idempotency_key=key,
        fingerprint=fingerprint,
    )


def _match(
    state: AppState,
    fields: MatchForm,
    path: Path,
    own_id: str | None,
    progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> MatchResult:
    found = state.engine.match(
        path,
        min_score=fields.min_score,
        min_seconds=fields.min_seconds,
        video=fields.video,
        progress=progress,
        should_stop=should_stop,
    )
    others = tuple(match for match in found.matches if match.ref_video.video_id != own_id)
    return MatchResult.of(replace(found, matches=others))
