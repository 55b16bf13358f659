from collections.abc import Sequence

import numpy as np
import pytest

from retrieval.encoders.base import TextEncoder, unit_rows
from retrieval.types import FloatArray
from tests.fakes import FakeEncoder, FakeSoundEncoder, colour_parts
from tests.retrieval.encoders.conformance import PictureTextConformance, SoundTextConformance


class TestFakeEncoder(PictureTextConformance):
    @classmethod
    def make_encoder(cls) -> FakeEncoder:
        return FakeEncoder(layout_weight=0.5)


class TestFakeSoundEncoder(SoundTextConformance):
    @classmethod
    def make_encoder(cls) -> FakeSoundEncoder:
        return FakeSoundEncoder()


class _Recorder(TextEncoder):
    """Gives rows of another width than it says, or records its batches."""

    name, hash, dim, batch_size = "fake:recorder/v1", "0" * 64, 2, 3

    def __init__(self, width: int = 2) -> None:
        self.width = width
        self.batches: list[list[str]] = []

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        self.batches.append(list(texts))
        return np.full((len(texts), self.width), 3.0, dtype=np.float32)


def test_batches_hold_at_most_batch_size() -> None:
    encoder = _Recorder()
    encoder.encode_texts(list("abcdefg"))
    assert encoder.batches == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_rows_that_do_not_fit_the_description_are_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"expected \(1, 2\)"):
        _Recorder(width=5).encode_texts(["a"])


def test_unit_rows_scales_each_row() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(unit_rows(rows), [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)


def test_unit_rows_refuses_what_is_not_finite() -> None:
    with pytest.raises(RuntimeError, match="not finite"):
        unit_rows(np.array([[np.inf, 1.0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("rgb", "parts"),
    [
        ((1.0, 0.0, 0.0), {"red": 1.0}),
        ((1.0, 1.0, 0.0), {"yellow": 1.0}),
        ((0.0, 0.0, 0.0), {"dark": 1.0}),
        ((0.5, 0.25, 0.25), {"red": 0.25, "bright": 0.25, "dark": 0.5}),
        ((0.0, 0.5, 0.75), {"blue": 0.25, "cyan": 0.5, "dark": 0.25}),
    ],
)
def test_colour_parts(rgb: tuple[float, float, float], parts: dict[str, float]) -> None:
    found = colour_parts(np.array(rgb))
    names = ("red", "green", "blue", "cyan", "magenta", "yellow", "bright", "dark")
    expected = [parts.get(name, 0.0) for name in names]
    np.testing.assert_allclose(found, expected)


def test_fake_finds_the_colour_in_both_languages() -> None:
    encoder = FakeEncoder()
    red, grey = np.zeros((2, 9, 16, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    cosines = encoder.encode_texts(["a red car", "红", "unknown"]) @ encoder.encode_images([red]).T
    np.testing.assert_allclose(cosines[:, 0], [1.0, 1.0, 0.0], atol=1e-6)
    assert encoder.encode_images([grey])[0, 7] == pytest.approx(1.0)
    assert encoder.num_images == 2
