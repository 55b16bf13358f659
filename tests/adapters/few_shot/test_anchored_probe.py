import numpy as np

from adapters.few_shot.anchored_probe import anchored_probe, trust_in_words
from adapters.few_shot.base import Shots
from adapters.few_shot.objective import loss_and_gradient
from tests.adapters.few_shot.conformance import TEMPERATURE, AdapterConformance, made_shots


class TestAnchoredProbe(AdapterConformance):
    name = "anchored-probe"

    def test_trust_is_zero_at_chance_and_one_at_certainty(self) -> None:
        axes = np.eye(4, dtype=np.float32)
        same = np.repeat(axes[3:], 2, axis=0)
        lost = Shots.exclusive(axes[:2], [0, 1], text_weights=same, temperature=10)
        assert trust_in_words(lost) == 0
        sure = Shots.exclusive(axes[:2], [0, 1], text_weights=axes[:2], temperature=100)
        assert abs(trust_in_words(sure) - 1) < 1e-6

    def test_a_stronger_pull_stays_closer_to_the_words(self) -> None:
        shots = made_shots(wrong_words=True)
        words = TEMPERATURE * shots.start_weights
        moves = []
        for pull in (0.01, 1.0, 100.0):
            fitted = anchored_probe(shots, np.full(3, pull, np.float32))
            moves.append(float(np.abs(fitted["weights"] - words).max()))
        assert moves[0] > moves[1] > moves[2]

    def test_stands_at_the_minimum(self) -> None:
        """The gradient of loss and pull together is zero there."""
        shots, pull = made_shots(), np.float32(0.5)
        fitted = anchored_probe(shots, np.full(3, pull, np.float32))
        learned = fitted["weights"] / np.float32(TEMPERATURE)
        rows = shots.scaled_embeddings
        _, by_logits = loss_and_gradient(
            rows @ learned.T, shots.targets, shots.weights, is_exclusive=True
        )
        gradient = by_logits.T @ rows + pull * (learned - shots.start_weights)
        assert np.abs(gradient).max() < 3e-3
