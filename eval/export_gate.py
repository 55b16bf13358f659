"""Whether an exported encoder still finds what its original finds.

Both embed the same pictures and texts, none of which the export was calibrated on. Cosines say how
far each vector moved (mean and 5th percentile), recall@10 what that does to answers: the share of
the original's ten best pictures that the export has among its ten, for pictures as queries and for
texts. A rank near the tenth place may change with no one noticing, so recall is allowed less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.compression import neighbour_scores
from eval.metrics import overlap_at_k
from eval.table import Column, Table, machine
from retrieval.encoders.base import PictureTextEncoder
from retrieval.types import FloatArray

__all__ = ["Floors", "Verdict", "judge_export"]

K = 10
COLUMNS = (
    Column("what", "What"),
    Column("number", "Number", ".0f"),
    Column("cosine", "Cosine", ".4f"),
    Column("cosine_p5", "5 % below", ".4f"),
    Column("recall_at_10", "R@10 %", ".1f"),
)


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The least that counts as the same encoder."""

    cosine: float = 0.99
    """Mean, of pictures and of texts."""
    recall: float = 0.9
    """Recall@10 of the original's answers, for pictures and for texts as queries."""

    def __post_init__(self) -> None:
        if not 0 <= self.cosine <= 1 or not 0 <= self.recall <= 1:
            raise ValueError(f"got {self}, expected floors from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was measured, and what of it is too low."""

    table: Table
    figures: dict[str, float]
    lacking: tuple[str, ...]
    """What lies below its floor, in words; empty for an export that may be used."""


def judge_export(
    original: PictureTextEncoder,
    exported: PictureTextEncoder,
    *,
    pictures: Sequence[NDArray[np.uint8]],
    texts: Sequence[str],
    floors: Floors,
) -> Verdict:
    """Compare both on pictures and texts.

    Args:
        original: as the checkpoint's own library runs it.
        exported: the folder.
        pictures: N of the user's own, (H, W, 3) uint8 RGB each.
        texts: queries.
        floors: what is enough.
    """
    images = [encoder.encode_images(pictures) for encoder in (original, exported)]
    queries = [encoder.encode_texts(texts) for encoder in (original, exported)]
    answers = [rows @ database.T for rows, database in zip(queries, images, strict=True)]
    near = [neighbour_scores(rows) for rows in images]
    rows = {
        "picture": (len(pictures), *_cosines(*images), overlap_at_k(near[0], near[1], K)),
        "text": (len(texts), *_cosines(*queries), overlap_at_k(answers[0], answers[1], K)),
    }
    table = Table(
        f"{exported.name} against its original",
        COLUMNS,
        tuple((f"{what}s", *row[:3], 100 * row[3]) for what, row in rows.items()),
        (f"Recall of the original's ten best of {len(pictures)} pictures.", machine()),
    )
    keys = [column.key for column in COLUMNS[1:]]
    figures = {
        f"{what}_{key}": float(value)
        for what, row in rows.items()
        for key, value in zip(keys, row, strict=True)
    }
    return Verdict(table=table, figures=figures, lacking=_lacking(figures, floors))


def _cosines(left: FloatArray, right: FloatArray) -> tuple[float, float]:
    """Mean, and what one in twenty lies below."""
    cosines = np.sum(left * right, axis=1)
    return float(cosines.mean()), float(np.percentile(cosines, 5))


def _lacking(figures: dict[str, float], floors: Floors) -> tuple[str, ...]:
    floor_of = {"cosine": floors.cosine, "recall_at_10": floors.recall}
    return tuple(
        f"{key.replace('_', ' ')} of {what}s is {figures[f'{what}_{key}']:.4f}, below {floor}"
        for key, floor in floor_of.items()
        for what in ("picture", "text")
        if figures[f"{what}_{key}"] < floor
    )
