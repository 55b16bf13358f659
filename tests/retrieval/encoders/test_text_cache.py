import threading

import numpy as np

from retrieval.encoders.text_cache import TextCache
from retrieval.types import FloatArray


class _Encode:
    """Gives each text its length, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: list[str]) -> FloatArray:
        self.asked.append(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_new_texts_are_encoded_once_and_in_order() -> None:
    cache, encode = TextCache(), _Encode()
    assert cache.encode(["a", "bb", "a"], encode).tolist() == [[1.0], [2.0], [1.0]]
    assert cache.encode(["ccc", "bb"], encode).tolist() == [[3.0], [2.0]]
    assert encode.asked == [["a", "bb"], ["ccc"]]


def test_the_text_used_longest_ago_is_forgotten() -> None:
    cache, encode = TextCache(capacity=2), _Encode()
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        cache.encode([text], encode)
    assert encode.asked == [["a"], ["bb"], ["ccc"], ["bb"]]


def test_more_texts_than_the_capacity() -> None:
    cache, encode = TextCache(capacity=1), _Encode()
    assert cache.encode(["a", "bb", "ccc"], encode).tolist() == [[1.0], [2.0], [3.0]]


def test_threads_get_right_rows() -> None:
    cache, encode = TextCache(capacity=3), _Encode()
    wrong: list[str] = []

    def work() -> None:
        for number in range(200):
            text = "x" * (number % 7 + 1)
            if cache.encode([text], encode)[0, 0] != len(text):
                wrong.append(text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
