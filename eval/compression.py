"""A compressed encoder against its original: same pictures, same queries, in one table.

Cosine between both embeddings of each held-out picture; recall@10 on them (their captions as
queries, each with its one right picture; without captions a picture's ten nearest by the original
are what the other should find); pictures a second; bytes of the picture network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.metrics import overlap_at_k, ranks_of_targets, recall_at_k
from eval.table import Column, Table, machine, median_seconds
from retrieval.encoders.base import PictureTextEncoder
from retrieval.types import FloatArray

__all__ = ["Compared", "HeldOut", "compare_encoders", "neighbour_scores"]

COLUMNS = (
    Column("encoder", "Encoder"),
    Column("cosine", "Cosine", ".3f"),
    Column("recall_at_10", "R@10 %", ".1f"),
    Column("pictures_per_second", "Pictures/s", ".1f"),
    Column("megabytes", "Network MB", ".1f"),
)
BATCH = 16
RUNS = 5
K = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    """What both encoders are measured on, and neither learned from.

    Attributes:
        pictures: N pictures (H, W, 3) uint8 RGB.
        texts: captions; empty where there are none.
        rows: for each caption the row of its picture.
    """

    pictures: Sequence[NDArray[np.uint8]]
    texts: Sequence[str] = ()
    rows: Sequence[int] = ()

    def __post_init__(self) -> None:
        if len(self.pictures) <= K or len(self.texts) != len(self.rows):
            raise ValueError(
                f"got {len(self.pictures)} held-out pictures and {len(self.texts)} texts, "
                f"expected more than {K} pictures"
            )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came out."""

    table: Table
    figures: dict[str, float]
    """Of the compressed encoder; `original_…` of the other."""

    @property
    def cosine(self) -> float:
        """Mean cosine to the original's embeddings."""
        return self.figures["cosine"]


def compare_encoders(
    original: PictureTextEncoder,
    compressed: PictureTextEncoder,
    held_out: HeldOut,
    *,
    sizes: tuple[Path, Path],
) -> Compared:
    """Measure both, the times in turn.

    Args:
        original: before.
        compressed: after, with the text networks of the original.
        held_out: pictures and texts that neither learned from.
        sizes: the picture networks' files, original first.
    """
    pair = (original, compressed)
    vectors = [encoder.encode_images(held_out.pictures) for encoder in pair]
    cosine = float((vectors[0] * vectors[1]).sum(axis=1).mean())
    texts = original.encode_texts(held_out.texts) if held_out.texts else None
    recalls = [_recall(texts, rows, vectors[0], held_out) for rows in vectors]
    batch = list(held_out.pictures[:BATCH])
    speeds = [_speed(encoder, batch) for encoder in pair]
    megabytes = [path.stat().st_size / 1e6 for path in sizes]
    rows = tuple(
        (encoder.name, near, 100 * recall, speed, size)
        for encoder, near, recall, speed, size in zip(
            pair, (1.0, cosine), recalls, speeds, megabytes, strict=True
        )
    )
    keys = [column.key for column in COLUMNS[1:]]
    figures = {
        f"original_{key}": float(value) for key, value in zip(keys, rows[0][1:], strict=True)
    }
    figures |= {key: float(value) for key, value in zip(keys, rows[1][1:], strict=True)}
    queries = f"{len(held_out.texts)} captions" if held_out.texts else "the original's ten nearest"
    notes = (
        f"{len(held_out.pictures)} held-out pictures; recall of {queries}. "
        f"Batches of {len(batch)}, median of {RUNS}, preprocessing included.",
        machine(),
    )
    return Compared(table=Table("Before and after", COLUMNS, rows, notes), figures=figures)


def _recall(
    texts: FloatArray | None, rows: FloatArray, originals: FloatArray, held_out: HeldOut
) -> float:
    """Recall@10 of captions; without captions the overlap of the ten nearest pictures."""
    if texts is not None:
        return recall_at_k(ranks_of_targets(texts @ rows.T, np.asarray(held_out.rows)), K)
    return overlap_at_k(neighbour_scores(originals), neighbour_scores(rows), K)


def neighbour_scores(rows: FloatArray) -> FloatArray:
    """Scores (N, N) of pictures with one another; a picture is no answer to itself."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return scores


def _speed(encoder: PictureTextEncoder, batch: list[NDArray[np.uint8]]) -> float:
    return len(batch) / median_seconds(lambda: encoder.encode_images(batch), runs=RUNS)
