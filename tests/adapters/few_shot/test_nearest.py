import numpy as np

from adapters.few_shot.base import Shots
from adapters.few_shot.nearest import NearestExamples
from tests.adapters.few_shot.conformance import AdapterConformance


class TestNearestExamples(AdapterConformance):
    name = "nearest"

    def test_k_is_the_rarest_class_at_most_five(self) -> None:
        axes = np.eye(8, dtype=np.float32)
        labels = [0, 0, 0, 1, 1]
        shots = Shots.exclusive(axes[:5], labels, text_weights=None, temperature=1.0)
        assert NearestExamples.fit(shots).arrays["k"].tolist() == [2]
        many = Shots.exclusive(
            np.repeat(axes, 8, axis=0), np.repeat([0, 1] * 4, 8), text_weights=None, temperature=1.0
        )
        assert NearestExamples.fit(many).arrays["k"].tolist() == [5]

    def test_multi_label_ranks_and_separates(self) -> None:
        axes = np.eye(4, dtype=np.float32)
        targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.float32)
        shots = Shots(
            embeddings=axes, targets=targets, text_weights=None, temperature=1.0, is_exclusive=False
        )
        # with k = 2 the two nearest of a shot are itself and one at cosine 0
        logits = NearestExamples.fit(shots).logits(axes)
        assert ((logits > 0) == (targets > 0)).all()
