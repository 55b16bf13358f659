"""`/v1/videos`: the films of the library, their shots, adding and removing."""

import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.http.bodies import Body, Upload, body_schema, read_body
from app.http.cursor import make_cursor, read_cursor
from app.http.errors import ProblemError, problems
from app.http.requests import IngestBody, IngestForm, VideoBody
from app.http.routes_jobs import JOB_RESPONSES, IdempotencyKey, WaitSeconds, answer_job
from app.http.state import AppState, State
from app.http.uploads import check_film
from app.jobs import Job
from app.schemas_jobs import JobView
from app.schemas_library import (
    IngestResult,
    SceneView,
    ShotsResult,
    ShotView,
    VectorSetsResult,
    VectorSetView,
    VideosResult,
    VideoView,
)
from retrieval.errors import InvalidInputError
from retrieval.types import ProgressCallback

__all__ = ["router"]

router = APIRouter(tags=["videos"])

_BODY = body_schema(
    body=IngestBody, form=IngestForm, files={"film": "the film to add"}, any_of=("film",)
)


@router.get(
    "/v1/videos",
    response_model=VideosResult,
    responses=problems(400, 422, 503),
    summary="List the films",
)
def list_videos(
    state: State,
    limit: Annotated[int, Query(ge=1, le=1000, description="films a page")] = 100,
    cursor: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> VideosResult:
    """All films, in the order of their paths."""
    start = read_cursor(cursor, query="videos")
    videos = state.engine.videos()
    end = start + limit
    return VideosResult(
        videos=[VideoView.of(video) for video in videos[start:end]],
        next_cursor=make_cursor(end, query="videos") if end < len(videos) else None,
    )


@router.get(
    "/v1/vector-sets",
    response_model=VectorSetsResult,
    responses=problems(400, 503),
    summary="List the vectors of each encoder",
)
def list_vector_sets(state: State) -> VectorSetsResult:
    """Which encoders the library has vectors of, and which it searches with.

    `sceneprint reindex` makes others and changes between them, also under a running server.
    """
    sets = state.engine.catalog.vector_sets()
    return VectorSetsResult(vector_sets=[VectorSetView.of(one) for one in sets])


@router.get(
    "/v1/videos/{video_id}",
    response_model=VideoView,
    responses=problems(400, 404, 422, 503),
    summary="Show a film",
)
def get_video(video_id: str, state: State) -> VideoView:
    """One film, by id, unique start of an id, or unique file name."""
    return VideoView.of(state.engine.video(video_id))


@router.get(
    "/v1/videos/{video_id}/shots",
    response_model=ShotsResult,
    responses=problems(400, 404, 422, 503),
    summary="Show the shots and scenes of a film",
)
def get_shots(video_id: str, state: State) -> ShotsResult:
    """All shots and scenes of one film, in order."""
    video = state.engine.video(video_id)
    return ShotsResult(
        shots=[ShotView.of_shot(shot, video) for shot in state.engine.shots(video.video_id)],
        scenes=[SceneView.of_scene(scene, video) for scene in state.engine.scenes(video.video_id)],
    )


@router.patch(
    "/v1/videos/{video_id}",
    response_model=VideoView,
    responses=problems(400, 403, 404, 422, 503),
    summary="Set how surely a film must be matched",
)
def change_video(video_id: str, body: VideoBody, state: State) -> VideoView:
    """Set a film's own threshold of matches in place of that of the match, or take it back."""
    _refuse_read_only(state)
    video = state.engine.video(video_id)
    state.engine.catalog.set_match_threshold(video.video_id, body.match_threshold)
    return VideoView.of(state.engine.video(video.video_id))


@router.delete(
    "/v1/videos/{video_id}",
    response_model=VideoView,
    responses=problems(400, 403, 404, 422, 503),
    summary="Remove a film",
)
def remove_video(video_id: str, state: State) -> VideoView:
    """Forget a film; its file stays, unless it was uploaded here."""
    _refuse_read_only(state)
    video = state.engine.remove(video_id)
    if video.path.is_relative_to(state.uploads_dir.resolve()):
        shutil.rmtree(video.path.parent, ignore_errors=True)
    return VideoView.of(video)


@router.post(
    "/v1/videos",
    openapi_extra=_BODY,
    response_model=JobView,
    responses=JOB_RESPONSES,
    summary="Add a film",
)
async def add_video(
    request: Request,
    response: Response,
    state: State,
    wait: WaitSeconds = 0,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Add a film that is uploaded as `film`, or a path inside the operator's media folders.

    The answer is a job, whose result has the outcome of each file.
    """
    _refuse_read_only(state)
    async with read_body(request, body=IngestBody, form=IngestForm, files=("film",)) as body:
        job = await state.compute(lambda: _submit(state, body, idempotency_key))
    return await answer_job(state, job, response, wait=wait)


def _refuse_read_only(state: AppState) -> None:
    if not state.settings.server.may_change:
        raise ProblemError(403, "this server does not change its library")


def _submit(state: AppState, body: Body[IngestForm], key: str | None) -> Job:
    fingerprint = "ingest " + body.fingerprint() if key else ""
    if isinstance(body.fields, IngestBody):
        path, stored = _allowed_path(state, body.fields.path), None
    elif "film" in body.files:
        limits, most = state.settings.media_limits, state.settings.upload.max_seconds
        check_film(body.files["film"], limits=limits, max_seconds=most)
        path = stored = _store(state.uploads_dir, body.files["film"])
    else:
        raise InvalidInputError("got no film, expected a file `film`, or JSON with `path`")

    def tidy() -> None:
        """Delete an upload that no video of the library stands on."""
        known = {video.path for video in state.engine.videos()}
        if stored is not None and stored.resolve() not in known:
            shutil.rmtree(stored.parent, ignore_errors=True)

    return state.jobs.submit(
        "ingest",
        lambda progress, should_stop: _ingest(state, body.fields, path, progress, should_stop),
        on_end=tidy,
        idempotency_key=key,
        fingerprint=fingerprint,
    )


def _ingest(
    state: AppState,
    fields: IngestForm,
    path: Path,
    progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> IngestResult:
    summary = state.engine.ingest(
        [path], shots=fields.shots, progress=progress, should_stop=should_stop
    )
    return IngestResult.of(summary)


def _allowed_path(state: AppState, given: str) -> Path:
    """A path inside the operator's media folders, with all links followed.

    One answer for all others, so that nobody learns which paths exist.
    """
    roots = [root.resolve() for root in state.settings.server.media_roots]
    try:
        path = Path(given).resolve(strict=True)
    except (OSError, ValueError):
        path = None
    if path is None or not any(path.is_relative_to(root) for root in roots):
        raise ProblemError(
            403,
            "there is no such path inside the folders that this server may ingest from; see "
            "SCENEPRINT_SERVER__MEDIA_ROOTS, or upload the film",
        )
    return path


def _store(uploads: Path, upload: Upload) -> Path:
    """Move an upload to a folder of its own in the library, under a harmless name."""
    folder = uploads / secrets.token_hex(8)
    folder.mkdir(parents=True)
    target = folder / _harmless(upload.client_name)
    shutil.move(upload.path, target)
    return target


def _harmless(name: str) -> str:
    """Letters, digits, `-`, `_` and inner dots of the last part of a client's file name."""
    last = re.split(r"[/\\]", name)[-1]
    cleaned = re.sub(r"[^\w.-]+", "_", last).strip("._-")
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot:
        return cleaned[:60] or "film"
    return f"{stem[:60].strip('._-') or 'film'}.{suffix[:8]}"
