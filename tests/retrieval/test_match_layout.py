import numpy as np
import pytest
from PIL import Image

from retrieval.match_layout import COARSE_WINDOWS, FULL, LightSums, Window, describe
from tests.films import moving_shot


def picture(seed: int) -> np.ndarray:
    return moving_shot(seed, 1, size=(320, 180))[0]


def test_light_and_contrast_do_not_matter() -> None:
    image = picture(1)
    changed = (image * 0.6 + 40).astype(np.uint8)
    one, other = describe([image, changed])
    assert float(one @ other) > 0.99


def test_other_pictures_are_unlike() -> None:
    layouts = describe([picture(seed) for seed in range(8)])
    similarity = layouts @ layouts.T - np.eye(8)
    assert similarity.max() < 0.45


def test_a_crop_is_found_in_its_window() -> None:
    image = picture(2)
    crop = image[0:144, 64:320]  # four fifths, top right
    sums = LightSums(np.asarray(Image.fromarray(image).convert("L"))[None])
    layouts = np.concatenate([sums.describe(window) for window in COARSE_WINDOWS])
    scores = layouts @ describe([crop])[0]
    best = COARSE_WINDOWS[int(np.argmax(scores))]
    assert best == Window(0.8, 1, 0)
    assert scores.max() > 0.9 > scores[COARSE_WINDOWS.index(FULL)]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_frames_have_no_layout(value: int) -> None:
    image = np.full((90, 160, 3), value, dtype=np.uint8)
    assert not describe([image]).any()


def test_no_frames() -> None:
    assert describe([]).shape == (0, 598)
