import numpy as np

from adapters.few_shot.base import Shots
from adapters.few_shot.blended_probe import BlendedProbe
from adapters.few_shot.objective import probabilities
from tests.adapters.few_shot.conformance import (
    NUM_CLASSES,
    TEMPERATURE,
    AdapterConformance,
    made_rows,
    made_shots,
    text_weights,
)


class TestBlendedProbe(AdapterConformance):
    name = "blended-probe"

    def test_is_calibrated_on_rows_to_come(self) -> None:
        """Labels that chance decides in part: the mean share is what comes true."""
        rng = np.random.default_rng(0)
        rows, labels = made_rows(40, seed=4)
        noisy = np.where(rng.random(len(labels)) < 0.3, rng.integers(NUM_CLASSES, size=120), labels)
        shots = Shots.exclusive(
            rows[::2], noisy[::2], text_weights=text_weights(), temperature=TEMPERATURE
        )
        fitted = BlendedProbe.fit(shots)
        shares = probabilities(fitted.logits(rows[1::2]), is_exclusive=True)
        is_right = shares.argmax(axis=1) == noisy[1::2]
        assert abs(float(shares.max(axis=1).mean()) - float(is_right.mean())) < 0.12

    def test_words_that_mislead_get_no_weight_and_right_ones_do(self) -> None:
        """At the same shots, wrong words are left further behind."""
        moves = []
        for wrong in (False, True):
            shots = made_shots(wrong_words=wrong)
            weights = BlendedProbe.fit(shots).arrays["weights"]
            words = shots.start_weights
            cosines = (weights * words).sum(axis=1) / np.linalg.norm(weights, axis=1)
            moves.append(1 - float(cosines.mean()))
        assert moves[1] > 2 * moves[0]
