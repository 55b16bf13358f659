"""`/health`, `/ready` and `/metrics`: for whatever watches the server."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from app.http.errors import ProblemError, problems
from app.http.metrics import CONTENT_TYPE_LATEST
from app.http.state import State

__all__ = ["router"]

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """The server can search."""

    status: str = "ready"
    encoder: str
    num_videos: int
    num_shots: int
    index_state: str


@router.get("/health", responses=problems(400), summary="Whether the process answers")
async def health() -> Health:
    """Answers at once, whatever else is going on."""
    return Health()


@router.get("/ready", responses=problems(400, 503), summary="Whether the server can search")
def ready(state: State) -> Ready:
    """503 until encoder and index are loaded, and for good where they cannot be."""
    if state.failure is not None:
        raise ProblemError(503, f"the encoder cannot be loaded: {state.failure}")
    if not state.ready.is_set():
        raise ProblemError(503, "the encoder is being loaded")
    info = state.engine.info()
    return Ready(
        encoder=state.engine.sight().encoder.name,
        num_videos=info.num_videos,
        num_shots=info.num_shots,
        index_state=info.index_state,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems(400),
    },
    summary="Numbers for Prometheus",
)
def metrics(state: State) -> Response:
    """Requests and their time, jobs, and the size of the library."""
    return Response(state.metrics.render(), media_type=CONTENT_TYPE_LATEST)
