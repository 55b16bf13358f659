import time

import numpy as np
import pytest

from retrieval.label_queue import doubts, next_rows, order_rows, queue_pool, seek_rows
from retrieval.types import FloatArray


def unit(*rows: tuple[float, ...]) -> FloatArray:
    array = np.array(rows, np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), np.float32)


NONE = np.zeros((0, 2), np.float32)


def test_doubt_by_hand() -> None:
    shares = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]], np.float32)
    found = doubts(shares, is_exclusive=True)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(2)
    assert found.tolist() == pytest.approx([1.0, 0.0, 0.5 * (1 - 0.8 + entropy)], abs=1e-6)


def test_a_multi_label_row_is_as_doubtful_as_its_most_doubtful_class() -> None:
    shares = np.array([[0.5, 1.0], [0.9, 0.0], [1.0, 0.0]], np.float32)
    assert doubts(shares, is_exclusive=False).tolist() == pytest.approx([1.0, 0.36, 0.0])


def test_shares_of_one_class_tell_nothing_apart() -> None:
    with pytest.raises(ValueError, match="two classes"):
        doubts(np.ones((2, 1), np.float32), is_exclusive=True)
    assert len(doubts(np.zeros((0, 2), np.float32), is_exclusive=True)) == 0


def test_the_pool_has_the_most_doubtful_open_rows() -> None:
    doubt = np.array([0.1, 0.9, 0.5, 0.8], np.float32)
    is_open = np.array([True, False, True, True])
    assert queue_pool(doubt, is_open, size=2).tolist() == [3, 2]
    assert queue_pool(doubt, is_open).tolist() == [3, 2, 0]


def test_twins_of_a_chosen_row_wait() -> None:
    rows = unit((1, 0), (1, 0.01), (0, 1))
    doubt = np.array([1.0, 0.99, 0.5], np.float32)
    assert next_rows(rows, doubt, known=NONE, count=3).tolist() == [0, 2, 1]
    assert next_rows(rows, doubt, known=unit((1, 0)), count=1).tolist() == [2]


def test_doubt_alone_decides_between_rows_that_are_equally_far() -> None:
    rows = np.eye(4, dtype=np.float32)
    doubt = np.array([0.2, 0.9, 0.4, 0.6], np.float32)
    assert next_rows(rows, doubt, known=rows[:0], count=9).tolist() == [1, 3, 2, 0]


def test_a_likely_row_of_each_class_without_an_example_comes_first() -> None:
    rows = np.eye(6, dtype=np.float32)
    words = np.array(
        [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.6, 0.4], [0.3, 0.7], [0.95, 0.05]], np.float32
    )
    doubt = doubts(words, is_exclusive=True)
    is_open = np.array([True] * 5 + [False])
    found = order_rows(
        rows, doubt, words, is_open=is_open, is_known=~is_open,
        num_labelled=np.array([1, 0]), count=5,
    )  # fmt: skip
    assert found.tolist() == [1, 4, 2, 3, 0]  # three tries for class 1, then doubt
    sought = seek_rows(rows, words, is_open=is_open, missing=np.array([0, 1]), known=rows[:0])
    assert sought[:2].tolist() == [0, 1]


def test_nothing_open_is_an_empty_queue() -> None:
    rows, closed = np.eye(2, dtype=np.float32), np.zeros(2, bool)
    found = order_rows(
        rows, np.ones(2, np.float32), rows, is_open=closed, is_known=~closed,
        num_labelled=np.array([0, 1]), count=5,
    )  # fmt: skip
    assert len(found) == 0


def test_a_hundred_thousand_shots_are_ordered_within_a_second() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((100_000, 64), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shares = rng.dirichlet(np.ones(8), 100_000).astype(np.float32)
    is_open = rng.random(100_000) < 0.99
    start = time.process_time()
    doubt = doubts(shares, is_exclusive=True)
    found = order_rows(
        rows, doubt, shares, is_open=is_open, is_known=~is_open,
        num_labelled=np.array([0, 0, 5, 5, 5, 5, 5, 5]), count=20,
    )  # fmt: skip
    assert time.process_time() - start < 2.0  # of all threads; 0.1 s on a free core
    assert len(set(found.tolist())) == 20
    assert is_open[found].all()
