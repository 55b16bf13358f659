"""Thumbnails are small JPEGs of the same picture."""

import io

import numpy as np
import pytest
from PIL import Image

from retrieval.errors import InvalidInputError
from retrieval.media.thumbnails import jpeg_thumbnail
from tests import films


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_is_scaled_down_and_alike() -> None:
    image = films.moving_shot(1, 1, size=(1280, 720))[0]
    thumbnail = _opened(jpeg_thumbnail(image))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (320, 180))
    wanted = np.asarray(Image.fromarray(image).resize((320, 180), Image.Resampling.BOX), float)
    assert np.abs(np.asarray(thumbnail, float) - wanted).mean() < 10


def test_is_never_enlarged() -> None:
    assert _opened(jpeg_thumbnail(films.flat_shot("red", 1)[0])).size == (192, 108)
    assert _opened(jpeg_thumbnail(films.flat_shot("red", 1, size=(2, 900))[0])).size == (1, 320)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_other_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        jpeg_thumbnail(np.zeros(shape, np.uint8))
    with pytest.raises(InvalidInputError, match="float"):
        jpeg_thumbnail(np.zeros((4, 4, 3), np.float32))
