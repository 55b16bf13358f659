from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retrieval.media.flatness import information, is_uninformative
from tests import films

COLOURS = [[235, 235, 235], [235, 235, 16], [16, 235, 235], [16, 235, 16], [235, 16, 235]]


def flat(level: int) -> NDArray[np.uint8]:
    return np.full((180, 320, 3), level, dtype=np.uint8)


def bars() -> NDArray[np.uint8]:
    return np.tile(np.repeat(np.array(COLOURS, np.uint8), 64, axis=0), (180, 1, 1))


def ramp() -> NDArray[np.uint8]:
    return np.tile(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], (180, 1, 3))


def coder_noise() -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(16, 5, (180, 320, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def title(*lines: str) -> NDArray[np.uint8]:
    picture = Image.new("RGB", (640, 360))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        place = (180, 40 + 40 * number)
        draw.text(place, line, font=ImageFont.load_default(28), fill="white")
    return np.asarray(picture)


def test_measure_by_hand() -> None:
    chess = np.zeros((64, 64, 3), dtype=np.uint8)
    chess[:32, :32] = chess[32:, 32:] = 200
    # each row and column has the mean 100, the rest is +100 or -100; no cell has structure
    np.testing.assert_allclose(information([chess]), [[100.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize(
    "image",
    [flat(0), flat(255), flat(90), bars(), ramp(), coder_noise(), title("", "", "THE END")],
    ids=["black", "white", "grey", "bars", "ramp", "noise", "title"],
)
def test_what_every_film_has_is_uninformative(image: NDArray[np.uint8]) -> None:
    assert is_uninformative([image]).tolist() == [True]


def test_scenes_and_full_credits_are_informative(bikes: Path, carphone: Path) -> None:
    frames = []
    for path in (bikes, carphone):
        with av.open(str(path)) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        frames += [np.asarray(frame, np.uint8) for frame in decoded[30::60]]
    assert not is_uninformative(frames).any()
    dark = [(frame * 0.25).astype(np.uint8) for frame in frames]
    assert is_uninformative(dark).mean() < 0.2
    names = [f"Somebody of department {number}" for number in range(7)]
    assert not is_uninformative([title(*names), films.moving_shot(3, 1)[0]]).any()


def test_no_pictures() -> None:
    assert information([]).shape == (0, 2)
    assert is_uninformative([]).shape == (0,)
