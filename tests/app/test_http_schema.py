"""Schemathesis over the OpenAPI: what the document promises, the real application keeps.

Each operation gets valid and invalid requests made from its schema; no answer may be a server
error, of an undocumented status or of another shape than documented.
"""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from app.http import create_app
from app.http.server import served
from retrieval.engine import Engine
from tests import films
from tests.app.served import settings_of
from tests.fakes import FakeEncoder
from tests.retrieval.libraries import add_film

CHECKS = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.unsupported_method,
]

OPERATIONS = (
    "POST /v1/search",
    "POST /v1/match",
    "GET /v1/banks",
    "GET /v1/reports/{report_id}",
    "POST /v1/classify",
    "POST /v1/videos/{video_id}/classify",
    "GET /v1/vector-sets",
    "GET /v1/videos",
    "POST /v1/videos",
    "GET /v1/videos/{video_id}",
    "PATCH /v1/videos/{video_id}",
    "DELETE /v1/videos/{video_id}",
    "GET /v1/videos/{video_id}/shots",
    "GET /v1/thumbnails/{shot_id}",
    "GET /v1/clips/{video_id}",
    "GET /v1/labels",
    "POST /v1/labels",
    "DELETE /v1/labels/{label_id}",
    "GET /v1/labels/groups",
    "POST /v1/labels/groups",
    "GET /v1/labels/queue",
    "GET /v1/adapters",
    "POST /v1/adapters",
    "GET /v1/jobs/{job_id}",
    "DELETE /v1/jobs/{job_id}",
    "GET /health",
    "GET /ready",
    "GET /metrics",
)


ANY_NAME = (
    "GET /v1/videos/{video_id}",
    "PATCH /v1/videos/{video_id}",
    "DELETE /v1/videos/{video_id}",
    "GET /v1/videos/{video_id}/shots",
    "DELETE /v1/jobs/{job_id}",
    "GET /v1/banks",
    "GET /v1/reports/{report_id}",
    "GET /v1/labels/groups",
    "GET /v1/adapters",
    "GET /v1/vector-sets",
    "GET /health",
    "GET /ready",
    "GET /metrics",
)
"""They take nothing, or any text: no request can be wrong."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, colour_film: films.Film) -> Iterator[Any]:
    library = tmp_path_factory.mktemp("schema") / "library"
    encoder = FakeEncoder()
    with Engine(library, encoder=encoder, create=True) as engine:
        add_film(engine.catalog, encoder, "a", ["red", "green"], path=colour_film.path)
        add_film(engine.catalog, encoder, "b", ["blue"], lines=[(0.0, 1.0, "a red bicycle")])
        engine.label_desk.make_group("hue", kind="one_of", classes=["red", "green"])
        engine.warm_up()
        settings = settings_of(jobs={"max_waiting": 10_000})
        with served(create_app(settings, engine=engine)) as port:
            yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


def test_every_operation_is_tested(api: Any) -> None:
    paths = api.raw_schema["paths"]
    found = [f"{method.upper()} {path}" for path, item in paths.items() for method in item]
    assert sorted(found) == sorted(OPERATIONS)


@pytest.mark.parametrize(
    ("operation", "mode"),
    [(operation, GenerationMode.POSITIVE) for operation in OPERATIONS]
    + [(one, GenerationMode.NEGATIVE) for one in OPERATIONS if one not in ANY_NAME],
    ids=lambda value: getattr(value, "value", value),
)
def test_the_api_keeps_its_schema(api: Any, operation: str, mode: GenerationMode) -> None:
    method, path = operation.split(" ")
    described = api[path][method]

    @hypothesis.given(case=described.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=18,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def check(case: Any) -> None:
        # the fields of a form are text: a wrong type looks like any other text
        is_form = case.media_type == "multipart/form-data"
        left_out = [openapi_checks.negative_data_rejection] if is_form else []
        case.call_and_validate(checks=CHECKS, excluded_checks=left_out)

    check()


@pytest.mark.parametrize(
    ("operation", "values", "status"),
    [
        ("POST /v1/search", {"body": {"text": "red"}}, 200),
        ("POST /v1/search", {"body": {"text": "bicycle", "unit": "scene"}}, 200),
        ("GET /v1/videos", {"query": {"limit": 1}}, 200),
        ("GET /v1/videos/{video_id}", {"path_parameters": {"video_id": "a.mp4"}}, 404),
        ("GET /v1/videos/{video_id}", {"path_parameters": {"video_id": "colours.mp4"}}, 200),
        ("GET /v1/videos/{video_id}/shots", {"path_parameters": {"video_id": "b.mp4"}}, 200),
        (
            "POST /v1/videos/{video_id}/classify",
            {
                "path_parameters": {"video_id": "b.mp4"},
                "body": {"labels": "red,blue"},
                "query": {"wait": 10},
            },
            200,
        ),
        ("POST /v1/match", {"body": {"video_id": "colours.mp4"}, "query": {"wait": 30}}, 200),
        (
            "GET /v1/clips/{video_id}",
            {
                "path_parameters": {"video_id": "colours.mp4"},
                "query": {"start": 0, "end": 1},
                "headers": {"Range": "bytes=0-99"},
            },
            206,
        ),
        ("POST /v1/labels", {"body": {"group": "hue", "label": "red", "shot_id": 1}}, 200),
        ("POST /v1/labels", {"body": {"group": "hue", "label": "green", "shot_id": 2}}, 200),
        ("GET /v1/labels", {"query": {"group": "hue"}}, 200),
        ("GET /v1/labels/queue", {"query": {"group": "hue"}}, 200),
        (
            "POST /v1/adapters",
            {"body": {"name": "hue", "group": "hue"}, "query": {"wait": 30}},
            200,
        ),
        ("GET /v1/adapters", {}, 200),
        ("DELETE /v1/labels/{label_id}", {"path_parameters": {"label_id": 1}}, 200),
        ("GET /ready", {}, 200),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_real_answers_have_the_documented_shape(
    api: Any, operation: str, values: dict[str, Any], status: int
) -> None:
    method, path = operation.split(" ")
    media_type = "application/json" if "body" in values else None
    case = api[path][method].Case(**values, media_type=media_type)
    response = case.call()
    assert response.status_code == status, response.text
    case.validate_response(response, excluded_checks=[openapi_checks.positive_data_acceptance])
