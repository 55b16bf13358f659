import numpy as np
import pytest

from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.match_evidence import EvidenceScale, made_pictures, sharpened
from retrieval.types import FloatArray
from tests.fakes import FakeEncoder


def rows(values: list[list[float]]) -> FloatArray:
    made = np.asarray(values, dtype=np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def test_a_frame_that_resembles_everything_says_less() -> None:
    scale = EvidenceScale(rows([[1, 0.2, 0], [1, 0.1, 0], [1, 0, 0], [1, -0.1, 0], [1, 0, 0.1]]))
    common, rare = rows([[1, 0, 0], [0, 0, 1]])
    biases = scale.bias(np.stack([common, rare]))
    assert biases[0] > 0.9 > 0.2 > biases[1]
    values = scale.evidence(np.full((2, 1), 0.9, dtype=np.float32), biases)
    assert values[1, 0] > 0.5 > 0 > values[0, 0]


def test_identity_is_one_and_nothing_is_the_floor() -> None:
    scale = EvidenceScale(rows([[1, 0], [0, 1]]))
    bias = np.array([0.3], dtype=np.float32)
    values = scale.evidence(np.array([[1.0, -np.inf]], dtype=np.float32), bias)
    assert values[0].tolist() == pytest.approx([1.0, -0.35])


def test_made_pictures_stand_in_for_a_background() -> None:
    encoder = SearchCopyEncoder(FakeEncoder(layout_weight=3.0))
    scale = EvidenceScale.of(encoder)
    assert scale.background.shape == (len(made_pictures()), encoder.dim)
    assert scale.neutral > EvidenceScale(scale.background).neutral  # a weak descriptor says less


def test_sharpening_keeps_peaks_and_what_speaks_against() -> None:
    values = np.array([[0.9, 0.7, -0.2], [-0.3, -0.1, -0.2]], dtype=np.float32)
    sharp = sharpened(values)
    assert sharp[0, 0] == pytest.approx(0.9)
    assert sharp[0, 1] < 0.4
    assert np.array_equal(sharp[values <= 0], values[values <= 0])
    assert sharpened(np.empty((0, 3), dtype=np.float32)).shape == (0, 3)
