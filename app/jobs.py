"""Work that takes longer than a request: queued, watched, cancelled, kept for a while.

A job runs in a small pool of threads; what it returns is what the client gets. The store lives as
long as the process, and everything in it is bounded: jobs that wait, and time that ended ones stay.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.problems import Problem, problem_for
from app.schemas import ClassifyResult
from app.schemas_jobs import JobKind, JobStatus, JobView, ProblemView, ProgressView
from app.schemas_labels import LessonView
from app.schemas_library import IngestResult
from app.schemas_match import MatchResult
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.types import Progress, ProgressCallback

__all__ = ["Job", "JobResult", "JobStore", "StoreFullError", "Work"]

JobResult = MatchResult | ClassifyResult | IngestResult | LessonView
Work = Callable[[ProgressCallback, Callable[[], bool]], JobResult]

logger = logging.getLogger(__name__)


class StoreFullError(Exception):
    """As many jobs wait as may; try again later."""


@dataclass(eq=False)
class Job:
    """One piece of work and how it stands; changed only by its store."""

    job_id: str
    kind: JobKind
    created_at: str
    status: JobStatus = "queued"
    progress: Progress | None = None
    finished_at: str | None = None
    finished_clock: float = 0.0
    result: JobResult | None = None
    problem: Problem | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where the job is asked for."""
        return f"/v1/jobs/{self.job_id}"

    def view(self) -> JobView:
        """Render the job as it stands."""
        problem = None if self.problem is None else self.problem.to_dict(instance=self.url)
        return JobView(
            job_id=self.job_id,
            kind=self.kind,
            status=self.status,
            progress=None if self.progress is None else ProgressView.of(self.progress),
            created_at=self.created_at,
            finished_at=self.finished_at,
            result=self.result,
            error=None if problem is None else ProblemView(**problem),
            url=self.url,
        )


@dataclass(frozen=True)
class _Claim:
    """What an idempotency key stands for."""

    fingerprint: str
    job: Job


class JobStore:
    """Runs jobs in a bounded pool.

    Args:
        workers: Jobs that run at the same time.
        max_waiting: Jobs that may wait for a worker.
        keep_seconds: How long an ended job can be asked for.
    """

    def __init__(
        self, *, workers: int = 1, max_waiting: int = 16, keep_seconds: float = 3600.0
    ) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sceneprint-job")
        self._max_unfinished = workers + max_waiting
        self._keep_seconds = keep_seconds
        self._jobs: dict[str, Job] = {}
        self._claims: dict[str, _Claim] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def submit(
        self,
        kind: JobKind,
        work: Work,
        *,
        on_end: Callable[[], None] = lambda: None,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Job:
        """Queue work, or find the job that the key stands for.

        Args:
            kind: What the work is.
            work: Called with a progress callback and a `should_stop`.
            on_end: Called once the work will run no more, also when it never ran.
            idempotency_key: The same key with the same fingerprint gives the same job.
            fingerprint: Of everything the work depends on.

        Raises:
            InvalidInputError: The key was used for another request.
            StoreFullError: Too many jobs wait.
        """
        try:
            with self._lock:
                self._forget_old()
                claim = self._claims.get(idempotency_key) if idempotency_key else None
                if claim is None:
                    job = self._new_job(kind)
                    if idempotency_key:
                        self._claims[idempotency_key] = _Claim(fingerprint, job)
                    self._pool.submit(self._run, job, work, on_end)
        except BaseException:
            on_end()
            raise
        if claim is not None:
            on_end()
            if claim.fingerprint != fingerprint:
                raise InvalidInputError(
                    "this Idempotency-Key was used for another request; take a new key"
                )
            return claim.job
        return job

    def get(self, job_id: str) -> Job:
        """Find a job.

        Raises:
            NotFoundError: There is no such job, or it ended too long ago.
        """
        with self._lock:
            self._forget_old()
            job = self._jobs.get(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id!r}; ended jobs are kept for a while only")
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; one that has ended stays as it is."""
        job = self.get(job_id)
        job.stop.set()
        return job

    def count_unfinished(self) -> int:
        """Jobs that wait or run."""
        with self._lock:
            return sum(not job.ended.is_set() for job in self._jobs.values())

    def close(self, *, timeout_seconds: float = 10.0) -> None:
        """Stop all jobs and wait for them a while."""
        with self._lock:
            self._is_closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            job.stop.set()
        deadline = time.monotonic() + timeout_seconds
        for job in jobs:
            job.ended.wait(max(0.0, deadline - time.monotonic()))
        self._pool.shutdown(wait=False)

    def _new_job(self, kind: JobKind) -> Job:
        if self._is_closed:
            raise StoreFullError("the server is shutting down")
        if sum(not job.ended.is_set() for job in self._jobs.values()) >= self._max_unfinished:
            raise StoreFullError(f"{self._max_unfinished} jobs wait or run; try again later")
        job = Job(secrets.token_hex(8), kind, _now())
        self._jobs[job.job_id] = job
        return job

    def _forget_old(self) -> None:
        oldest = time.monotonic() - self._keep_seconds
        old = [
            job for job in self._jobs.values() if job.ended.is_set() and job.finished_clock < oldest
        ]
        for job in old:
            del self._jobs[job.job_id]
        self._claims = {
            key: claim for key, claim in self._claims.items() if claim.job.job_id in self._jobs
        }

    def _run(self, job: Job, work: Work, on_end: Callable[[], None]) -> None:
        def report(progress: Progress) -> None:
            job.progress = progress

        status: JobStatus = "failed"
        try:
            if job.stop.is_set():
                raise OperationCancelled("cancelled before it began")
            job.status = "running"
            job.result = work(report, job.stop.is_set)
            is_partial = isinstance(job.result, IngestResult) and job.result.was_cancelled
            status = "cancelled" if is_partial else "done"
        except OperationCancelled:
            status = "cancelled"
        except Exception as exc:
            job.problem = problem_for(exc)
            if job.problem.status >= 500:
                logger.error("job %s failed", job.job_id, exc_info=exc)
        finally:
            _tidied(job, on_end)
            job.finished_at, job.finished_clock = _now(), time.monotonic()
            job.status = status
            job.ended.set()


def _tidied(job: Job, on_end: Callable[[], None]) -> None:
    """Tidy up; what goes wrong there must not keep the job from ending."""
    try:
        on_end()
    except Exception:
        logger.exception("tidying up after job %s failed", job.job_id)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
