"""`POST /v1/match`: copied footage in an uploaded film, or in one of the library; its evidence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.http.bodies import Body, body_schema, read_body
from app.http.errors import problems
from app.http.requests import MatchBody, MatchForm
from app.http.routes_jobs import JOB_RESPONSES, IdempotencyKey, WaitSeconds, answer_job
from app.http.state import AppState, State
from app.http.uploads import check_suspect
from app.jobs import Job
from app.match_report import match_report
from app.matching import Asked, Suspect, match_file
from app.schemas_jobs import JobView
from app.schemas_match import BanksResult, MatchResult
from retrieval.errors import InvalidInputError
from retrieval.types import MatchResult as CoreResult
from retrieval.types import ProgressCallback

__all__ = ["router"]

router = APIRouter(tags=["match"])

REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "sandbox",
    "Cache-Control": "private, max-age=300",
}

_BODY = body_schema(
    body=MatchBody,
    form=MatchForm,
    files={"film": "what to look through: a film, a sound file or a still image"},
    any_of=("film",),
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

    The film is uploaded as `film`, which may be sound alone or a still image too, or named as
    `video_id` where it is in the library; it is not compared with itself. The answer is a job,
    whose result has `matches`, and `report_url` where a report was asked for.
    """
    async with read_body(request, body=MatchBody, form=MatchForm, files=("film",)) as body:
        job = await state.compute(lambda: _submit(state, body, idempotency_key))
    return await answer_job(state, job, response, wait=wait)


@router.get("/v1/banks", response_model=BanksResult, summary="List the banks of known non-matches")
def list_banks(state: State) -> BanksResult:
    """What a match leaves out unless `banks` says otherwise."""
    return BanksResult.of(state.engine.banks())


@router.get(
    "/v1/reports/{report_id}",
    response_class=FileResponse,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(400, 404, 422),
    },
    summary="An evidence report",
)
def get_report(report_id: str, state: State) -> FileResponse:
    """The self-contained page of a match that was asked for with `report`; kept for a while."""
    path = state.reports.get(report_id)
    return FileResponse(
        path,
        media_type="text/html; charset=utf-8",
        filename=f"evidence-{report_id[:8]}.html",
        content_disposition_type="inline",
        headers=REPORT_HEADERS,
    )


@dataclass(frozen=True)
class _Query:
    """The film that is looked through."""

    path: Path
    name: str
    own_id: str | None = None
    """Where it is in the library."""


def _submit(state: AppState, body: Body[MatchForm], key: str | None) -> Job:
    if isinstance(body.fields, MatchBody):
        video = state.engine.video(body.fields.video_id)
        query = _Query(video.path, video.name, video.video_id)
    elif "film" in body.files:
        film = body.files["film"]
        check_suspect(
            film,
            limits=state.settings.media_limits,
            max_seconds=state.settings.upload.max_seconds,
        )
        query = _Query(film.path, film.client_name)
    else:
        raise InvalidInputError("got no film, expected a file `film`, or JSON with `video_id`")
    fingerprint = "match " + body.fingerprint() if key else ""
    kept = body.detach()
    return state.jobs.submit(
        "match",
        lambda progress, should_stop: _match(state, kept.fields, query, progress, should_stop),
        on_end=kept.close,
        idempotency_key=key,
        fingerprint=fingerprint,
    )


def _match(
    state: AppState,
    fields: MatchForm,
    query: _Query,
    progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> MatchResult:
    asked = Asked(fields.min_score, fields.min_seconds, fields.video, _banks(fields.banks))
    suspect = Suspect(query.path, was_named=True)
    found = match_file(state.engine, suspect, asked, progress, should_stop).result
    assert found is not None
    others = tuple(item for item in found.matches if item.ref_video.video_id != query.own_id)
    found = replace(found, matches=others)
    url = None
    if fields.report:
        url = _report(state, asked, found, query.name, progress, should_stop)
    return MatchResult.of(found, report_url=url)


def _banks(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between them; `none` for none, None for all."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return () if names == ("none",) else names


def _report(
    state: AppState,
    asked: Asked,
    found: CoreResult,
    name: str,
    progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> str:
    """Make the report and keep it; returns where it is."""
    page = match_report(
        state.engine,
        [found],
        names={found.query_path: name},
        settings=asked.facts,
        progress=progress,
        should_stop=should_stop,
    )
    return f"/v1/reports/{state.reports.add(page)}"
