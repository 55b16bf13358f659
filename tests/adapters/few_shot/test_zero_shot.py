import numpy as np

from adapters.few_shot.zero_shot import ZeroShot, shared_bias
from tests.adapters.few_shot.conformance import (
    TEMPERATURE,
    AdapterConformance,
    multi_label_shots,
    text_weights,
)


class TestZeroShot(AdapterConformance):
    name = "zero-shot"
    learns = False
    needs_words = True

    def test_is_temperature_times_cosine(self) -> None:
        words = text_weights()
        adapter = ZeroShot.of_text(words, temperature=TEMPERATURE)
        np.testing.assert_allclose(adapter.logits(words), TEMPERATURE * words @ words.T, atol=1e-5)


def test_shared_bias_is_where_the_mean_share_fits() -> None:
    shots = multi_label_shots()
    zeros = np.zeros_like(shots.targets)
    # weights make positives and negatives of each class count the same: one half of the weight
    assert abs(float(shared_bias(zeros, shots))) < 1e-3
    assert abs(float(shared_bias(zeros + 3, shots)) + 3) < 1e-3
