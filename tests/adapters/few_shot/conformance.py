"""What every few-shot adapter must do; an adapter's test class inherits from AdapterConformance."""

from typing import ClassVar

import numpy as np
import pytest

from adapters.few_shot.base import FewShotAdapter, FloatArray, Shots
from adapters.few_shot.registry import adapter_class

DIM = 16
NUM_CLASSES = 3
TEMPERATURE = 10.0


def unit(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def made_rows(num: int, *, seed: int, noise: float = 0.15) -> tuple[FloatArray, np.ndarray]:
    """`num` rows a class around the first axes, in the order of the classes."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(NUM_CLASSES), num)
    rows = np.eye(DIM)[labels] + noise * rng.standard_normal((len(labels), DIM))
    return unit(rows.astype(np.float32)), labels


def text_weights(*, wrong: bool = False) -> FloatArray:
    """Words that half point to their class; or, wrong ones, all to another class."""
    axes = np.eye(DIM, dtype=np.float32)
    chosen = np.roll(axes[:NUM_CLASSES], 1, axis=0) if wrong else axes[:NUM_CLASSES]
    return unit(chosen + axes[5])


def made_shots(num: int = 6, *, wrong_words: bool = False, seed: int = 1) -> Shots:
    rows, labels = made_rows(num, seed=seed)
    return Shots.exclusive(
        rows, labels, text_weights=text_weights(wrong=wrong_words), temperature=TEMPERATURE
    )


def multi_label_shots(num: int = 12) -> Shots:
    """Class 0 and 1 each hold in half of the rows, independently; class 2 in a quarter."""
    rng = np.random.default_rng(3)
    targets = np.array([[i % 2, i // 2 % 2, i % 4 == 3] for i in range(num)], np.float32)
    rows = targets @ np.eye(NUM_CLASSES, DIM) + np.eye(DIM)[7]
    rows = unit((rows + 0.05 * rng.standard_normal(rows.shape)).astype(np.float32))
    return Shots(
        embeddings=rows,
        targets=targets,
        text_weights=text_weights(),
        temperature=TEMPERATURE,
        is_exclusive=False,
    )


class AdapterConformance:
    name: str
    learns: ClassVar[bool] = True
    """Whether the shots can overrule wrong words."""
    needs_words: ClassVar[bool] = False

    def fitted(self, shots: Shots | None = None) -> FewShotAdapter:
        return adapter_class(self.name).fit(made_shots() if shots is None else shots, seed=0)

    def test_registered_under_its_name(self) -> None:
        assert adapter_class(self.name).name == self.name

    def test_right_words_and_shots_give_right_answers(self) -> None:
        rows, labels = made_rows(20, seed=9)
        logits = self.fitted().logits(rows)
        assert logits.shape == (60, NUM_CLASSES)
        assert logits.dtype == np.float32
        assert (logits.argmax(axis=1) == labels).mean() > 0.95

    def test_shots_overrule_wrong_words(self) -> None:
        if not self.learns:
            pytest.skip("keeps to the words")
        rows, labels = made_rows(20, seed=9)
        logits = self.fitted(made_shots(wrong_words=True)).logits(rows)
        assert (logits.argmax(axis=1) == labels).mean() > 0.8

    def test_one_shot_is_enough_to_fit(self) -> None:
        rows, labels = made_rows(20, seed=9)
        logits = self.fitted(made_shots(1)).logits(rows)
        assert (logits.argmax(axis=1) == labels).mean() > 0.9

    def test_multi_label_ranks_and_separates(self) -> None:
        shots = multi_label_shots()
        logits = self.fitted(shots).logits(shots.embeddings)
        assert ((logits > 0) == (shots.targets > 0)).mean() > 0.85
        for column in range(NUM_CLASSES):
            holds = shots.targets[:, column] > 0
            assert logits[holds, column].min() > logits[~holds, column].max()

    def test_class_without_shots_is_not_answered_by_surprise(self) -> None:
        shots = made_shots()
        left = shots.subset(np.flatnonzero(shots.targets[:, 2] == 0))
        logits = self.fitted(left).logits(left.embeddings)
        assert np.isfinite(logits).all()
        assert (logits.argmax(axis=1) == left.targets.argmax(axis=1)).all()

    def test_without_words(self) -> None:
        shots = made_shots()
        wordless = Shots(
            embeddings=shots.embeddings,
            targets=shots.targets,
            text_weights=None,
            temperature=TEMPERATURE,
        )
        if self.needs_words:
            with pytest.raises(ValueError, match="sentences"):
                self.fitted(wordless)
            return
        rows, labels = made_rows(20, seed=9)
        assert (self.fitted(wordless).logits(rows).argmax(axis=1) == labels).mean() > 0.95

    def test_same_seed_same_adapter(self) -> None:
        first, second = self.fitted(), self.fitted()
        for name in first.array_names:
            np.testing.assert_array_equal(first.arrays[name], second.arrays[name])

    def test_made_anew_from_its_arrays(self) -> None:
        adapter = self.fitted()
        rows, _ = made_rows(4, seed=5)
        again = type(adapter)(dict(adapter.arrays))
        np.testing.assert_array_equal(again.logits(rows), adapter.logits(rows))
        assert (again.dim, again.num_classes) == (DIM, NUM_CLASSES)

    def test_rows_are_scored_one_by_one(self) -> None:
        adapter = self.fitted()
        rows, _ = made_rows(3, seed=5)
        single = np.concatenate([adapter.logits(row[None]) for row in rows])
        np.testing.assert_allclose(adapter.logits(rows), single, atol=1e-4)
        assert adapter.logits(rows[:0]).shape == (0, NUM_CLASSES)

    def test_bad_input_is_named(self) -> None:
        adapter = self.fitted()
        with pytest.raises(ValueError, match=r"expected \(N, 16\)"):
            adapter.logits(np.zeros((2, 5), np.float32))
        with pytest.raises(ValueError, match="finite"):
            adapter.logits(np.full((1, DIM), np.nan, np.float32))

    def test_arrays_that_do_not_fit_are_refused(self) -> None:
        adapter = self.fitted()
        with pytest.raises(ValueError, match="got arrays"):
            type(adapter)({**adapter.arrays, "other": np.zeros(1, np.float32)})
        for name in adapter.array_names:
            broken = {**adapter.arrays, name: np.zeros((1, 1, 1), np.float32)}
            with pytest.raises(ValueError, match=r"got |expected"):
                type(adapter)(broken)
            with pytest.raises(ValueError, match="finite"):
                type(adapter)({**adapter.arrays, name: np.full_like(adapter.arrays[name], np.inf)})
