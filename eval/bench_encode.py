"""Times an encoder on each runtime, pictures and texts, one and many at a time.

Peers: the built-in encoder's own network in eager torch, and CLIP ViT-B/32, the encoder that most
scene search tools start with, likewise.
Pictures are 640 x 360, the size at which ingest hands them over; resizing them is timed too.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count, product
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.peers import TorchBuiltin, TorchClip
from eval.table import Cell, Column, Table, machine, median_seconds
from retrieval.encoders.registry import load_encoder
from retrieval.encoders.runtime import RUNTIMES
from retrieval.errors import InvalidInputError, MissingDependencyError

__all__ = ["query_texts", "run"]

COLUMNS = (
    Column("what", "What"),
    Column("images_per_second", "Images/s", ".0f"),
    Column("image_ms", "1 image ms", ".1f"),
    Column("texts_per_second", "Texts/s", ".0f"),
    Column("text_ms", "1 text ms", ".1f"),
    Column("other_text_ms", "1 Chinese ms", ".1f"),
)
_PICTURE_SHAPE = (360, 640, 3)
_WHO = ("man", "woman", "boy", "girl", "dog", "cat", "horse", "child", "player", "dancer")
_DOES = ("runs", "walks", "jumps", "sits", "rides", "climbs", "plays", "sings", "waits", "looks")
_WHERE = ("street", "beach", "field", "forest", "kitchen", "river", "stage", "garden", "station")
_WER = ("男人", "女人", "男孩", "女孩", "小狗", "猫", "马", "孩子", "球员", "舞者")
_WO = ("街上", "海滩", "田野", "森林里", "厨房", "河边", "舞台上", "花园", "车站")
_TUT = ("跑步", "走路", "跳跃", "坐着", "骑车", "攀登", "玩耍", "唱歌", "等待", "张望")


class _Encoder(Protocol):
    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> object: ...

    def encode_texts(self, texts: Sequence[str]) -> object: ...


def run(*, encoder: str = "builtin", runs: int = 5, batch: int = 16, peer: bool = True) -> Table:
    """Measure an encoder on every runtime it can use.

    Args:
        encoder: name of the encoder.
        runs: of which each figure is the median.
        batch: items at a time for the per-second columns.
        peer: whether the networks in eager torch are timed too.

    Raises:
        InvalidInputError: `runs` or `batch` is out of range, or the encoder is unknown.
    """
    if runs < 1 or not 1 <= batch <= 256:
        raise InvalidInputError(f"got {runs = } and {batch = }, expected at least 1, batch to 256")
    runtimes = tuple(RUNTIMES) if encoder.partition(":")[0] == "builtin" else ("auto",)
    rows: list[tuple[Cell, ...]] = []
    notes = [f"Batches of {batch}; medians of {runs} runs; {machine()}."]
    for runtime in runtimes:
        loaded = load_encoder(encoder, runtime=runtime)
        rows.append((f"{loaded.name}, {runtime}", *_measure(loaded, runs=runs, batch=batch)))
    for kind in (TorchBuiltin, TorchClip) if peer else ():
        try:
            peer_row = _measure(kind(), runs=runs, batch=batch, reads_chinese=False)
            rows.append((kind.name, *peer_row))
        except MissingDependencyError as exc:
            notes.append(f"Left out {kind.name}: {exc}")
    if peer:
        notes.append("The peers have random weights.")
    return Table("Encoding", COLUMNS, tuple(rows), tuple(notes))


def query_texts(language: Literal["en", "zh"] = "en") -> Iterator[str]:
    """Short queries, each other than all before: no cache of earlier texts can answer them."""
    for who, does, where in product(range(10), range(10), range(9)):
        if language == "en":
            yield f"a {_WHO[who]} {_DOES[does]} at the {_WHERE[where]}"
        else:
            yield f"{_WER[who]}在{_WO[where]}{_TUT[does]}"
    for number in count(1):
        yield f"take {number} of the film" if language == "en" else f"电影的第{number}个镜头"


def _measure(
    encoder: _Encoder, *, runs: int, batch: int, reads_chinese: bool = True
) -> tuple[float | None, ...]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, _PICTURE_SHAPE, dtype=np.uint8) for _ in range(batch)]
    english, chinese = query_texts("en"), query_texts("zh")

    def timed(work: Callable[[], object]) -> float:
        return median_seconds(work, runs=runs, warm_up=2)

    one_image = timed(lambda: encoder.encode_images(images[:1]))
    many_images = timed(lambda: encoder.encode_images(images))
    one_text = timed(lambda: encoder.encode_texts([next(english)]))
    many_texts = timed(lambda: encoder.encode_texts([next(english) for _ in range(batch)]))
    one_chinese = timed(lambda: encoder.encode_texts([next(chinese)])) if reads_chinese else None
    return (
        batch / many_images,
        1e3 * one_image,
        batch / many_texts,
        1e3 * one_text,
        one_chinese and 1e3 * one_chinese,
    )
