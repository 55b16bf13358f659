"""What every encoder must do; a test class inherits these tests and gives the encoder."""

import re
from abc import ABC, abstractmethod

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoders.base import (
    Encoder,
    PictureTextEncoder,
    SoundEncoder,
    SoundTextEncoder,
    TextEncoder,
)
from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId, FloatArray

TEXTS = ["a red car", "two dogs run over the green grass", "night", "两辆自行车", "ein Haus am See"]


def assert_embeddings(rows: FloatArray, num: int, encoder: Encoder) -> None:
    assert rows.shape == (num, encoder.dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


class TextConformance(ABC):
    """For every encoder: its name, its hash, its texts."""

    batch_tolerance = 1e-4
    """How much an embedding may depend on its neighbours in the batch (integer arithmetic)."""

    @classmethod
    @abstractmethod
    def make_encoder(cls) -> TextEncoder:
        """Load the encoder again, from the same weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> TextEncoder:
        """The encoder under test, loaded once."""
        return cls.make_encoder()

    def test_id_is_name_hash_and_dim(self, encoder: TextEncoder) -> None:
        assert encoder.id == EncoderId(name=encoder.name, hash=encoder.hash, dim=encoder.dim)
        assert re.fullmatch(r"[a-z_-]+:.+", encoder.name)
        assert re.fullmatch(r"[0-9a-f]{64}", encoder.hash)

    def test_loaded_again_is_the_same_encoder(self, encoder: TextEncoder) -> None:
        again = self.make_encoder()
        assert again.id == encoder.id
        np.testing.assert_allclose(
            again.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-6
        )

    def test_texts_are_unit_rows(self, encoder: TextEncoder) -> None:
        assert_embeddings(encoder.encode_texts(TEXTS), len(TEXTS), encoder)

    def test_no_texts_give_no_rows(self, encoder: TextEncoder) -> None:
        assert encoder.encode_texts([]).shape == (0, encoder.dim)

    def test_text_batch_is_each_text_alone(self, encoder: TextEncoder) -> None:
        alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
        together = self.make_encoder().encode_texts(TEXTS)  # another one: texts may be remembered
        assert np.sum(alone * together, axis=1) == pytest.approx(1.0, abs=self.batch_tolerance)

    def test_more_texts_than_a_batch(self, encoder: TextEncoder) -> None:
        texts = [TEXTS[number % len(TEXTS)] for number in range(2 * encoder.batch_size + 3)]
        rows = encoder.encode_texts(texts)
        assert_embeddings(rows, len(texts), encoder)
        cosines = np.sum(rows[: len(TEXTS)] * rows[len(TEXTS) : 2 * len(TEXTS)], axis=1)
        assert cosines == pytest.approx(1.0, abs=self.batch_tolerance)

    @pytest.mark.parametrize("text", ["", "  \n", "\ud800"])
    def test_unusable_text_is_refused(self, encoder: TextEncoder, text: str) -> None:
        with pytest.raises(InvalidInputError, match="text"):
            encoder.encode_texts(["fine", text])

    def test_one_string_is_refused(self, encoder: TextEncoder) -> None:
        with pytest.raises(InvalidInputError, match="sequence"):
            encoder.encode_texts("a car")

    def test_a_very_long_text_is_cut(self, encoder: TextEncoder) -> None:
        assert_embeddings(encoder.encode_texts(["a red car " * 20_000]), 1, encoder)

    def test_odd_texts_are_encoded(self, encoder: TextEncoder) -> None:
        texts = ["🚲🚲", "…", "a\x00b", "e\u0301" * 50, "العربية", "ไทย"]
        assert_embeddings(encoder.encode_texts(texts), len(texts), encoder)

    def test_warm_up_changes_nothing(self, encoder: TextEncoder) -> None:
        before = encoder.encode_texts(TEXTS[:1])
        encoder.warm_up()
        np.testing.assert_array_equal(before, encoder.encode_texts(TEXTS[:1]))


class PictureTextConformance(TextConformance):
    """For every encoder of pictures and text."""

    image_tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def pictures(cls) -> list[NDArray[np.uint8]]:
        """Six textured pictures of six shapes."""
        rng = np.random.default_rng(7)
        shapes = [(64, 64), (272, 640), (9, 16), (1, 1), (300, 40), (144, 176)]
        return [rng.integers(0, 256, (height, width, 3), np.uint8) for height, width in shapes]

    def test_pictures_are_unit_rows(
        self, encoder: PictureTextEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        assert_embeddings(encoder.encode_images(pictures), len(pictures), encoder)

    def test_temperature_is_a_factor(self, encoder: PictureTextEncoder) -> None:
        assert 1.0 < encoder.temperature <= 200.0

    def test_no_pictures_give_no_rows(self, encoder: PictureTextEncoder) -> None:
        assert encoder.encode_images([]).shape == (0, encoder.dim)

    def test_picture_batch_is_each_picture_alone(
        self, encoder: PictureTextEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        alone = np.concatenate([encoder.encode_images([picture]) for picture in pictures])
        together = encoder.encode_images(pictures)
        assert np.sum(alone * together, axis=1) == pytest.approx(1.0, abs=self.image_tolerance)

    def test_same_pictures_same_rows(
        self, encoder: PictureTextEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        first = encoder.encode_images(pictures)
        np.testing.assert_allclose(first, encoder.encode_images(pictures), atol=1e-6)

    def test_strided_and_stacked_pictures(self, encoder: PictureTextEncoder) -> None:
        rng = np.random.default_rng(8)
        stack = rng.integers(0, 256, (2, 48, 64, 3), np.uint8)
        mirrored = stack[:, :, ::-1]
        expected = encoder.encode_images([np.ascontiguousarray(picture) for picture in mirrored])
        np.testing.assert_allclose(encoder.encode_images(mirrored), expected, atol=1e-5)

    def test_given_pictures_stay_as_they_are(
        self, encoder: PictureTextEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        before = [picture.copy() for picture in pictures]
        encoder.encode_images(pictures)
        for picture, copy in zip(pictures, before, strict=True):
            np.testing.assert_array_equal(picture, copy)

    @pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3), (1, 8, 8, 3)])
    def test_wrong_shape_is_refused(
        self, encoder: PictureTextEncoder, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(InvalidInputError, match=re.escape("expected (H, W, 3)")):
            encoder.encode_images([np.zeros(shape, dtype=np.uint8)])

    def test_floats_are_refused(self, encoder: PictureTextEncoder) -> None:
        floats = np.zeros((8, 8, 3), dtype=np.float32)
        with pytest.raises(InvalidInputError, match="uint8"):
            encoder.encode_images([floats])  # type: ignore[list-item]


class SoundConformance(ABC):
    """For every encoder of sounds."""

    batch_tolerance = 1e-4

    @classmethod
    @abstractmethod
    def make_encoder(cls) -> SoundEncoder:
        """Load the encoder again, from the same weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> SoundEncoder:
        """The encoder under test, loaded once."""
        return cls.make_encoder()

    def test_it_says_what_it_hears_at_once(self, encoder: SoundEncoder) -> None:
        assert encoder.window_seconds > 0
        assert encoder.sample_rate_hz >= 8_000
        assert self.make_encoder().id == encoder.id

    @pytest.fixture(scope="class")
    @classmethod
    def sounds(cls) -> list[FloatArray]:
        """Noise of three lengths."""
        rng = np.random.default_rng(9)
        lengths = (800, 48_000, 16_000)
        return [rng.uniform(-0.5, 0.5, length).astype(np.float32) for length in lengths]

    def test_sounds_are_unit_rows(self, encoder: SoundEncoder, sounds: list[FloatArray]) -> None:
        rows = encoder.encode_sounds(sounds, encoder.sample_rate_hz)
        assert_embeddings(rows, len(sounds), encoder)

    def test_no_sounds_give_no_rows(self, encoder: SoundEncoder) -> None:
        assert encoder.encode_sounds([], encoder.sample_rate_hz).shape == (0, encoder.dim)

    def test_sound_batch_is_each_sound_alone(
        self, encoder: SoundEncoder, sounds: list[FloatArray]
    ) -> None:
        rate = encoder.sample_rate_hz
        alone = np.concatenate([encoder.encode_sounds([sound], rate) for sound in sounds])
        cosines = np.sum(alone * encoder.encode_sounds(sounds, rate), axis=1)
        assert cosines == pytest.approx(1.0, abs=self.batch_tolerance)

    def test_another_rate_is_refused(self, encoder: SoundEncoder, sounds: list[FloatArray]) -> None:
        with pytest.raises(InvalidInputError, match=f"{encoder.sample_rate_hz} Hz"):
            encoder.encode_sounds(sounds, encoder.sample_rate_hz + 1)

    @pytest.mark.parametrize("shape", [(0,), (2, 100)])
    def test_wrong_shape_is_refused(self, encoder: SoundEncoder, shape: tuple[int, ...]) -> None:
        sound = np.zeros(shape, dtype=np.float32)
        with pytest.raises(InvalidInputError, match="mono"):
            encoder.encode_sounds([sound], encoder.sample_rate_hz)

    def test_non_finite_is_refused(self, encoder: SoundEncoder) -> None:
        sound = np.full(100, np.nan, dtype=np.float32)
        with pytest.raises(InvalidInputError, match="finite"):
            encoder.encode_sounds([sound], encoder.sample_rate_hz)


class SoundTextConformance(SoundConformance, TextConformance):
    """For every encoder of sounds and text."""

    @classmethod
    @abstractmethod
    def make_encoder(cls) -> SoundTextEncoder:
        """Load the encoder again, from the same weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> SoundTextEncoder:
        """The encoder under test, loaded once."""
        return cls.make_encoder()
