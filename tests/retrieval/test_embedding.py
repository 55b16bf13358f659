from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.embedding import BATCH_SIZE, FrameEmbedder
from retrieval.encoders.copy_search import SearchCopyEncoder
from retrieval.types import FloatArray
from tests.fakes import FakeEncoder
from tests.films import letterboxed, moving_shot
from tests.retrieval.libraries import colour

Picture = NDArray[np.uint8]


def test_embeddings_come_in_the_order_of_time() -> None:
    with FrameEmbedder(FakeEncoder()) as embedder:
        for seconds, name in ((2.0, "red"), (1.0, "green"), (3.0, "blue")):
            embedder.add(seconds, colour(name))
        frames = embedder.finish()
    assert frames.times.tolist() == [1.0, 2.0, 3.0]
    assert frames.vectors.argmax(axis=1).tolist() == [1, 0, 2]
    assert frames.at([2.9, 0.0, 1.4]).argmax(axis=1).tolist() == [2, 1, 1]


def test_many_batches_are_the_same_as_one_call() -> None:
    encoder = FakeEncoder(layout_weight=3.0)
    images = moving_shot(1, 5 * BATCH_SIZE + 3)
    with FrameEmbedder(encoder) as embedder:
        for number, image in enumerate(images):
            embedder.add(float(number), image)
        frames = embedder.finish()
    assert len(frames.vectors) == len(images)
    # Frames that look like the one before share its embedding, so nearly but not exactly.
    assert np.sum(frames.vectors * encoder.encode_images(images), axis=1).min() > 0.99


def test_a_time_and_a_look_are_encoded_once() -> None:
    encoder = FakeEncoder()
    with FrameEmbedder(encoder) as embedder:
        for number in range(20):
            embedder.add(float(number), colour("red"))
            embedder.add(float(number), colour("green"))  # the same time again
        frames = embedder.finish()
    assert len(frames.times) == 20
    assert encoder.num_images == 1
    assert frames.vectors.argmax(axis=1).tolist() == [0] * 20


def test_bars_are_cut_off() -> None:
    seen: list[Picture] = []
    black = np.zeros((108, 192, 3), dtype=np.uint8)
    images = letterboxed([*moving_shot(2, 12), *[black] * 12, *moving_shot(3, 12)], bar=16)
    with FrameEmbedder(FakeEncoder(), on_batch=seen.extend) as embedder:
        for number, image in enumerate(images):
            embedder.add(float(number), image)
        embedder.finish()
    assert {image.shape for image in seen} == {(76, 192, 3)}


def test_both_kinds_come_from_one_pass_where_they_can() -> None:
    encoder, other = FakeEncoder(), FakeEncoder("fake:other/v1", layout_weight=1.0)
    for copy_encoder in (SearchCopyEncoder(encoder), SearchCopyEncoder(other)):
        with FrameEmbedder(encoder, copy_encoder=copy_encoder) as embedder:
            for number, name in enumerate(["red", "red", "green"]):
                embedder.add(float(number), colour(name))
            frames = embedder.finish()
        assert frames.vectors.argmax(axis=1).tolist() == [0, 0, 1]
        assert frames.copies.argmax(axis=1).tolist() == [0, 0, 1]
    assert (encoder.num_images, other.num_images) == (4, 2)


def test_copies_alone() -> None:
    with FrameEmbedder(None, copy_encoder=SearchCopyEncoder(FakeEncoder())) as embedder:
        for number in range(BATCH_SIZE + 1):
            embedder.add(float(number), colour("blue"))
        frames = embedder.finish()
    assert frames.vectors.shape == (BATCH_SIZE + 1, 0)
    assert frames.copies.argmax(axis=1).tolist() == [2] * (BATCH_SIZE + 1)


def test_no_frames() -> None:
    with FrameEmbedder(FakeEncoder()) as embedder:
        frames = embedder.finish()
    assert frames.vectors.shape == (0, FakeEncoder().dim)


class Broken(FakeEncoder):
    def _encode_image_batch(self, images: Sequence[Picture]) -> FloatArray:
        raise OSError("the device is gone")


def test_an_error_of_the_encoder_reaches_the_caller() -> None:
    def add_all(embedder: FrameEmbedder) -> None:
        for number, image in enumerate(moving_shot(3, 10 * BATCH_SIZE)):
            embedder.add(float(number), image)

    with FrameEmbedder(Broken()) as embedder, pytest.raises(OSError, match="device"):
        add_all(embedder)
