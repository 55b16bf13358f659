"""The room to compute in is bounded."""

import asyncio
import threading
from pathlib import Path

import pytest

from app.http.errors import ProblemError
from app.http.metrics import Metrics
from app.http.state import AppState
from app.jobs import JobStore
from retrieval.engine import Engine
from tests.app.served import settings_of


@pytest.fixture
def state(library: Path) -> AppState:
    settings = settings_of(server={"max_concurrency": 1, "max_waiting": 0})
    jobs = JobStore(workers=1, max_waiting=1)
    return AppState(Engine(library), settings, jobs, Metrics())


class TestCompute:
    def test_more_than_may_wait_are_refused(self, state: AppState) -> None:
        async def scenario() -> None:
            is_let_go = threading.Event()
            first = asyncio.create_task(state.compute(is_let_go.wait))
            second = asyncio.create_task(state.compute(is_let_go.wait))
            await asyncio.sleep(0.1)
            with pytest.raises(ProblemError) as refused:
                await asyncio.wait_for(state.compute(lambda: None), timeout=10)
            assert refused.value.problem.status == 503
            is_let_go.set()
            assert [await first, await second] == [True, True]
            assert await state.compute(lambda: "free again") == "free again"

        asyncio.run(scenario())
        state.jobs.close()
