import numpy as np

from adapters.few_shot.base import Shots
from adapters.few_shot.tip_adapter import TipAdapter
from tests.adapters.few_shot.conformance import AdapterConformance


class TestTipAdapter(AdapterConformance):
    name = "tip-adapter"
    learns = False

    def test_hand_computed(self) -> None:
        axes = np.eye(2, dtype=np.float32)
        shots = Shots.exclusive(axes, [0, 1], text_weights=axes, temperature=2.0)
        logits = TipAdapter.fit(shots).logits([[0.6, 0.8]])
        expected = [2 * 0.6 + np.exp(-5.5 * 0.4), 2 * 0.8 + np.exp(-5.5 * 0.2)]
        np.testing.assert_allclose(logits, [expected], rtol=1e-5)
