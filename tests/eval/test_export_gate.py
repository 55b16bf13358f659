"""The gate of exports, by hand: known vectors, known figures."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.export_gate import Floors, judge_export
from eval.metrics import overlap_at_k
from retrieval.encoders.base import PictureTextEncoder
from retrieval.types import FloatArray

DIM = 16


class Table(PictureTextEncoder):
    """Answers with a row of its table: pictures by their first value, texts by their number."""

    def __init__(self, rows: FloatArray) -> None:
        self.name, self.hash, self.dim, self.temperature = "fake:table", "0" * 64, DIM, 10.0
        self._rows = rows

    def _encode_image_batch(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        return self._rows[[int(image[0, 0, 0]) for image in images]]

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._rows[[int(text) for text in texts]]


def rows() -> FloatArray:
    return np.random.default_rng(0).normal(size=(30, DIM)).astype(np.float32)


PICTURES = [np.full((4, 4, 3), number, np.uint8) for number in range(30)]
TEXTS = [str(number) for number in range(20)]


def test_the_same_encoder_lacks_nothing() -> None:
    verdict = judge_export(
        Table(rows()), Table(rows()), pictures=PICTURES, texts=TEXTS, floors=Floors()
    )
    assert verdict.lacking == ()
    assert verdict.figures == pytest.approx(
        {
            **{"picture_number": 30, "picture_cosine": 1, "picture_cosine_p5": 1},
            **{"text_number": 20, "text_cosine": 1, "text_cosine_p5": 1},
            **{"picture_recall_at_10": 1, "text_recall_at_10": 1},
        }
    )


def test_a_turned_space_has_the_same_answers_but_other_vectors() -> None:
    verdict = judge_export(
        Table(rows()), Table(-rows()), pictures=PICTURES, texts=TEXTS, floors=Floors()
    )
    assert verdict.figures["picture_cosine"] == pytest.approx(-1)
    assert verdict.figures["text_recall_at_10"] == 1
    assert verdict.lacking == (
        "cosine of pictures is -1.0000, below 0.99",
        "cosine of texts is -1.0000, below 0.99",
    )


def test_one_bad_picture_is_seen_in_the_lowest_twentieth() -> None:
    changed = rows()
    changed[[0, 1]] = -changed[[0, 1]]
    verdict = judge_export(
        Table(rows()), Table(changed), pictures=PICTURES, texts=TEXTS, floors=Floors()
    )
    assert verdict.figures["picture_cosine"] == pytest.approx(28 / 30 - 2 / 30)
    assert verdict.figures["picture_cosine_p5"] < 0
    assert verdict.figures["picture_recall_at_10"] < 1


def test_overlap_by_hand() -> None:
    scores = [[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0]]
    others = [[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]
    assert overlap_at_k(scores, others, 2) == pytest.approx((1 + 0) / 2)
    assert overlap_at_k(scores, others, 3) == pytest.approx((1 + 2 / 3) / 2)
    assert overlap_at_k(scores, others, 9) == 1


@pytest.mark.parametrize(("shape", "k"), [((2, 3), 1), ((2, 4), 0), ((0, 4), 1)])
def test_overlap_of_what_does_not_fit(shape: tuple[int, int], k: int) -> None:
    left = np.zeros((2, 4)) if shape[0] else np.zeros(shape)
    with pytest.raises(ValueError, match=r"expected two \(Q, N\)"):
        overlap_at_k(left, np.zeros(shape), k)


@pytest.mark.parametrize("floors", [{"cosine": 1.1}, {"recall": -0.1}])
def test_floors_are_shares(floors: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Floors(**floors)
