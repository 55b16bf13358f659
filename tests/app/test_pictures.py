"""Stills are read upright and in RGB; hostile ones end in our errors."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.pictures import read_picture
from retrieval.errors import CorruptMediaError, MediaLimitError, NotFoundError, NotMediaError


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def test_red_is_red_and_height_comes_first() -> None:
    data = _bytes(Image.new("RGB", (6, 4), (255, 0, 0)), "PNG")
    picture = read_picture(io.BytesIO(data))
    assert picture.shape == (4, 6, 3)
    assert picture.dtype == np.uint8
    assert (picture == (255, 0, 0)).all()


def test_exif_rotation_is_applied() -> None:
    image = Image.new("RGB", (6, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # stored lying, to be turned by 90 degrees
    picture = read_picture(io.BytesIO(_bytes(image, "JPEG", exif=exif)))
    assert picture.shape == (6, 4, 3)


def test_transparency_lies_on_white() -> None:
    data = _bytes(Image.new("RGBA", (2, 2), (255, 0, 0, 0)), "PNG")
    assert (read_picture(io.BytesIO(data)) == 255).all()


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    kind = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    data = _bytes(Image.new(mode, (3, 2)), kind)
    assert read_picture(io.BytesIO(data)).shape == (2, 3, 3)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.jpg"):
        read_picture(tmp_path / "nothing.jpg")


def test_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("hello")
    with pytest.raises(NotMediaError, match=r"text\.jpg is not an image"):
        read_picture(path)


def test_truncated_image() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = _bytes(noise, "JPEG")
    with pytest.raises(CorruptMediaError):
        read_picture(io.BytesIO(data[: len(data) // 2]))


def test_too_many_pixels_are_refused_before_decoding() -> None:
    data = _bytes(Image.new("L", (100, 100)), "PNG")
    with pytest.raises(MediaLimitError, match="100 x 100"):
        read_picture(io.BytesIO(data), max_pixels=9_999)
    # a header that claims 30000 x 30000 pixels and no data for them
    bomb = bytearray(_bytes(Image.new("1", (8, 8)), "BMP"))
    bomb[18:26] = (30_000).to_bytes(4, "little") * 2
    with pytest.raises(MediaLimitError):
        read_picture(io.BytesIO(bytes(bomb)))


def test_uncommon_formats_are_not_opened() -> None:
    data = _bytes(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(NotMediaError):
        read_picture(io.BytesIO(data))
