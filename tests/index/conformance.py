"""What every index backend must do; a backend's test class inherits from IndexConformance."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.base import FloatArray, VectorIndex
from index.storage import IndexDamagedError, IndexStaleError

DIM = 8
BASE_SEED = 7
INHERITED = [HealthCheck.differing_executors]  # the inherited tests run in several classes


def unit_rows(num: int, dim: int = DIM, seed: int = BASE_SEED) -> FloatArray:
    rows = np.random.default_rng(seed).standard_normal((num, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


class IndexConformance:
    tolerance = 1e-5
    num_first = 6
    """How many vectors the backend is filled with first, to bring it into the form under test."""

    def make(self) -> VectorIndex:
        raise NotImplementedError

    def filled(self) -> tuple[VectorIndex, dict[int, FloatArray]]:
        index = self.make()
        rows = unit_rows(self.num_first)
        ids = np.arange(self.num_first) * 3 + 1000
        index.add(ids, rows)
        return index, dict(zip(ids.tolist(), rows, strict=True))

    def check_same(self, index: VectorIndex, oracle: dict[int, FloatArray]) -> None:
        """Every id is there with its true score, in falling order."""
        assert len(index) == len(oracle)
        assert index.ids().tolist() == sorted(oracle)
        queries = unit_rows(3, seed=99)
        k = len(oracle) + 2
        scores, ids = index.search(queries, k)
        for query, row_scores, row_ids in zip(queries, scores, ids, strict=True):
            assert set(row_ids[: len(oracle)].tolist()) == set(oracle)
            truth = [float(query @ oracle[i]) for i in row_ids[: len(oracle)].tolist()]
            np.testing.assert_allclose(row_scores[: len(oracle)], truth, atol=self.tolerance)
            assert np.all(np.diff(row_scores[: len(oracle)]) <= 0)
        assert np.all(scores[:, len(oracle) :] == -np.inf)
        assert np.all(ids[:, len(oracle) :] == -1)

    def test_hand_computed(self) -> None:
        index = self.make()
        axes = np.eye(DIM, dtype=np.float32)
        index.add([5, 3, 9], axes[[0, 1, 2]])
        scores, ids = index.search([[0.6, 0.0, 0.8, 0, 0, 0, 0, 0]], 2)
        assert ids.tolist() == [[9, 5]]
        np.testing.assert_allclose(scores, [[0.8, 0.6]], atol=1e-6)

    def test_empty_index_pads(self) -> None:
        scores, ids = self.make().search(unit_rows(2), 3)
        assert ids.tolist() == [[-1] * 3] * 2
        assert np.all(scores == -np.inf)
        assert scores.dtype == np.float32
        assert ids.dtype == np.int64

    def test_no_queries(self) -> None:
        index, _ = self.filled()
        scores, ids = index.search(np.empty((0, DIM), np.float32), 3)
        assert scores.shape == ids.shape == (0, 3)

    @settings(max_examples=15, deadline=None, suppress_health_check=INHERITED)
    @given(
        steps=st.lists(
            st.tuples(st.booleans(), st.sets(st.integers(0, 30), max_size=12)), max_size=12
        )
    )
    def test_any_sequence_of_add_and_remove(self, steps: list[tuple[bool, set[int]]]) -> None:
        index, oracle = self.filled()
        for number, (is_add, chosen) in enumerate(steps):
            if is_add:
                new = sorted(chosen - set(oracle))
                rows = unit_rows(len(new), seed=number)
                index.add(new, rows)
                oracle.update(zip(new, rows, strict=True))
            else:
                gone = chosen & set(oracle)
                assert index.remove(sorted(chosen)) == len(gone)
                for one in gone:
                    del oracle[one]
        self.check_same(index, oracle)

    def test_remove_all_and_add_again(self) -> None:
        index, oracle = self.filled()
        ids = list(oracle)
        assert index.remove(ids) == len(ids)
        assert len(index) == 0
        assert index.search(unit_rows(1), 2)[1].tolist() == [[-1, -1]]
        rows = unit_rows(len(ids), seed=1)
        index.add(ids, rows)
        self.check_same(index, dict(zip(ids, rows, strict=True)))

    def test_removed_is_never_found(self) -> None:
        index, oracle = self.filled()
        for one in list(oracle)[:5]:
            query = oracle[one]
            assert index.search([query], 1)[1].tolist() == [[one]]
            index.remove([one])
            assert one not in index.search([query], 5)[1]

    def test_allowed_limits_the_answer(self) -> None:
        index, oracle = self.filled()
        allowed = list(oracle)[2:5]
        query = unit_rows(1, seed=3)
        scores, ids = index.search(query, 10, allowed=[*allowed, 77_777])
        expected = sorted(allowed, key=lambda one: -float(query[0] @ oracle[one]))
        assert ids[0].tolist() == expected + [-1] * 7
        assert np.all(scores[0, 3:] == -np.inf)
        index.remove(allowed[:1])
        assert set(index.search(query, 3, allowed=allowed)[1][0].tolist()) == {-1, *allowed[1:]}
        assert index.search(query, 2, allowed=[])[1].tolist() == [[-1, -1]]

    def test_existing_id_is_refused_and_nothing_changes(self) -> None:
        index, oracle = self.filled()
        known = next(iter(oracle))
        with pytest.raises(ValueError, match=f"already in: .*{known}"):
            index.add([1, known], unit_rows(2))
        self.check_same(index, oracle)

    @pytest.mark.parametrize(
        ("ids", "rows", "message"),
        [
            ([1, 1], unit_rows(2), "twice"),
            ([1], unit_rows(2), "1 ids for 2 vectors"),
            ([-1], unit_rows(1), "below 0"),
            ([1.5], unit_rows(1), "integers"),
            ([1], unit_rows(1) * 2, "unit norm"),
            ([1], unit_rows(1) * np.nan, "finite"),
            ([1], unit_rows(1, dim=DIM + 1), "shape"),
            ([1], unit_rows(1)[0], "shape"),
        ],
    )
    def test_bad_input_is_named(self, ids: list[int], rows: FloatArray, message: str) -> None:
        index = self.make()
        with pytest.raises(ValueError, match=message):
            index.add(ids, rows)
        assert len(index) == 0

    def test_bad_queries_are_named(self) -> None:
        index, _ = self.filled()
        with pytest.raises(ValueError, match="k = 0"):
            index.search(unit_rows(1), 0)
        with pytest.raises(ValueError, match="finite"):
            index.search(np.full((1, DIM), np.inf), 1)
        with pytest.raises(ValueError, match=r"shape \(1, 9\)"):
            index.search(unit_rows(1, dim=9), 1)

    def test_saved_and_loaded_is_the_same(self, tmp_path: Path) -> None:
        index, oracle = self.filled()
        gone = list(oracle)[1]
        index.remove([gone])
        del oracle[gone]
        index.save(tmp_path / "index", generation="3-ab")
        loaded = type(index).load(tmp_path / "index", generation="3-ab")
        assert loaded.generation == "3-ab"
        self.check_same(loaded, oracle)
        rows = unit_rows(2, seed=5)
        loaded.add([gone, 1], rows)
        self.check_same(loaded, {**oracle, gone: rows[0], 1: rows[1]})

    def test_saved_empty(self, tmp_path: Path) -> None:
        self.make().save(tmp_path / "index", generation="g")
        assert len(type(self.make()).load(tmp_path / "index", generation="g")) == 0

    def test_stale_file_is_refused(self, tmp_path: Path) -> None:
        index, _ = self.filled()
        index.save(tmp_path / "index", generation="3-ab")
        with pytest.raises(IndexStaleError, match="4-cd"):
            type(index).load(tmp_path / "index", generation="4-cd")
        assert type(index).load(tmp_path / "index", generation=None).generation == "3-ab"

    @settings(max_examples=40, deadline=None, suppress_health_check=INHERITED)
    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
    def test_damaged_file_is_refused_unparsed(
        self, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int, cut: bool
    ) -> None:
        path = tmp_path_factory.getbasetemp() / f"{type(self).__name__}.index"
        if not path.exists():
            self.filled()[0].save(path, generation="g")
        content = bytearray(path.read_bytes())
        at = int(place * len(content))
        if cut:
            del content[at:]
        else:
            content[at] ^= 1 << bit
        damaged = path.with_suffix(".damaged")
        damaged.write_bytes(content)
        with pytest.raises(IndexDamagedError):
            type(self.make()).load(damaged, generation="g")

    def test_searches_beside_changes(self) -> None:
        index, oracle = self.filled()
        fixed = set(oracle)
        moving = list(range(20))
        rows = unit_rows(20, seed=4)
        failures: list[BaseException] = []
        is_done = threading.Event()

        def search() -> None:
            try:
                while not is_done.is_set():
                    scores, ids = index.search(rows[:3], self.num_first + 20)
                    for row_scores, row_ids in zip(scores, ids, strict=True):
                        found = set(row_ids[row_ids >= 0].tolist())
                        assert fixed <= found <= fixed | set(moving)
                        assert np.isfinite(row_scores[row_ids >= 0]).all()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            index.add(moving, rows)
            assert index.remove(moving) == 20
        is_done.set()
        for thread in threads:
            thread.join()
        assert not failures
        self.check_same(index, oracle)
