from pathlib import Path

import numpy as np
import pytest

from index import create_index, load_index
from index.base import FloatArray, VectorIndex
from index.exact import ExactIndex
from index.faiss import FaissIndex
from index.faiss_ivf import RECALL_TARGET
from index.storage import IndexDamagedError
from tests.index.conformance import DIM, IndexConformance, unit_rows


class TestFaissFlat(IndexConformance):
    def make(self) -> VectorIndex:
        return create_index("faiss", DIM)

    def test_is_exact(self) -> None:
        index, _ = self.filled()
        assert isinstance(index, FaissIndex)
        assert index.is_exact


class TestFaissLists(IndexConformance):
    """The same index once it holds inverted lists: from 700 vectors on here."""

    tolerance = 1e-3
    num_first = 700

    def make(self) -> VectorIndex:
        return FaissIndex(DIM, flat_below=self.num_first)

    def test_has_lists(self) -> None:
        index, _ = self.filled()
        assert isinstance(index, FaissIndex)
        assert not index.is_exact

    def test_damaged_file_never_reaches_faiss(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.filled()[0].save(tmp_path / "index", generation="g")
        content = bytearray((tmp_path / "index").read_bytes())
        content[-100] ^= 1
        (tmp_path / "index").write_bytes(content)
        monkeypatch.setattr("faiss.deserialize_index", pytest.fail)
        with pytest.raises(IndexDamagedError, match="truncated or altered"):
            FaissIndex.load(tmp_path / "index", generation="g")

    @pytest.mark.parametrize("dim", [1, 3, 7, 100])
    def test_any_width(self, dim: int) -> None:
        index = FaissIndex(dim, flat_below=700)
        rows = unit_rows(700, dim=dim)
        index.add(np.arange(700), rows)
        scores, _ = index.search(rows[:20], 1)
        np.testing.assert_allclose(scores[:, 0], 1.0, atol=2e-3)


class TestFaissCompact(TestFaissLists):
    """Lists with a byte a component."""

    tolerance = 2e-2  # of a few wide components

    def make(self) -> VectorIndex:
        return FaissIndex(DIM, flat_below=self.num_first, is_compact=True)

    def test_a_loaded_index_takes_more(self, tmp_path: Path) -> None:
        self.filled()[0].save(tmp_path / "index", generation="g")
        loaded = FaissIndex.load(tmp_path / "index", generation="g")
        rows = unit_rows(50, seed=9)
        loaded.add(np.arange(10_000, 10_050), rows)
        scores, ids = loaded.search(rows, 1)
        assert ids[:, 0].tolist() == list(range(10_000, 10_050))
        np.testing.assert_allclose(scores[:, 0], 1.0, atol=self.tolerance)
        loaded.save(tmp_path / "index", generation="h")  # over the file it was read from
        again = FaissIndex.load(tmp_path / "index", generation="h")
        np.testing.assert_array_equal(again.search(rows, 5)[1], loaded.search(rows, 5)[1])


class TestTrain:
    """Lists that are trained on a sample and filled in several calls."""

    def test_they_find_what_lists_filled_at_once_find(self) -> None:
        rows = clustered(6000, 32, seed=3)
        index = FaissIndex(32, flat_below=1000)
        assert index.num_training(999) == 0
        assert 0 < index.num_training(6000) <= 6000
        index.train(rows[::2], total=6000)
        for start in range(0, 6000, 1500):
            index.add(np.arange(start, start + 1500), rows[start : start + 1500])
        assert index.ivf_settings is not None
        assert index.ivf_settings.recall >= RECALL_TARGET
        exact = ExactIndex(32)
        exact.add(np.arange(6000), rows)
        queries = rows[::60] + 0.8 * unit_rows(100, dim=32)
        assert recall(exact.search(queries, 10)[1], index.search(queries, 10)[1]) > 0.97

    def test_a_small_index_is_not_trained(self) -> None:
        index = FaissIndex(DIM, flat_below=1000)
        index.train(unit_rows(50), total=50)
        assert index.is_exact

    def test_only_an_empty_index_is_trained(self) -> None:
        index = FaissIndex(DIM)
        index.add([1], unit_rows(1))
        with pytest.raises(ValueError, match="empty"):
            index.train(unit_rows(50), total=50)


def clustered(num: int, dim: int, *, seed: int) -> FloatArray:
    """Rows around centres, about 120 to each, as shots of one place are."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((num // 120, dim))
    rows = centres[rng.integers(0, len(centres), num)] + 0.7 * rng.standard_normal((num, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def recall(truth: np.ndarray, found: np.ndarray) -> float:
    shared = [len(set(a) & set(b)) for a, b in zip(truth.tolist(), found.tolist(), strict=True)]
    return sum(shared) / truth.size


NUM, WIDTH = 60_000, 64


@pytest.fixture(scope="module")
def both() -> tuple[ExactIndex, FaissIndex, FloatArray]:
    rows = clustered(NUM, WIDTH, seed=0)
    exact, fast = ExactIndex(WIDTH), FaissIndex(WIDTH)
    for index in (exact, fast):
        index.add(np.arange(NUM), rows)
    queries = rows[::200] + 0.8 * unit_rows(300, dim=WIDTH)
    return exact, fast, queries


class TestLarge:
    @pytest.mark.parametrize("k", [1, 10, 100])
    def test_recall(self, both: tuple[ExactIndex, FaissIndex, FloatArray], k: int) -> None:
        exact, fast, queries = both
        assert fast.ivf_settings is not None
        assert recall(exact.search(queries, k)[1], fast.search(queries, k)[1]) >= 0.98

    def test_recall_after_remove_and_add(
        self, both: tuple[ExactIndex, FaissIndex, FloatArray], tmp_path: Path
    ) -> None:
        exact, fast, queries = both
        rows = clustered(NUM, WIDTH, seed=0)
        moved = np.arange(5_000, 9_000)
        for index in (exact, fast):
            assert index.remove(moved) == len(moved)
        found = fast.search(queries, 10)[1]
        assert not np.isin(found, moved).any()
        assert recall(exact.search(queries, 10)[1], found) >= 0.98
        for index in (exact, fast):
            index.add(moved, rows[moved])
        # FAISS 1.15's own remove_ids stores wrong codes here: then the moved are found too rarely
        scores, found = fast.search(rows[moved[::40]], 10)
        truth = exact.search(rows[moved[::40]], 10)[1]
        assert recall(truth, found) >= 0.98
        np.testing.assert_allclose(scores[:, 0], 1.0, atol=1e-3)
        fast.save(tmp_path / "index", generation="g")
        loaded = load_index("faiss", tmp_path / "index", generation="g")
        np.testing.assert_array_equal(loaded.search(rows[moved[::40]], 10)[1], found)
        assert fast.rebuild_reason is None

    def test_allowed_finds_far_ones(self, both: tuple[ExactIndex, FaissIndex, FloatArray]) -> None:
        exact, fast, queries = both
        allowed = np.arange(0, NUM, 200)
        truth = exact.search(queries, 10, allowed=allowed)[1]
        assert recall(truth, fast.search(queries, 10, allowed=allowed)[1]) >= 0.98

    def test_tuning_stops_where_the_target_is_reached(self) -> None:
        index = FaissIndex(64, flat_below=5_000)
        index.add(np.arange(5_000), clustered(5_000, 64, seed=2))
        assert index.ivf_settings is not None
        assert index.ivf_settings.recall >= RECALL_TARGET
        assert index.ivf_settings.nprobe < 64  # of 64 lists

    def test_training_is_deterministic(self) -> None:
        rows = clustered(3_000, 16, seed=1)
        found = []
        for _ in range(2):
            index = FaissIndex(16, flat_below=2_000)
            index.add(np.arange(3_000), rows)
            found.append(index.search(rows[:50], 5))
        np.testing.assert_array_equal(found[0][1], found[1][1])
        np.testing.assert_array_equal(found[0][0], found[1][0])


class TestRebuildReason:
    def lists(self) -> FaissIndex:
        index = FaissIndex(DIM, flat_below=700)
        index.add(np.arange(700), unit_rows(700))
        assert index.rebuild_reason is None
        return index

    def test_flat_grew(self) -> None:
        index = FaissIndex(DIM, flat_below=700)
        index.add(np.arange(699), unit_rows(699))
        assert not index.rebuild_reason
        index.add([1000], unit_rows(1))
        assert index.ivf_settings is None
        assert index.rebuild_reason is not None
        assert "700 vectors" in index.rebuild_reason

    def test_lists_grew(self) -> None:
        index = self.lists()
        index.add(np.arange(1000, 3101), unit_rows(2101, seed=3))
        assert index.rebuild_reason == "grew from 700 vectors to 2801 since its training"

    def test_dead_rows(self) -> None:
        index = self.lists()
        index.remove(np.arange(211))
        assert index.rebuild_reason is not None
        assert "211 removed" in index.rebuild_reason

    def test_shrank(self) -> None:
        index = self.lists()
        index.remove(np.arange(400))
        assert index.rebuild_reason is not None
        assert "shrank to 300" in index.rebuild_reason

    def test_drifted(self) -> None:
        index = self.lists()
        crowd = np.repeat(unit_rows(1), 1200, axis=0)
        index.add(np.arange(1000, 2200), crowd)
        assert index.rebuild_reason is not None
        assert "crowd" in index.rebuild_reason
