"""`POST /v1/classify`: image, audio and text together; and the shots of a film of the library."""

from collections.abc import Callable

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from app.http.bodies import Body, body_schema, read_body
from app.http.errors import problems
from app.http.requests import ClassifyForm, VideoClassifyBody
from app.http.routes_jobs import JOB_RESPONSES, IdempotencyKey, WaitSeconds, answer_job
from app.http.state import AppState, State
from app.http.uploads import check_sound
from app.jobs import Job
from app.pictures import read_picture
from app.schemas import ClassificationView, ClassifyResult
from app.schemas_jobs import JobView
from retrieval.adapter_list import list_adapters
from retrieval.errors import InvalidInputError
from retrieval.labels import LabelGroup, parse_label_text, parse_labels
from retrieval.types import ProgressCallback

__all__ = ["router"]

router = APIRouter(tags=["classify"])

_BODY = body_schema(
    form=ClassifyForm,
    files={
        "image": "a still of the scene",
        "audio": "its sound; read and checked, scored once an encoder for sound is in use",
    },
    any_of=("image", "text"),
)


@router.post(
    "/v1/classify",
    openapi_extra=_BODY,
    response_model=ClassifyResult,
    responses=problems(400, 403, 404, 409, 413, 415, 422, 501, 503),
    summary="Score labels for a scene",
)
async def classify(request: Request, state: State) -> ClassifyResult:
    """Score label groups for an image, a text and a sound that belong together.

    Zero-shot by the words of the labels, or by a taught adapter. The shares sum to one within an
    exclusive group. `modalities_used` says what decided, `notes` what did not and why.
    """
    async with read_body(request, form=ClassifyForm, files=("image", "audio")) as body:
        return await state.compute(lambda: _classify(state, body))


def _classify(state: AppState, body: Body[ClassifyForm]) -> ClassifyResult:
    image, audio, text = body.files.get("image"), body.files.get("audio"), body.fields.text
    notes = []
    if audio is not None:
        info = check_sound(
            audio,
            limits=state.settings.media_limits,
            max_seconds=state.settings.upload.max_clip_seconds,
        )
        notes.append(
            f"audio: {info.duration_seconds:.1f} s were read but not scored, because the encoder "
            f"{state.engine.encoder.name} has no part for sound"
        )
    if image is None and text is None:
        wanted = "; ".join(["got no image or text to score", *notes])
        raise InvalidInputError(f"{wanted}; send an `image`, a `text` or both")
    limits = state.settings.media_limits
    picture = None if image is None else read_picture(image.path, max_pixels=limits.max_pixels)
    given = {"image": image, "text": text}
    used = [name for name, value in given.items() if value is not None]
    if body.fields.adapter is not None:
        found = _judged(state, body.fields, picture)
        return ClassifyResult(classifications=[found], modalities_used=used, notes=notes)
    items = state.engine.classify(image=picture, text=text, groups=_groups(body.fields.labels))
    return ClassifyResult.of(items, modalities_used=used, notes=notes)


def _judged(
    state: AppState, fields: ClassifyForm, picture: NDArray[np.uint8] | None
) -> ClassificationView:
    """What a taught adapter says of a still."""
    assert fields.adapter is not None
    if picture is None:
        raise InvalidInputError("got an adapter without an image; send an `image`")
    _refuse_labels(fields.labels)
    shot = state.engine.judge_still(fields.adapter, picture, text=fields.text)
    return ClassificationView.of_taught(_learned(state, fields.adapter), shot, is_still=True)


def _refuse_labels(labels: str | None) -> None:
    if labels is not None:
        raise InvalidInputError("got adapter and labels; an adapter has its own classes")


def _learned(state: AppState, adapter: str) -> str:
    """The group that an adapter learned."""
    name, _, version = adapter.partition("/")
    found = [info for info in list_adapters(state.engine.library) if info.name == name]
    return next((one.group for one in reversed(found) if version in ("", str(one.version))), name)


def _groups(labels: str | None) -> list[LabelGroup] | None:
    """Read labels: `day,night`, or what a label file holds."""
    if labels is None:
        return None
    is_file = labels.lstrip().startswith("{") or any(mark in labels for mark in ":：\n")
    return parse_label_text(labels) if is_file else [parse_labels(labels)]


@router.post(
    "/v1/videos/{video_id}/classify",
    response_model=JobView,
    responses=JOB_RESPONSES,
    summary="Score labels for a film of the library",
)
async def classify_video(
    video_id: str,
    body: VideoClassifyBody,
    response: Response,
    state: State,
    wait: WaitSeconds = 0,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Score label groups for each shot of a film, or for all of it; the answer is a job.

    With `adapter` a taught adapter answers, for each shot.
    """
    job = await state.compute(lambda: _submit(state, video_id, body, idempotency_key))
    return await answer_job(state, job, response, wait=wait)


def _submit(state: AppState, key: str, body: VideoClassifyBody, idempotency: str | None) -> Job:
    video = state.engine.video(key)
    groups = _groups(body.labels)
    if body.adapter is not None:
        _refuse_labels(body.labels)
        if body.per == "video":
            raise InvalidInputError("got adapter with `per` video; an adapter answers per shot")

    def work(progress: ProgressCallback, should_stop: Callable[[], bool]) -> ClassifyResult:
        if body.adapter is not None:
            group = _learned(state, body.adapter)
            shots = state.engine.apply_adapter(body.adapter, video.video_id)
            views = [ClassificationView.of_taught(group, one, is_still=False) for one in shots]
            return ClassifyResult(classifications=views, modalities_used=["image"], notes=[])
        items = state.engine.classify(
            video.video_id,
            groups=groups,
            per=body.per,
            progress=progress,
            should_stop=should_stop,
        )
        return ClassifyResult.of(items, modalities_used=["image"])

    return state.jobs.submit(
        "classify",
        work,
        idempotency_key=idempotency,
        fingerprint=f"classify {video.video_id} {body.model_dump_json()}",
    )
