"""What every fusion method must do; a method's test class inherits from FusionConformance."""

from functools import cache
from typing import ClassVar

import numpy as np
import pytest

from adapters.few_shot.base import FloatArray
from adapters.fusion.base import FusionAdapter, FusionShots, ModalityRows, Rows, with_only
from adapters.fusion.registry import fusion_class

DIMS = {"picture": 12, "sound": 8, "text": 10}
NUM_CLASSES = 4
CODES = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
"""Of each class, one of two kinds in each modality: any two modalities tell them all apart."""


def made_rows(num: int, *, seed: int, absent: float = 0.0) -> tuple[Rows, np.ndarray]:
    """`num` rows a class; each modality shows its kind alone, in an encoder's narrow cone."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(NUM_CLASSES), num)
    there = rng.random((len(labels), len(DIMS))) >= absent
    there[~there.any(axis=1), 0] = True
    rows = {}
    for place, (name, dim) in enumerate(DIMS.items()):
        made = np.eye(dim)[CODES[labels, place]] + 0.6 * np.eye(dim)[-1]
        made = made + 0.2 * rng.standard_normal(made.shape)
        rows[name] = ModalityRows.of(_unit(made), there[:, place])
    return rows, labels


def made_shots(num: int = 8, *, absent: float = 0.1, seed: int = 1) -> FusionShots:
    rows, labels = made_rows(num, seed=seed, absent=absent)
    words = _unit(np.eye(DIMS["picture"])[CODES[:, 0]] + np.eye(DIMS["picture"])[5])
    return FusionShots(
        rows=rows,
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        text_weights={"picture": words},
        temperatures={"picture": 20.0, "sound": 10.0, "text": 10.0},
    )


def multi_label_shots(num: int = 16) -> FusionShots:
    """Class 0 is seen, class 1 is heard, class 2 is in the words, each in half of the rows."""
    rng = np.random.default_rng(3)
    targets = np.array([[i % 2, i // 2 % 2, i // 4 % 2] for i in range(num)], np.float32)
    rows = {}
    for place, (name, dim) in enumerate(DIMS.items()):
        made = np.outer(targets[:, place], np.eye(dim)[0]) + np.eye(dim)[-1]
        rows[name] = ModalityRows.of(_unit(made + 0.05 * rng.standard_normal(made.shape)))
    return FusionShots(
        rows=rows,
        targets=targets,
        text_weights={},
        temperatures=dict.fromkeys(DIMS, 10.0),
        is_exclusive=False,
    )


def _unit(rows: np.ndarray) -> FloatArray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@cache
def _fitted(name: str) -> FusionAdapter:
    return fusion_class(name).fit(made_shots())


class FusionConformance:
    name: str
    is_centred: ClassVar[bool] = True
    """Whether the parts of an exclusive group sum to zero over the classes."""

    def fitted(self, shots: FusionShots | None = None) -> FusionAdapter:
        return _fitted(self.name) if shots is None else fusion_class(self.name).fit(shots)

    def right(self, fitted: FusionAdapter, rows: Rows, labels: np.ndarray) -> float:
        return float((fitted.logits(rows).argmax(axis=1) == labels).mean())

    def test_registered_under_its_name(self) -> None:
        assert fusion_class(self.name).name == self.name

    def test_all_together_know_what_none_knows_alone(self) -> None:
        rows, labels = made_rows(25, seed=9)
        fitted = self.fitted()
        assert self.right(fitted, rows, labels) > 0.9
        for name in DIMS:
            assert self.right(fitted, with_only(rows, [name]), labels) < 0.75

    def test_two_of_three_are_enough_here(self) -> None:
        rows, labels = made_rows(25, seed=9)
        fitted = self.fitted()
        for name in DIMS:
            kept = [one for one in DIMS if one != name]
            assert self.right(fitted, with_only(rows, kept), labels) > 0.8

    def test_parts_add_up_and_are_zero_where_absent(self) -> None:
        fitted = self.fitted()
        rows, _ = made_rows(3, seed=5, absent=0.4)
        parts = fitted.parts(rows)
        assert parts.shape == (3, 12, NUM_CLASSES)
        assert parts.dtype == np.float32
        np.testing.assert_allclose(parts.sum(axis=0), fitted.logits(rows), atol=1e-4)
        if self.is_centred:
            np.testing.assert_allclose(parts.sum(axis=2), 0, atol=1e-3)
        for place, one in enumerate(rows.values()):
            assert not parts[place, ~one.is_present].any()
        assert not fitted.logits(with_only(rows, [])).any()

    def test_multi_label(self) -> None:
        shots = multi_label_shots()
        fitted = self.fitted(shots)
        right = (fitted.logits(shots.rows) > 0) == (shots.targets > 0)
        assert right.mean() > 0.9

    def test_modality_that_no_shot_has_is_ignored(self) -> None:
        shots = made_shots()
        mute = FusionShots(
            rows=with_only(shots.rows, ["picture", "text"]),
            targets=shots.targets,
            text_weights=shots.text_weights,
            temperatures=shots.temperatures,
        ).only(["picture", "text"])
        deaf = FusionShots(
            rows={**mute.rows, "sound": ModalityRows.of(np.zeros((len(mute), 8)))},
            targets=mute.targets,
            text_weights=mute.text_weights,
            temperatures={**mute.temperatures, "sound": 10.0},
        )
        rows, labels = made_rows(25, seed=9)
        assert self.right(self.fitted(deaf), with_only(rows, ["picture", "text"]), labels) > 0.8

    def test_one_shot_a_class(self) -> None:
        rows, labels = made_rows(25, seed=9)
        assert self.right(self.fitted(made_shots(1, absent=0.0)), rows, labels) > 0.7

    def test_class_without_shots_is_not_answered_by_surprise(self) -> None:
        shots = made_shots()
        left = shots.subset(np.flatnonzero(shots.targets[:, 3] == 0))
        answers = self.fitted(left).logits(left.rows).argmax(axis=1)
        assert (answers == left.targets.argmax(axis=1)).mean() > 0.9

    def test_same_seed_same_adapter(self) -> None:
        first, second = self.fitted(), self.fitted(made_shots())
        for name, array in first.arrays.items():
            np.testing.assert_array_equal(array, second.arrays[name])

    def test_made_anew_from_its_arrays(self) -> None:
        fitted = self.fitted()
        rows, _ = made_rows(2, seed=5, absent=0.3)
        again = type(fitted)(dict(fitted.arrays), fitted.modalities)
        np.testing.assert_array_equal(again.logits(rows), fitted.logits(rows))
        assert (again.dims, again.num_classes) == (DIMS, NUM_CLASSES)

    def test_bad_input_is_named(self) -> None:
        fitted = self.fitted()
        rows, _ = made_rows(2, seed=5)
        with pytest.raises(ValueError, match="no rows of sound"):
            fitted.logits({key: one for key, one in rows.items() if key != "sound"})
        with pytest.raises(ValueError, match="widths"):
            fitted.logits({**rows, "sound": ModalityRows.of(np.ones((8, 3)) / 3**0.5)})

    def test_arrays_that_do_not_fit_are_refused(self) -> None:
        fitted = self.fitted()
        with pytest.raises(ValueError, match="got arrays"):
            type(fitted)({**fitted.arrays, "other": np.zeros(1, np.float32)}, fitted.modalities)
        for name in fitted.arrays:
            for broken in (np.zeros((1, 1, 1), np.float32), fitted.arrays[name] * np.nan):
                with pytest.raises(ValueError, match=r"got "):
                    type(fitted)({**fitted.arrays, name: broken}, fitted.modalities)
