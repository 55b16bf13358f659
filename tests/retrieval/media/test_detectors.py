"""One contract for all shot detectors, and what our own must and must not call a cut."""

import builtins
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.media.detector import ShotDetector, View
from retrieval.media.detectors import DETECTORS, create_detector
from retrieval.media.picture import Picture
from tests import films


def _cuts(detector: ShotDetector, images: Sequence[films.Image]) -> list[float]:
    """Cuts as numbers of pictures."""
    cuts = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        cuts += detector.push(View(number, Picture(number / 25, frame, Fraction(1))))
    cuts += detector.finish()
    assert cuts == sorted(cuts)
    return [round(seconds * 25) for seconds in cuts]


def _faded(images: Sequence[films.Image], weights: Sequence[float]) -> list[films.Image]:
    return [(i * w).astype(np.uint8) for i, w in zip(images, weights, strict=True)]


def _mixed(first: films.Image, second: films.Image, share: float) -> films.Image:
    return (first * (1 - share) + second * share).astype(np.uint8)


@pytest.fixture(scope="module")
def shots() -> list[list[films.Image]]:
    return [films.moving_shot(seed, 60) for seed in (1, 2, 3)]


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - {"threshold"}))
def test_hard_cuts_are_exact(name: str, shots: list[list[films.Image]]) -> None:
    images = shots[0] + shots[1] + shots[2]
    assert _cuts(create_detector(name), images) == [60, 120]


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_no_cut_in_one_shot(name: str, shots: list[list[films.Image]]) -> None:
    assert _cuts(create_detector(name), shots[0]) == []


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_nothing_and_one_picture(name: str, shots: list[list[films.Image]]) -> None:
    assert _cuts(create_detector(name), []) == []
    assert _cuts(create_detector(name), shots[0][:1]) == []


@pytest.mark.parametrize("name", ["sync", "threshold"])
def test_fade_through_black(name: str, shots: list[list[films.Image]]) -> None:
    down = np.linspace(1, 0, 15).tolist()
    images = shots[0][:45] + _faded(shots[0][45:], down) + films.flat_shot((0, 0, 0), 10)
    images += _faded(shots[1][:15], down[::-1]) + shots[1][15:]
    cuts = _cuts(create_detector(name), images)
    assert len(cuts) == 1
    assert 55 <= cuts[0] <= 75


def test_first_and_last_pictures_can_be_cuts(shots: list[list[films.Image]]) -> None:
    images = shots[0][:6] + shots[1] + shots[2][:6]
    assert _cuts(create_detector("sync"), images) == [6, 66]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_flash_is_no_cut(length: int, shots: list[list[films.Image]]) -> None:
    images = shots[0][:30] + films.flat_shot("bright", length) + shots[0][30:]
    assert _cuts(create_detector("sync"), images) == []


def test_short_shot_is_found(shots: list[list[films.Image]]) -> None:
    images = shots[0] + shots[1][:8] + shots[2]
    assert _cuts(create_detector("sync"), images) == [60, 68]


def test_dissolve_is_one_cut(shots: list[list[films.Image]]) -> None:
    first, second = shots[0][0], shots[1][0]
    images = [first] * 40 + [_mixed(first, second, n / 20) for n in range(1, 20)] + [second] * 40
    cuts = _cuts(create_detector("sync"), images)
    assert len(cuts) == 1
    assert 44 <= cuts[0] <= 56


def test_pan_between_rests_is_no_dissolve() -> None:
    wide = films.textured(9, 192 * 3, 108)
    places = [0] * 40 + [round(384 * n / 20) for n in range(1, 20)] + [384] * 40
    images = [np.ascontiguousarray(wide[:108, x : x + 192]) for x in places]
    assert _cuts(create_detector("sync"), images) == []


def test_noise_and_brightness_drift_are_no_cuts() -> None:
    rng = np.random.default_rng(0)
    base = films.moving_shot(1, 80)
    images = [
        np.clip(image * (1 - n / 160) + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
        for n, image in enumerate(base)
    ]
    assert _cuts(create_detector("sync"), images) == []


def test_unknown_name() -> None:
    with pytest.raises(InvalidInputError, match="adaptive, content, hash"):
        create_detector("magic")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("scenedetect"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"sceneprint\[scenedetect\]"):
        create_detector("content")
