"""`/v1/labels`: what people say of shots, the groups of classes, and which shots to label next."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.http.cursor import make_cursor, read_cursor
from app.http.errors import ProblemError, problems
from app.http.requests import LabelBody, LabelGroupBody
from app.http.state import AppState, State
from app.schemas_labels import (
    LabelEditView,
    LabelGroupsResult,
    LabelGroupView,
    LabelQueueView,
    LabelsResult,
    LabelView,
)
from retrieval.errors import InvalidInputError
from retrieval.types import Segment

__all__ = ["refuse_read_only", "router"]

router = APIRouter(tags=["labels"])

SOURCE = "http"
Name = Annotated[str | None, Query(min_length=1, max_length=200)]
Video = Annotated[
    str | None,
    Query(min_length=1, max_length=1000, description="id, unique start of an id, or file name"),
]


@router.get(
    "/v1/labels",
    response_model=LabelsResult,
    responses=problems(400, 404, 422, 503),
    summary="List labels",
)
def list_labels(
    state: State,
    group: Name = None,
    video: Video = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="labels a page")] = 100,
    cursor: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> LabelsResult:
    """Labels of all films, or of one group or film, by group, film and time."""
    query = f"labels {group!r} {video!r}"
    start = read_cursor(cursor, query=query)
    found = state.engine.labels.labels(group=group, video=video)
    end = start + limit
    shown = found[start:end]
    films = state.engine.catalog.videos_by_ids([label.video_id for label in shown])
    return LabelsResult(
        labels=[LabelView.of_label(label, films.get(label.video_id)) for label in shown],
        next_cursor=make_cursor(end, query=query) if end < len(found) else None,
    )


@router.post(
    "/v1/labels",
    response_model=LabelEditView,
    responses=problems(400, 403, 404, 422, 503),
    summary="Label a shot",
)
def add_label(body: LabelBody, state: State) -> LabelEditView:
    """Say that a class holds in a shot or a segment; saying it again changes nothing.

    In an exclusive group it replaces what was said of that time; longer labels keep their parts
    outside of it.
    """
    refuse_read_only(state)
    video, segment = _place(state, body)
    edit = state.engine.label_desk.label(
        body.group, body.label, video=video, segment=segment, source=SOURCE
    )
    return LabelEditView.of(edit, state.engine.video(video))


@router.get(
    "/v1/labels/groups",
    response_model=LabelGroupsResult,
    responses=problems(400, 503),
    summary="List label groups",
)
def list_groups(state: State) -> LabelGroupsResult:
    """All groups with their classes."""
    return LabelGroupsResult(
        groups=[LabelGroupView.of(group) for group in state.engine.labels.groups()]
    )


@router.post(
    "/v1/labels/groups",
    response_model=LabelGroupView,
    responses=problems(400, 403, 422, 503),
    summary="Make a label group",
)
def make_group(body: LabelGroupBody, state: State) -> LabelGroupView:
    """Make a group, or add classes to one that is there; answers with the group as it is then."""
    refuse_read_only(state)
    desk = state.engine.label_desk
    return LabelGroupView.of(desk.make_group(body.name, kind=body.kind, classes=body.classes))


@router.get(
    "/v1/labels/queue",
    response_model=LabelQueueView,
    responses=problems(400, 404, 409, 422, 501, 503),
    summary="Show which shots to label next",
)
async def show_queue(
    state: State,
    group: Annotated[str, Query(min_length=1, max_length=200)],
    adapter: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=80,
            description="whose answers count: `mine`, `mine/2`; absent: the one that learned the "
            "group, or the words of its classes",
        ),
    ] = None,
    video: Video = None,
    limit: Annotated[int, Query(ge=1, le=200, description="shots")] = 20,
) -> LabelQueueView:
    """Examples of classes that have none, then the least certain shots, no two alike."""
    desk = state.engine.label_desk

    def work() -> LabelQueueView:
        chosen = adapter or desk.newest_adapter(group)
        return LabelQueueView.of(desk.queue(group, adapter=chosen, video=video, count=limit))

    return await state.compute(work)


@router.delete(
    "/v1/labels/{label_id}",
    response_model=LabelView,
    responses=problems(400, 403, 404, 422, 503),
    summary="Remove a label",
)
def remove_label(label_id: Annotated[int, Path(ge=1, lt=2**63)], state: State) -> LabelView:
    """Forget one label; answers with what it said."""
    refuse_read_only(state)
    label = state.engine.label_desk.remove(label_id)
    films = state.engine.catalog.videos_by_ids([label.video_id])
    return LabelView.of_label(label, films.get(label.video_id))


def refuse_read_only(state: AppState) -> None:
    """Raise a problem on a server that does not change its library."""
    if not state.settings.server.may_change:
        raise ProblemError(403, "this server does not change its library")


def _place(state: AppState, body: LabelBody) -> tuple[str, Segment]:
    """Film and segment of a label."""
    times = body.start_seconds, body.end_seconds
    if body.shot_id is not None:
        if body.video is not None or times != (None, None):
            raise InvalidInputError("got `shot_id` and a segment, expected one of them")
        shot = state.engine.catalog.shot(body.shot_id)
        return shot.video_id, shot.segment
    if body.video is None or times[0] is None or times[1] is None:
        raise InvalidInputError(
            "got no shot, expected `shot_id`, or `video` with `start_seconds` and `end_seconds`"
        )
    if times[0] >= times[1]:
        raise InvalidInputError(f"got seconds {times[0]:g} to {times[1]:g}, expected a start below")
    return state.engine.video(body.video).video_id, Segment(times[0], times[1])
