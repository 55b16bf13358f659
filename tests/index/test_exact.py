import numpy as np

from index import create_index
from index.base import VectorIndex
from tests.index.conformance import DIM, IndexConformance, unit_rows


class TestExactIndex(IndexConformance):
    def make(self) -> VectorIndex:
        return create_index("exact", DIM)

    def test_equal_scores_come_in_the_order_of_adding(self) -> None:
        index = self.make()
        index.add([9, 2, 5, 7], np.repeat(unit_rows(1), 4, axis=0))
        assert index.search(unit_rows(1), 3)[1].tolist() == [[9, 2, 5]]

    def test_blocks_of_queries_change_nothing(self, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        index = self.make()
        index.add(np.arange(50), unit_rows(50))
        whole = index.search(unit_rows(20, seed=2), 5)
        monkeypatch.setattr("index.exact._MAX_SCORES", 120)  # blocks of two queries
        parts = index.search(unit_rows(20, seed=2), 5)
        np.testing.assert_array_equal(whole[1], parts[1])
        np.testing.assert_allclose(whole[0], parts[0], atol=1e-6)
