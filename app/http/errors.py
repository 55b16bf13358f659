"""Every error as problem details (RFC 9457), whoever raised it: us, FastAPI or a bug."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.jobs import StoreFullError
from app.problems import PROBLEM_MEDIA_TYPE, Problem, problem_for
from app.schemas_jobs import ProblemView
from retrieval.errors import CatalogBusyError, SceneprintError

__all__ = ["ProblemError", "add_error_handlers", "problem_response", "problems"]

RETRY_AFTER_SECONDS = 5

_SLUGS = {
    400: ("bad-request", "Bad request"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    413: ("too-large", "Too large"),
    415: ("unsupported-content-type", "Unsupported content type"),
    416: ("range-not-satisfiable", "Range not satisfiable"),
    503: ("busy", "Busy"),
}

logger = logging.getLogger(__name__)


class ProblemError(Exception):
    """An error of the HTTP interface itself, with the status it answers."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        slug, title = _SLUGS[status]
        self.problem = Problem(status, slug, title, detail)
        self.headers = headers


def problem_response(
    problem: Problem, *, instance: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Render a problem; 503 says when to try again."""
    sent = dict(headers or {})
    if problem.status == 503:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(
        problem.to_dict(instance=instance),
        status_code=problem.status,
        headers=sent,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for the OpenAPI: problems with these statuses."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemView"}}}
    return {
        status: {"description": _DESCRIPTIONS.get(status, "Problem"), "content": content}
        for status in (*statuses, 500)
    }


_DESCRIPTIONS = {
    400: "The request is malformed, or its Host header is not known",
    403: "The server does not do this for the caller",
    404: "No such thing",
    409: "In conflict with the library as it is",
    413: "More, longer or wider than allowed",
    415: "Not of a kind that can be read",
    416: "The range lies outside the clip",
    422: "A value that cannot be used",
    500: "Unexpected",
    501: "An optional package is missing",
    503: "Busy or not ready; `Retry-After` says when to try again",
}


def add_error_handlers(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""
    app.add_exception_handler(SceneprintError, _ours)
    app.add_exception_handler(ProblemError, _own)
    app.add_exception_handler(StoreFullError, _full)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> Response:
    problem = problem_for(error)
    if problem.status >= 500 and not isinstance(error, CatalogBusyError):
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(problem, instance=request.url.path)


def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error.problem, instance=request.url.path, headers=error.headers)


def _full(request: Request, error: Exception) -> Response:
    slug, title = _SLUGS[503]
    return problem_response(Problem(503, slug, title, str(error)), instance=request.url.path)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": ".".join(str(part) for part in item["loc"][1:]), "message": item["msg"]}
        for item in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}".lstrip(": ") for one in found)
    problem = Problem(422, "invalid-input", "Invalid input", detail, {"errors": found})
    return problem_response(problem, instance=request.url.path)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug, title = _SLUGS.get(error.status_code, ("error", "Error"))
    problem = Problem(error.status_code, slug, title, str(error.detail))
    return problem_response(problem, instance=request.url.path, headers=error.headers)


def _gone(request: Request, error: Exception) -> Response:
    """The client went away in the middle of its upload: nobody reads this."""
    return problem_response(Problem(400, *_SLUGS[400], "the client went away"))


def _unexpected(request: Request, error: Exception) -> Response:
    """A bug: Starlette raises it again for the log; the client learns no more."""
    return problem_response(problem_for(error), instance=request.url.path)


PROBLEM_SCHEMA = ProblemView
"""Referred to by name in `problems`; `create_app` puts it among the components."""
