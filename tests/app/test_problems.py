"""Every error has an answer of both fronts."""

import inspect

import pytest

from app.problems import ANSWERS, answer_for, problem_for
from retrieval import errors

PUBLIC = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_public_error_is_mapped(kind: type[Exception]) -> None:
    answer = ANSWERS[kind]
    assert 400 <= answer.status < 600
    assert answer.exit_code in (1, 2, 3, 130)
    assert answer_for(kind("why")) is answer


def test_every_error_class_of_the_module_is_public() -> None:
    defined = {
        kind for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.SceneprintError)
    }  # fmt: skip
    assert defined == set(PUBLIC)


def test_slugs_tell_errors_apart() -> None:
    slugs = [answer.slug for answer in ANSWERS.values()]
    assert len(set(slugs)) == len(slugs)


def test_a_new_leaf_inherits_the_answer_of_its_branch() -> None:
    class TooWideError(errors.MediaLimitError):
        pass

    assert answer_for(TooWideError("x")).status == 413


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert answer_for(errors.NotFoundError("x")).exit_code == 2
    assert answer_for(errors.NotMediaError("x")).exit_code == 2
    assert answer_for(errors.CatalogBusyError("x")).exit_code == 2
    assert answer_for(errors.MissingDependencyError("x")).exit_code == 3
    assert answer_for(errors.OperationCancelled("x")).exit_code == 130
    assert answer_for(KeyError("x")).exit_code == 1


def test_our_message_is_told_and_a_foreign_one_is_not() -> None:
    ours = problem_for(errors.NotFoundError("there is no video 'x'")).to_dict(instance="/v1/x")
    assert ours == {
        "type": "urn:sceneprint:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no video 'x'",
        "instance": "/v1/x",
    }
    foreign = problem_for(KeyError("/secret/path"))
    assert foreign.status == 500
    assert "secret" not in foreign.detail
