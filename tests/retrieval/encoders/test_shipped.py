"""The encoder that is shipped, on real footage: right answers in several languages."""

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoders import load_encoder
from retrieval.encoders.base import PictureTextEncoder
from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.manifest import read_manifest
from retrieval.types import FloatArray
from tests.retrieval.encoders.conformance import PictureTextConformance

FILMS = ("bikes", "carphone", "world", "bunny")


class TestShipped(PictureTextConformance):
    @classmethod
    def make_encoder(cls) -> PictureTextEncoder:
        return load_encoder("builtin")


@pytest.fixture(scope="module")
def encoder() -> PictureTextEncoder:
    return load_encoder("builtin")


@pytest.fixture(scope="module")
def pictures(request: pytest.FixtureRequest) -> dict[str, list[NDArray[np.uint8]]]:
    """A frame a second of each film."""
    paths: dict[str, Path] = {name: request.getfixturevalue(name) for name in FILMS}
    return {name: list(_frames(path)) for name, path in paths.items()}


@pytest.fixture(scope="module")
def footage(
    encoder: PictureTextEncoder, pictures: dict[str, list[NDArray[np.uint8]]]
) -> dict[str, FloatArray]:
    """Embeddings of those frames."""
    return {name: encoder.encode_images(frames) for name, frames in pictures.items()}


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    next_seconds = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= next_seconds:
                next_seconds = frame.time + 1.0
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "film"),
    [
        ("people riding bicycles on a street", "bikes"),
        ("bicycles", "bikes"),
        ("街上的自行车", "bikes"),
        ("人们在街上骑自行车", "bikes"),
        ("Fahrräder auf der Straße", "bikes"),
        ("a man sits in a car", "carphone"),
        ("车里的男人", "carphone"),
        ("un homme dans une voiture", "carphone"),
        ("a rabbit in the grass", "bunny"),
        ("草地上的兔子", "bunny"),
    ],
)
def test_text_finds_the_film(
    encoder: PictureTextEncoder, footage: dict[str, FloatArray], text: str, film: str
) -> None:
    query = encoder.encode_texts([text])[0]
    means = {name: float(np.mean(rows @ query)) for name, rows in footage.items()}
    assert max(means, key=lambda name: means[name]) == film, means


def test_the_single_best_frame_is_of_the_right_film(
    encoder: PictureTextEncoder, footage: dict[str, FloatArray]
) -> None:
    query = encoder.encode_texts(["people riding bicycles on a street"])[0]
    best = {name: float(np.max(rows @ query)) for name, rows in footage.items()}
    assert max(best, key=lambda name: best[name]) == "bikes", best


def test_two_languages_lie_in_one_space(encoder: PictureTextEncoder) -> None:
    english = encoder.encode_texts(
        ["a dog runs on the beach", "two men play football", "a woman in a red dress"]
    )
    chinese = encoder.encode_texts(["一只狗在海滩上奔跑", "两个男人在踢足球", "穿红裙子的女人"])
    assert np.argmax(english @ chinese.T, axis=1).tolist() == [0, 1, 2]


def test_frames_of_one_film_are_nearest_to_their_own(footage: dict[str, FloatArray]) -> None:
    rows = np.concatenate(list(footage.values()))
    films = np.repeat(list(footage), [len(rows) for rows in footage.values()])
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1.0)
    assert np.mean(films[np.argmax(cosines, axis=1)] == films) >= 0.95


def test_runtimes_agree(
    encoder: PictureTextEncoder, pictures: dict[str, list[NDArray[np.uint8]]]
) -> None:
    other = load_encoder("builtin", runtime="openvino")
    assert other.id == encoder.id
    frames = pictures["bikes"][:4]
    cosines = np.sum(encoder.encode_images(frames) * other.encode_images(frames), axis=1)
    assert cosines.min() > 0.999
    texts = ["a dog runs on the beach", "两个男人在踢足球"]
    cosines = np.sum(encoder.encode_texts(texts) * other.encode_texts(texts), axis=1)
    assert cosines.min() > 0.98  # each runtime rounds the 8-bit English tower its own way


def test_probabilities_are_sure_but_not_saturated(
    encoder: PictureTextEncoder, footage: dict[str, FloatArray]
) -> None:
    labels = encoder.encode_texts(["a man sits in a car", "a dog on the beach", "a mountain"])
    logits = encoder.temperature * np.mean(footage["carphone"], axis=0) @ labels.T
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert shares.argmax() == 0
    assert 0.5 < shares[0] < 0.99999


def test_folder_fits_its_limit() -> None:
    manifest = read_manifest(ASSETS)
    assert (ASSETS / "MODEL_CARD.md").is_file()
    ours = sum(path.stat().st_size for path in ASSETS.iterdir())
    assert ours < 48e6  # with the 32 MB of the sentence encoder below 80 MB
    assert manifest.copies is not None
    named = set(manifest.sha256) | set(manifest.copies.sha256) | {"sound.onnx"}
    assert named == {
        path.name for path in ASSETS.iterdir() if path.suffix in (".onnx", ".json", ".npz")
    } - {"manifest.json", "sound.json"}


def test_loading_logs_nothing_alarming(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_encoder("builtin").warm_up()
    assert not caplog.records
