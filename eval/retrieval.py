"""Text-to-picture recall of an encoder over a folder of captioned pictures.

The folder is laid out as for training (`captions.tsv` and `<split>.tar` or `<split>/`). Every
caption is a query, every picture of the split a candidate, and a query's right answer is the one
picture that it describes. A file of translations adds queries in another language, compared with
the English captions they translate: the same pictures, the same number of queries.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.training.pairs import clean_caption, open_picture, read_pairs
from eval.metrics import median_rank, ranks_of_targets, recall_at_k
from eval.table import Column, Table
from retrieval.encoders.base import PictureTextEncoder
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import FloatArray

__all__ = ["Translation", "evaluate_retrieval", "read_translations"]

COLUMNS = (
    Column("queries", "Queries"),
    Column("num_queries", "n"),
    Column("num_pictures", "Pictures"),
    Column("recall_at_1", "R@1 %", ".1f"),
    Column("recall_at_5", "R@5 %", ".1f"),
    Column("recall_at_10", "R@10 %", ".1f"),
    Column("median_rank", "Median rank", ".0f"),
)
_TEXTS_AT_ONCE = 256
_PICTURES_AT_ONCE = 64


@dataclass(frozen=True)
class Translation:
    """One caption of one picture in English and in another language."""

    image: str
    english: str
    text: str


def evaluate_retrieval(
    encoder: PictureTextEncoder,
    data: Path,
    *,
    split: str = "dev",
    translations: Path | None = None,
) -> Table:
    """Measure R@1, R@5, R@10 and the median rank, by language.

    Args:
        encoder: what is measured.
        data: the folder of pictures and captions.
        split: which split of it.
        translations: see `read_translations`; adds a row for them and one for the English
            captions they translate.

    Raises:
        NotFoundError: the folder or a file in it is missing.
        InvalidInputError: a file cannot be read as described.
    """
    try:
        pairs = read_pairs(data, split)
        gallery = _encode_pictures(encoder, pairs.pictures)
    except FileNotFoundError as exc:
        raise NotFoundError(str(exc)) from exc
    except (ValueError, OSError) as exc:
        raise InvalidInputError(f"cannot read {data}: {exc}") from exc
    columns = {name: column for column, name in enumerate(pairs.names)}
    queries = [(text, row) for row, texts in enumerate(pairs.captions) for text in texts]
    rows = [_row(f"{split}, all captions", queries, encoder, gallery)]
    if translations is not None:
        pieces = read_translations(translations, known=columns)
        english = [(clean_caption(piece.english), columns[piece.image]) for piece in pieces]
        others = [(piece.text, columns[piece.image]) for piece in pieces]
        rows.append(_row("translated captions, English", english, encoder, gallery))
        rows.append(_row("translated captions, translation", others, encoder, gallery))
    notes = [f"Encoder {encoder.name}, {encoder.hash[:12]}."]
    if translations is not None and rows[1][5]:
        ratio = float(rows[2][5]) / float(rows[1][5])
        notes.append(f"R@10 of the translations is {ratio:.2f} × that of the English originals.")
    return Table(f"Text to picture, {data.name}", COLUMNS, tuple(rows), tuple(notes))


def read_translations(path: Path, *, known: dict[str, int]) -> list[Translation]:
    """Read lines of `image<TAB>English caption<TAB>translation`, UTF-8, headings allowed.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: a line has other columns or names a picture that is not in `known`.
    """
    if not path.is_file():
        raise NotFoundError(f"found no file {path}; give a table of image, caption, translation")
    pieces = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if number == 1 and row[:1] == ["image"]:
                continue
            if len(row) != 3 or row[0] not in known:
                raise InvalidInputError(
                    f"{path}, line {number}: got {row!r}, expected a picture of the split, "
                    "its English caption and the translation, separated by tabs"
                )
            pieces.append(Translation(*(cell.strip() for cell in row)))
    if not pieces:
        raise InvalidInputError(f"{path} holds no translations")
    return pieces


def _row(
    name: str,
    queries: Sequence[tuple[str, int]],
    encoder: PictureTextEncoder,
    gallery: FloatArray,
) -> tuple[str, int, int, float, float, float, float]:
    ranks = np.concatenate(list(_ranks(queries, encoder, gallery)))
    recalls = [100.0 * recall_at_k(ranks, k) for k in (1, 5, 10)]
    return (name, len(queries), len(gallery), recalls[0], recalls[1], recalls[2],
            median_rank(ranks))  # fmt: skip


def _ranks(
    queries: Sequence[tuple[str, int]], encoder: PictureTextEncoder, gallery: FloatArray
) -> Iterator[np.ndarray]:
    """Rank a few hundred queries at a time, so that memory does not grow with their number."""
    for start in range(0, len(queries), _TEXTS_AT_ONCE):
        texts, targets = zip(*queries[start : start + _TEXTS_AT_ONCE], strict=True)
        yield ranks_of_targets(encoder.encode_texts(texts) @ gallery.T, targets)


def _encode_pictures(encoder: PictureTextEncoder, pictures: Sequence[bytes]) -> FloatArray:
    parts = []
    for start in range(0, len(pictures), _PICTURES_AT_ONCE):
        opened = [open_picture(data) for data in pictures[start : start + _PICTURES_AT_ONCE]]
        parts.append(encoder.encode_images([np.asarray(picture) for picture in opened]))
    return np.concatenate(parts)
