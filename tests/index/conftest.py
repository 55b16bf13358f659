"""FAISS on one thread: its many small calls here spin at barriers on a busy machine."""

from collections.abc import Iterator

import faiss
import pytest


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)
