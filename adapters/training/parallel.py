"""Runs the chunks of a batch in worker threads, forward and backward.

A training machine is rarely idle. Threads that split every matrix product wait for the slowest one
at every operation; threads that take whole chunks wait once a step. Gradients of shared weights
are added up by autograd under its own locks, so the order of sums, and of dropout draws, depends
on the scheduling: only one worker repeats a run bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Job = Callable[[], Tensor]
"""Computes the embeddings of one chunk, (n, D), with the gradient mode it is run under."""


class Workers:
    """A pool of single-threaded workers; none means the caller's own thread.

    Several processes and GPUs take none: `DistributedDataParallel` follows one backward pass.
    """

    def __init__(self, num_workers: int) -> None:
        self._pool = (
            ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(1,))
            if num_workers
            else None
        )

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def train(self, jobs: Sequence[Job]) -> Tensor:
        """Returns the concatenated outputs; their backward runs in the workers too."""
        if self._pool is None:
            return torch.cat([job() for job in jobs])
        anchor = torch.zeros((), requires_grad=True)
        out: Tensor = _Chunks.apply(anchor, self._pool, jobs)  # type: ignore[no-untyped-call]
        return out

    def infer(self, jobs: Sequence[Job]) -> Tensor:
        """Returns the concatenated outputs without gradients."""

        def run(job: Job) -> Tensor:
            with torch.no_grad():
                return job()

        done = map(run, jobs) if self._pool is None else self._pool.map(run, jobs)
        return torch.cat(list(done))


@contextmanager
def workers(num_workers: int) -> Iterator[Workers]:
    """Makes a pool for a `with` block."""
    pool = Workers(num_workers)
    try:
        yield pool
    finally:
        pool.close()


class _Chunks(torch.autograd.Function):
    """Keeps the graph of every chunk, and hands each its part of the gradient."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, pool: ThreadPoolExecutor, jobs: Sequence[Job]) -> Tensor:
        def run(job: Job) -> Tensor:
            with torch.enable_grad():
                return job()

        ctx.pool, ctx.outs = pool, list(pool.map(run, jobs))
        return torch.cat([out.detach() for out in ctx.outs])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        parts = torch.split(grads[0], [len(out) for out in ctx.outs])
        list(ctx.pool.map(torch.autograd.backward, ctx.outs, parts))
        ctx.outs = None
        return torch.zeros(()), None, None
