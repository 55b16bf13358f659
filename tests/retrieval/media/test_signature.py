"""Signatures tell another shot from the same one, whatever the pixel format."""

from pathlib import Path

import av
import numpy as np
import pytest

from retrieval.media.signature import GRID, Signature, change, signature
from tests import films


def _of(image: films.Image, pixel_format: str = "yuv420p") -> Signature:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
    return signature(frame)


def test_shapes_and_levels() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    image[:, 320:] = 255
    summary = _of(image)
    assert summary.luma.shape == GRID
    assert summary.chroma.shape == (2, 9, 16)
    assert summary.luma[:, :15].max() < 20
    assert summary.luma[:, 17:].min() > 230
    assert summary.mean == pytest.approx((16 + 235) / 2, abs=3)
    assert not summary.is_flat
    assert _of(films.flat_shot("dark", 1)[0]).is_flat


@pytest.mark.parametrize(
    "pixel_format", ["yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "nv12", "rgb24", "gray"]
)
def test_formats_agree(pixel_format: str) -> None:
    image = films.moving_shot(1, 1)[0]
    reference, other = _of(image), _of(image, pixel_format)
    # full range, and sampling by another scaler, move levels a little
    assert np.abs(reference.luma - other.luma).mean() < 16
    if pixel_format != "gray":
        assert change(reference, other) < 0.31


def test_odd_and_tiny_sizes() -> None:
    for size in ((65, 67), (16, 16), (1000, 70)):
        assert _of(films.moving_shot(1, 1, size=(max(48, size[0]), max(48, size[1])))[0])


def test_change_within_and_between_shots() -> None:
    first, second = films.moving_shot(1, 30), films.moving_shot(2, 30)
    assert change(_of(first[0]), _of(first[0])) < 0.01
    assert change(_of(first[0]), _of(first[1])) < 0.2
    assert change(_of(first[0]), _of(second[0])) > 0.5
    red, green = films.flat_shot("red", 1)[0], films.flat_shot("green", 1)[0]
    assert change(_of(red), _of(green)) > 0.5


def test_change_is_symmetric_and_bounded() -> None:
    images = [films.moving_shot(seed, 1)[0] for seed in range(5)]
    images += [films.flat_shot(name, 1)[0] for name in ("dark", "bright")]
    summaries = [_of(image) for image in images]
    for a in summaries:
        for b in summaries:
            assert 0.0 <= change(a, b) <= 1.0
            assert change(a, b) == pytest.approx(change(b, a), abs=0.15)


def test_brightness_is_no_other_shot() -> None:
    image = films.moving_shot(1, 1)[0]
    darker = (image * 0.8).astype(np.uint8)
    assert change(_of(image), _of(darker)) < 0.4


def test_detail_of_a_blurred_picture_is_lower(tmp_path: Path) -> None:
    image = films.moving_shot(1, 1, size=(320, 180))[0]
    blurred = np.repeat(np.repeat(image[::45, ::45], 45, axis=0), 45, axis=1)[:180, :320]
    assert _of(np.ascontiguousarray(blurred)).detail < _of(image).detail * 1.5
