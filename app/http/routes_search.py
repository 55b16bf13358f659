"""`POST /v1/search`: by text as JSON; by text, image, clip and sound together as a form."""

from fastapi import APIRouter, Request, Response

from app.http.bodies import Body, body_schema, read_body
from app.http.cursor import make_cursor, read_cursor
from app.http.errors import problems
from app.http.requests import SearchBody, SearchForm
from app.http.state import AppState, State
from app.http.uploads import check_film, check_sound
from app.pictures import read_picture
from app.schemas import HitView, SearchResult
from retrieval.errors import InvalidInputError

__all__ = ["router"]

router = APIRouter(tags=["search"])

_BODY = body_schema(
    body=SearchBody,
    form=SearchForm,
    files={
        "image": "a still to look like",
        "clip": "a short clip to look like",
        "sound": "a sound, or a film with it, to sound like",
    },
    any_of=("text", "image", "clip", "sound"),
)


@router.post(
    "/v1/search",
    openapi_extra=_BODY,
    response_model=SearchResult,
    responses=problems(400, 403, 404, 409, 413, 415, 422, 501, 503),
    summary="Find shots or scenes",
)
async def search(request: Request, state: State) -> Response:
    """Rank shots or scenes by words, a still, a clip and a sound; several parts at once are fused.

    Words also search the subtitles. `next_cursor`, given back with the same query, continues.
    """
    async with read_body(
        request, body=SearchBody, form=SearchForm, files=("image", "clip", "sound")
    ) as body:
        data = await state.compute(lambda: _search(state, body).model_dump_json())
    return Response(data, media_type="application/json")  # rendered once, off the event loop


def _search(state: AppState, body: Body[SearchForm]) -> SearchResult:
    fields, files = body.fields, body.files
    if fields.text is None and not files:
        raise InvalidInputError("got no query, expected text, an image, a clip or a sound")
    query = _query(body)
    offset = read_cursor(fields.cursor, query=query)
    limits, upload = state.settings.media_limits, state.settings.upload
    image = files.get("image")
    clip = files.get("clip")
    if clip is not None:
        check_film(clip, limits=limits, max_seconds=upload.max_clip_seconds)
    sound = files.get("sound")
    if sound is not None:
        check_sound(sound, limits=limits, max_seconds=upload.max_clip_seconds)
    hits = state.engine.search(
        text=fields.text,
        image=None if image is None else read_picture(image.path, max_pixels=limits.max_pixels),
        clip=None if clip is None else clip.path,
        sound=None if sound is None else sound.path,
        k=fields.k,
        min_score=fields.min_score,
        video=fields.video,
        unit=fields.unit,
        offset=offset,
    )
    more = make_cursor(offset + len(hits), query=query) if len(hits) == fields.k else None
    return SearchResult(hits=[HitView.of_hit(hit) for hit in hits], next_cursor=more)


def _query(body: Body[SearchForm]) -> str:
    """Everything the ranking depends on; the page size may change from page to page."""
    fields = body.fields.model_dump_json(exclude={"cursor", "k"})
    return fields + "".join(f"{name}:{body.files[name].digest()}" for name in sorted(body.files))
