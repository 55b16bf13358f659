import numpy as np
import pytest

from adapters.few_shot.anchored_probe import AnchoredProbe
from adapters.few_shot.calibration import cross_fitted_logits, fit_temperature, stratified_folds
from adapters.few_shot.nearest import NearestExamples
from tests.adapters.few_shot.conformance import made_shots, multi_label_shots


def test_folds_spread_each_class() -> None:
    targets = np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [10, 5, 5])]
    folds = stratified_folds(targets)
    for one in range(3):
        counts = np.bincount(folds[targets[:, one] > 0], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert stratified_folds(targets[:3]).tolist() != stratified_folds(targets).tolist()[:3]
    assert len(np.unique(stratified_folds(targets[[0, 10, 15]]))) == 3


def test_shots_of_one_film_are_judged_together() -> None:
    targets = np.eye(2, dtype=np.float32)[np.tile([0, 0, 1, 1], 8)]
    films = np.repeat([f"film {number}" for number in range(8)], 4)
    folds = stratified_folds(targets, sources=films.tolist())
    for film in np.unique(films):
        assert len(np.unique(folds[films == film])) == 1
    assert len(np.unique(folds)) == 5
    for one in range(2):
        counts = np.bincount(folds[targets[:, one] > 0])
        assert counts.max() - counts.min() <= 2  # a film has two of each class


def test_a_class_of_one_film_is_spread_over_the_folds() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 0, 0, 1, 1, 1, 1]]
    films = ["a", "a", "b", "b", "c", "c", "c", "c"]
    spread = stratified_folds(targets, sources=films)
    assert spread.tolist() == stratified_folds(targets).tolist()


def test_no_row_is_scored_by_an_adapter_that_saw_it() -> None:
    """A 1-NN would be certain of each row it saw: on noise it must be at chance."""
    shots = made_shots()
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(shots.embeddings.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    mixed = type(shots)(
        embeddings=noise, targets=shots.targets, text_weights=None, temperature=shots.temperature
    )
    logits = cross_fitted_logits(NearestExamples, mixed)
    right = logits.argmax(axis=1) == shots.targets.argmax(axis=1)
    seen = NearestExamples.fit(mixed).logits(noise).argmax(axis=1) == shots.targets.argmax(axis=1)
    assert seen.mean() > right.mean() + 0.2


def test_cross_fitting_works_with_one_shot_and_refuses_one_row() -> None:
    shots = made_shots(1)
    assert cross_fitted_logits(AnchoredProbe, shots).shape == (3, 3)
    assert cross_fitted_logits(AnchoredProbe, multi_label_shots()).shape == (12, 3)
    with pytest.raises(ValueError, match="at least 2"):
        cross_fitted_logits(AnchoredProbe, shots.subset([0]))


@pytest.mark.parametrize("true_temperature", [0.4, 3.0])
def test_temperature_is_found_again(true_temperature: float) -> None:
    """Labels drawn from softmax(z): logits z * T are T times too sharp."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((4000, 3)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1).clip(max=2)
    targets = np.eye(3, dtype=np.float32)[labels]
    found = fit_temperature(
        np.asarray(logits * true_temperature, np.float32), targets, is_exclusive=True
    )
    assert found == pytest.approx(true_temperature, rel=0.1)


def test_a_few_right_rows_do_not_make_certain() -> None:
    eye = np.eye(3, dtype=np.float32)
    assert fit_temperature(eye, eye, is_exclusive=True) > 0.2
