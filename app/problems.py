"""One table from our errors to what a front says: an exit code and an HTTP problem (RFC 9457).

The nearest class in an error's ancestry decides, so a new leaf inherits its branch's answer; a
test proves that every public error of `retrieval.errors` has a row of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retrieval import errors
from retrieval.types import readable

__all__ = [
    "ABORTED",
    "ANSWERS",
    "MISSING_DEPENDENCY",
    "PROBLEM_MEDIA_TYPE",
    "UNEXPECTED",
    "USER_ERROR",
    "Answer",
    "Problem",
    "answer_for",
    "problem_for",
]

PROBLEM_MEDIA_TYPE = "application/problem+json"

UNEXPECTED = 1
USER_ERROR = 2
MISSING_DEPENDENCY = 3
ABORTED = 130


@dataclass(frozen=True)
class Answer:
    """How the fronts answer one kind of error."""

    status: int
    """HTTP status."""
    exit_code: int
    """Of the command line."""
    slug: str
    """Last part of the problem's `type`; stable, for programs."""
    title: str
    """The same for every occurrence, for people."""


ANSWERS: Mapping[type[Exception], Answer] = {
    errors.UsageError: Answer(422, USER_ERROR, "unusable-request", "Unusable request"),
    errors.InvalidInputError: Answer(422, USER_ERROR, "invalid-input", "Invalid input"),
    errors.NotFoundError: Answer(404, USER_ERROR, "not-found", "Not found"),
    errors.EncoderMismatchError: Answer(
        409, USER_ERROR, "encoder-mismatch", "The library was made with another encoder"
    ),
    errors.MediaError: Answer(422, USER_ERROR, "unreadable-media", "Unreadable media"),
    errors.NotMediaError: Answer(415, USER_ERROR, "not-media", "Not a media file"),
    errors.CorruptMediaError: Answer(422, USER_ERROR, "corrupt-media", "Damaged media file"),
    errors.MediaLimitError: Answer(413, USER_ERROR, "media-limit", "Beyond the media limits"),
    errors.CatalogError: Answer(503, USER_ERROR, "library-unavailable", "Library unavailable"),
    errors.CatalogVersionError: Answer(
        503, USER_ERROR, "library-version", "Library of an unknown version"
    ),
    errors.CatalogBusyError: Answer(
        503, USER_ERROR, "library-busy", "Another process is writing the library"
    ),
    errors.MissingDependencyError: Answer(
        501, MISSING_DEPENDENCY, "missing-dependency", "An optional package is missing"
    ),
    errors.OperationCancelled: Answer(409, ABORTED, "cancelled", "Cancelled"),
    errors.SceneprintError: Answer(500, UNEXPECTED, "unexpected", "Unexpected error"),
}
"""The published table, also printed in the documentation."""

_UNEXPECTED = ANSWERS[errors.SceneprintError]


@dataclass(frozen=True)
class Problem:
    """A problem details object (RFC 9457)."""

    status: int
    slug: str
    title: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Members beyond the standard ones, for example `errors` of a validation."""

    def to_dict(self, *, instance: str | None = None) -> dict[str, Any]:
        """The JSON object; `instance` names the request or job it happened in."""
        body: dict[str, Any] = {
            "type": f"urn:sceneprint:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": readable(self.detail),
        }
        if instance is not None:
            body["instance"] = instance
        return {**body, **self.extra}


def answer_for(error: BaseException) -> Answer:
    """The row of the nearest class in the error's ancestry; foreign errors are unexpected."""
    known = (ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    return next(known, _UNEXPECTED)


def problem_for(error: BaseException) -> Problem:
    """Describe an error for a client; the text of a foreign error stays in the log."""
    answer = answer_for(error)
    is_ours = isinstance(error, errors.SceneprintError)
    detail = str(error) if is_ours else "the server failed; its log has the details"
    return Problem(answer.status, answer.slug, answer.title, detail)
