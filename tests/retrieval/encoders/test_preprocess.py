from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoders.manifest import ImageTower, Resize
from retrieval.encoders.preprocess import pictures_to_batch

SHAPES = [(272, 640), (144, 176), (640, 360), (20, 33), (224, 224), (7, 300), (225, 231)]


def tower(**changes: Any) -> ImageTower:
    given = {
        "file": "image.onnx",
        "input_name": "image",
        "size": (64, 64),
        "mean": (0.48, 0.45, 0.40),
        "std": (0.26, 0.25, 0.27),
        "interpolation": "bicubic",
    }
    return ImageTower(**(given | changes))


def noise(shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)


WAYS = [
    *((resize, way, (64, 64)) for resize in get_args(Resize) for way in ("bicubic", "bilinear")),
    *(("squash", "bilinear", (48, 80)), ("longest", "bilinear", (48, 80))),
    ("shortest", "bicubic", (48, 80)),  # open_clip knows no other there
]


@pytest.mark.parametrize(("resize", "interpolation", "size"), WAYS)
def test_equals_open_clip_to_the_pixel(
    resize: Resize, interpolation: str, size: tuple[int, int]
) -> None:
    pytest.importorskip("torch")
    from retrieval.encoders.torchvision_cure import import_torchvision

    import_torchvision()
    transform = pytest.importorskip("open_clip.transform")
    from PIL import Image

    own = tower(resize=resize, interpolation=interpolation, size=size, fill=9)
    reference = transform.image_transform(
        size,
        is_train=False,
        mean=own.mean,
        std=own.std,
        resize_mode=resize,
        interpolation=interpolation,
        fill_color=9,
    )
    pictures = [noise(shape) for shape in SHAPES]
    expected = np.stack([reference(Image.fromarray(picture)).numpy() for picture in pictures])
    np.testing.assert_allclose(pictures_to_batch(pictures, own), expected, atol=2e-6)


def test_centre_of_the_shortest_by_hand() -> None:
    picture = np.zeros((2, 5, 3), np.uint8)
    picture[:, :, 0] = [10, 20, 30, 40, 50]
    plain = {"size": (2, 2), "mean": (0.0,) * 3, "std": (1.0,) * 3, "resize": "shortest"}
    nearest, down = (
        255 * pictures_to_batch([picture], tower(**plain, crop=crop))[0, 0, 0]
        for crop in ("nearest", "down")
    )
    assert nearest == pytest.approx([30, 40])  # 1.5 goes to the even 2
    assert down == pytest.approx([20, 30])


def test_edge_is_scaled_to_before_the_cut() -> None:
    picture = noise((100, 100))
    whole = pictures_to_batch([picture], tower(size=(40, 40)))
    cut = pictures_to_batch([picture], tower(size=(20, 20), resize="shortest", edge=40))
    np.testing.assert_array_equal(cut, whole[:, :, 10:30, 10:30])


def test_longest_is_filled_up_around() -> None:
    white = np.full((10, 20, 3), 255, np.uint8)
    plain = {"size": (8, 8), "mean": (0.0,) * 3, "std": (1.0,) * 3, "resize": "longest"}
    (rows,) = 255 * pictures_to_batch([white], tower(**plain, fill=51))[:, 0, :, 4]
    assert rows == pytest.approx([51, 51, 255, 255, 255, 255, 51, 51])


@pytest.mark.parametrize(
    "change",
    [
        {"resize": "stretch"},
        {"interpolation": "nearest"},
        {"fill": 256},
        {"edge": 10},
        {"resize": "shortest", "edge": 0},
        {"crop": "up"},
        {"std": (0.0, 1.0, 1.0)},
    ],
)
def test_what_is_not_known_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got"):
        tower(**change)
