import math

import numpy as np
import pytest

from adapters.few_shot.base import Shots
from adapters.few_shot.classifier import FewShotClassifier, data_fingerprint, train_classifier
from adapters.few_shot.unsure import UNSURE
from tests.adapters.few_shot.conformance import made_rows, made_shots, multi_label_shots

CLASSES = ("one", "two", "three")


def trained(shots: Shots, **options: object) -> FewShotClassifier:
    return train_classifier(
        shots,
        group="kind",
        classes=CLASSES,
        example_ids=[f"shot {row}" for row in range(len(shots))],
        encoder_name="fake:encoder",
        encoder_hash="ab12",
        adapter="anchored-probe",
        **options,  # type: ignore[arg-type]
    )


def test_answers_shares_doubt_and_examples() -> None:
    shots = made_shots(10)
    rows, labels = made_rows(5, seed=8)
    answers = trained(shots).answer(rows)
    np.testing.assert_allclose(answers.shares.sum(axis=1), 1, rtol=1e-5)
    assert (answers.shares.argmax(axis=1) == labels).all()
    sure = answers.sure != UNSURE
    assert (answers.sure[sure] == labels[sure]).all()
    assert sure.mean() > 0.5
    shown = shots.targets.argmax(axis=1)[answers.examples[:, 0]]
    assert (shown == labels).all()
    assert (np.diff(answers.similarities, axis=1) <= 0).all()


def test_too_few_shots_vouch_for_nothing() -> None:
    few = trained(made_shots(2))
    assert few.threshold == math.inf
    rows, _ = made_rows(2, seed=8)
    assert (few.answer(rows).sure == UNSURE).all()
    assert trained(made_shots(2), error_rate=0.3).threshold < 1


def test_multi_label_answers_each_class() -> None:
    shots = multi_label_shots(24)
    answers = trained(shots).answer(shots.embeddings)
    assert answers.sure.shape == shots.targets.shape
    sure = answers.sure != UNSURE
    assert (answers.sure[sure] == shots.targets[sure]).mean() > 0.9


def test_figures_come_from_unseen_shots() -> None:
    figures = trained(made_shots(10)).figures
    assert figures["num_shots"] == 30
    assert figures["fewest_shots"] == 10
    assert 0.9 < figures["cross_fitted_accuracy"] <= 1


def test_fingerprint_follows_the_data() -> None:
    shots = made_shots()
    assert data_fingerprint(shots) == data_fingerprint(made_shots())
    assert data_fingerprint(shots) != data_fingerprint(made_shots(wrong_words=True))
    assert data_fingerprint(shots) != data_fingerprint(shots.subset(range(17)))


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        train_classifier(
            made_shots(), group="kind", classes=("a", "a", "b"), example_ids=["x"] * 18,
            encoder_name="fake", encoder_hash="ab", adapter="zero-shot",
        )  # fmt: skip
