"""Keeps the embeddings of recent texts, so that paging through a search encodes nothing again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from retrieval.types import FloatArray

__all__ = ["TextCache"]


class TextCache:
    """The `capacity` texts used last, with their embeddings; safe from several threads."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._rows: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], encode: Callable[[list[str]], FloatArray]) -> FloatArray:
        """Embed texts, calling `encode` once for those that are new.

        Args:
            texts: N texts, N > 0.
            encode: (n,) distinct texts -> (n, D) float32.

        Returns:
            (N, D) float32, in the order of `texts`.
        """
        with self._lock:
            known = {text: self._rows[text] for text in texts if text in self._rows}
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            known.update(zip(new, encode(new), strict=True))
        with self._lock:
            for text in texts:
                self._rows[text] = known[text]
                self._rows.move_to_end(text)
            while len(self._rows) > self._capacity:
                self._rows.popitem(last=False)
        return np.stack([known[text] for text in texts])
