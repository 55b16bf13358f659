"""The job store: order, cancelling, idempotency, bounds, forgetting."""

import threading
from collections.abc import Callable, Iterator

import pytest

from app.jobs import JobStore, StoreFullError
from app.schemas_library import IngestResult
from app.schemas_match import MatchResult
from retrieval.errors import InvalidInputError, NotFoundError, NotMediaError, OperationCancelled
from retrieval.types import Progress, ProgressCallback

EMPTY = MatchResult(matches=[], query_seconds=0, unreadable=[], notes=[])


@pytest.fixture
def store() -> Iterator[JobStore]:
    made = JobStore(workers=1, max_waiting=1)
    yield made
    made.close()


def _at_once(progress: ProgressCallback, should_stop: Callable[[], bool]) -> MatchResult:
    progress(Progress("match", "film", 1.0, 2.0))
    return EMPTY


def _until_stopped(progress: ProgressCallback, should_stop: Callable[[], bool]) -> MatchResult:
    stop = threading.Event()
    while not should_stop():
        stop.wait(0.005)
    raise OperationCancelled("asked to")


def test_a_job_runs_and_keeps_its_result(store: JobStore) -> None:
    job = store.submit("match", _at_once)
    assert job.ended.wait(5)
    view = store.get(job.job_id).view()
    assert view.status == "done"
    assert view.result == EMPTY
    assert view.error is None
    assert view.progress is not None
    assert view.progress.done == 1.0
    assert view.finished_at is not None


def test_a_failed_job_tells_the_problem(store: JobStore) -> None:
    def fail(progress: ProgressCallback, should_stop: Callable[[], bool]) -> MatchResult:
        raise NotMediaError("this is no film")

    job = store.submit("match", fail)
    assert job.ended.wait(5)
    view = job.view()
    assert view.status == "failed"
    assert view.error is not None
    assert view.error.status == 415
    assert view.error.detail == "this is no film"
    assert view.error.instance == job.url


def test_a_bug_in_a_job_hides_its_text(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    def fail(progress: ProgressCallback, should_stop: Callable[[], bool]) -> MatchResult:
        raise KeyError("/secret")

    job = store.submit("match", fail)
    assert job.ended.wait(5)
    assert "secret" not in job.view().model_dump_json()
    assert "secret" in caplog.text


def test_cancel_running_and_waiting(store: JobStore) -> None:
    running = store.submit("match", _until_stopped)
    waiting = store.submit("match", _at_once)
    assert waiting.view().status == "queued"
    store.cancel(waiting.job_id)
    store.cancel(running.job_id)
    assert waiting.ended.wait(5)
    assert running.view().status == "cancelled"
    assert waiting.view().status == "cancelled"
    assert waiting.view().result is None


def test_a_stopped_ingest_keeps_its_result(store: JobStore) -> None:
    partial = IngestResult(outcomes=[], wall_seconds=1.0, was_cancelled=True)
    job = store.submit("ingest", lambda progress, should_stop: partial)
    assert job.ended.wait(5)
    assert job.view().status == "cancelled"
    assert job.view().result == partial


def test_a_full_store_refuses_and_tidies(store: JobStore) -> None:
    store.submit("match", _until_stopped)
    store.submit("match", _until_stopped)
    tidied = threading.Event()
    with pytest.raises(StoreFullError):
        store.submit("match", _at_once, on_end=tidied.set)
    assert tidied.is_set()


def test_idempotency(store: JobStore) -> None:
    ends = []
    first = store.submit("match", _at_once, idempotency_key="k", fingerprint="a")
    again = store.submit(
        "match", _at_once, idempotency_key="k", fingerprint="a", on_end=lambda: ends.append("again")
    )
    assert again is first
    assert ends == ["again"]
    with pytest.raises(InvalidInputError, match="another request"):
        store.submit("match", _at_once, idempotency_key="k", fingerprint="b")
    assert first.ended.wait(5)
    other = store.submit("match", _at_once, idempotency_key="k2", fingerprint="a")
    assert other is not first


def test_ended_jobs_are_forgotten() -> None:
    store = JobStore(keep_seconds=0.01)
    job = store.submit("match", _at_once, idempotency_key="k")
    assert job.ended.wait(5)
    threading.Event().wait(0.05)
    with pytest.raises(NotFoundError):
        store.get(job.job_id)
    assert store.submit("match", _at_once, idempotency_key="k") is not job
    store.close()


def test_close_stops_what_runs() -> None:
    store = JobStore()
    ended = threading.Event()
    job = store.submit("match", _until_stopped, on_end=ended.set)
    store.close()
    assert job.view().status == "cancelled"
    assert ended.is_set()
    assert store.count_unfinished() == 0


def test_a_failure_in_tidying_still_ends_the_job(
    store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    job = store.submit("match", _at_once, on_end=fail)
    assert job.ended.wait(5)
    assert job.status == "done"
    assert store.count_unfinished() == 0
    assert "tidying up" in caplog.text
