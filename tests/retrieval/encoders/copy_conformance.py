"""What every copy encoder must do; a test class inherits these tests and gives the encoder."""

import re
from abc import ABC, abstractmethod

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoders.copy_base import CopyEncoder
from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId
from tests.fakes import FakeEncoder


class CopyConformance(ABC):
    """For every copy encoder."""

    @classmethod
    @abstractmethod
    def make_encoder(cls) -> CopyEncoder:
        """Load the encoder again, from the same weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> CopyEncoder:
        """The encoder under test, loaded once."""
        return cls.make_encoder()

    @pytest.fixture(scope="class")
    @classmethod
    def pictures(cls) -> list[NDArray[np.uint8]]:
        """Textured pictures of several shapes."""
        rng = np.random.default_rng(7)
        shapes = [(64, 64), (90, 160), (9, 16), (1, 1), (100, 40)]
        return [rng.integers(0, 256, (height, width, 3), np.uint8) for height, width in shapes]

    def test_id_is_name_hash_and_dim(self, encoder: CopyEncoder) -> None:
        assert encoder.id == EncoderId(name=encoder.name, hash=encoder.hash, dim=encoder.dim)
        assert re.fullmatch(r"[a-z_]+:.+", encoder.name)
        assert re.fullmatch(r"[0-9a-f]{64}", encoder.hash)

    def test_descriptors_are_unit_rows(
        self, encoder: CopyEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        rows = encoder.encode_pictures(pictures)
        assert rows.shape == (len(pictures), encoder.dim)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)

    def test_loaded_again_is_the_same_encoder(
        self, encoder: CopyEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        again = self.make_encoder()
        assert again.id == encoder.id
        rows = again.encode_pictures(pictures)
        np.testing.assert_allclose(rows, encoder.encode_pictures(pictures), atol=1e-5)

    def test_a_batch_is_each_picture_alone(
        self, encoder: CopyEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        many = [pictures[number % 2] for number in range(encoder.batch_size + 3)]
        alone = np.concatenate([encoder.encode_pictures([picture]) for picture in pictures[:2]])
        rows = encoder.encode_pictures(many)
        np.testing.assert_allclose(rows, alone[np.arange(len(many)) % 2], atol=1e-4)

    def test_no_pictures_give_no_rows(self, encoder: CopyEncoder) -> None:
        assert encoder.encode_pictures([]).shape == (0, encoder.dim)

    def test_an_array_of_pictures_works(self, encoder: CopyEncoder) -> None:
        images = np.random.default_rng(1).integers(0, 256, (2, 20, 30, 3), np.uint8)
        rows = encoder.encode_pictures(list(images))
        np.testing.assert_allclose(encoder.encode_pictures(images), rows, atol=1e-6)

    def test_beside_another_encoder_both_are_asked(
        self, encoder: CopyEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        search = FakeEncoder()
        rows, copies = encoder.encode_beside(search, pictures)
        np.testing.assert_allclose(rows, search.encode_images(pictures), atol=1e-6)
        np.testing.assert_allclose(copies, encoder.encode_pictures(pictures), atol=1e-5)

    def test_background_fits(self, encoder: CopyEncoder) -> None:
        rows = encoder.background
        assert rows.shape[1:] == (encoder.dim,)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)

    @pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
    def test_unusable_picture_is_refused(
        self, encoder: CopyEncoder, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(InvalidInputError, match="picture"):
            encoder.encode_pictures([np.zeros(shape, np.uint8)])

    def test_float_picture_is_refused(self, encoder: CopyEncoder) -> None:
        floats: list[NDArray[np.uint8]] = [np.zeros((4, 4, 3))]  # type: ignore[list-item]
        with pytest.raises(InvalidInputError, match="uint8"):
            encoder.encode_pictures(floats)

    def test_warm_up_changes_nothing(
        self, encoder: CopyEncoder, pictures: list[NDArray[np.uint8]]
    ) -> None:
        before = encoder.encode_pictures(pictures[:1])
        encoder.warm_up()
        after = encoder.encode_pictures(pictures[:1])
        np.testing.assert_allclose(before, after, atol=1e-6)
