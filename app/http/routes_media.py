"""`/v1/thumbnails` and `/v1/clips`: the pictures and the playable pieces of the films."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from app.http.errors import ProblemError, problem_response, problems
from app.http.state import State
from retrieval.errors import InvalidInputError
from retrieval.types import Segment

__all__ = ["router"]

router = APIRouter(tags=["media"])

THUMBNAIL_CACHE = "private, max-age=300, must-revalidate"
CLIP_CACHE = "private, max-age=3600"
MAX_SHOT_ID = 2**63 - 1

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "As the client has it (`If-None-Match`)"}
}


@router.get(
    "/v1/thumbnails/{shot_id}",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **_NOT_MODIFIED,
        **problems(400, 404, 422, 503),
    },
    summary="A shot's picture",
)
def get_thumbnail(
    shot_id: Annotated[int, Path(ge=1, le=MAX_SHOT_ID)], request: Request, state: State
) -> Response:
    """The keyframe of a shot as a small JPEG."""
    data = state.engine.thumbnail(shot_id)
    tag = f'"{sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": THUMBNAIL_CACHE}
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/jpeg", headers=headers)


def _matches(header: str | None, tag: str) -> bool:
    given = {one.strip().removeprefix("W/") for one in (header or "").split(",")}
    return tag in given or "*" in given


@router.get(
    "/v1/clips/{video_id}",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "description": "The asked-for range",
            "content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}},
        },
        **_NOT_MODIFIED,
        **problems(400, 404, 413, 415, 416, 422, 503),
    },
    summary="A piece of a film",
)
async def get_clip(
    video_id: str,
    request: Request,
    state: State,
    start: Annotated[float, Query(ge=0, le=1e6, description="first second")],
    end: Annotated[float, Query(gt=0, le=1e6, description="exclusive; at most 120 s later")],
) -> Response:
    """A segment as a playable MP4, cut once and kept a while; ranges are served."""
    if not start < end:
        raise InvalidInputError(f"got {start = } and {end = }, expected start < end")
    segment = Segment(start, end)
    path = await state.compute(lambda: state.engine.clip(video_id, segment))
    headers = {"Cache-Control": CLIP_CACHE}
    response = _RangedFile(path, media_type="video/mp4", headers=headers, stat_result=path.stat())
    if _matches(request.headers.get("if-none-match"), response.headers["etag"]):
        kept = {name: response.headers[name] for name in ("etag", "cache-control")}
        return Response(status_code=304, headers=kept)
    return response


class _RangedFile(FileResponse):
    """A file response whose refusals of a range are problems too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        range_header = dict(scope["headers"]).get(b"range", b"").decode("latin-1")
        refusal = _range_problem(range_header, int(self.headers["content-length"]))
        if refusal is None:
            await super().__call__(scope, receive, send)
        else:
            response = problem_response(
                refusal.problem, instance=scope["path"], headers=refusal.headers
            )
            await response(scope, receive, send)


def _range_problem(header: str, size: int) -> ProblemError | None:
    """What is wrong with a Range header; None where the file response can serve it."""
    if not header:
        return None
    try:
        FileResponse._parse_range_header(header, size)
    except Exception as exc:
        is_outside = hasattr(exc, "max_size")
        if is_outside:
            return ProblemError(
                416, f"the clip has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
            )
        return ProblemError(400, "the Range header is malformed, expected bytes=FIRST-LAST")
    return None
