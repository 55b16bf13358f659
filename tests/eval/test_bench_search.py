"""The search benchmark on a small made library: rows, ratios and the library itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from eval import bench_search
from eval.queries import query_texts
from retrieval.catalog import Catalog
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId


def test_rows_and_ratios() -> None:
    served: list[str] = []

    @contextmanager
    def serve(engine: Engine) -> Iterator[Callable[[str], object]]:
        def search(text: str) -> object:
            served.append(text)
            return engine.search(text=text)

        yield search

    table = bench_search.run(num_shots=1000, runs=2, serve=serve)
    assert [row[0] for row in table.rows] == [
        "encode one text",
        "FAISS, one query",
        "floor: the two together",
        "numpy, all vectors, one query",
        "Engine.search",
        "POST /v1/search",
    ]
    encode, faiss, floor = (float(table.value(row, "median_ms") or 0) for row in range(3))
    assert floor == pytest.approx(encode + faiss)
    assert table.value(2, "floor_ratio") == 1.0
    assert len(served) == len(set(served)) == 2 + 5  # runs and warm-up, all different


def test_made_library_is_whole(tmp_path: Path) -> None:
    encoder = EncoderId(name="made:encoder/v1", hash="0" * 64, dim=16)
    with Catalog.open(tmp_path, create=True) as catalog:
        vectors = bench_search.fill_library(catalog, encoder, num_shots=2000)
        ids, stored = catalog.shot_vectors(encoder)
        assert catalog.totals().num_shots == len(ids) == len(vectors) == 2000
        np.testing.assert_allclose(stored, vectors, atol=2e-3)
        assert len(catalog.scenes(catalog.videos()[0].video_id)) == 100


@pytest.mark.parametrize(("runs", "num_shots"), [(0, 1000), (1, 1500), (1, 0)])
def test_refuses_odd_numbers(runs: int, num_shots: int) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        bench_search.run(runs=runs, num_shots=num_shots)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_query_texts_never_repeat(language: str) -> None:
    texts = list(islice(query_texts(language), 2000))  # type: ignore[arg-type]
    assert len(set(texts)) == len(texts)
