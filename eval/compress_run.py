"""Makes a smaller encoder, measures it on pictures it did not learn from, and keeps it or not.

Held out are the `dev` split where the folder is laid out like Flickr8k (its captions are the
queries), else a fifth of the pictures, drawn with a fixed seed, at most as many as asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.encoder_folder import replaced
from adapters.training.compress import Original
from adapters.training.compress_export import add_figures
from adapters.training.config import Progress
from adapters.training.copy_pictures import read_pictures
from adapters.training.pairs import open_picture, read_pairs
from eval.compression import HeldOut, compare_encoders
from eval.table import Table
from retrieval.encoders.builtin import BuiltinEncoder
from retrieval.encoders.onnx_folder import load as load_folder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.errors import InvalidInputError

__all__ = ["Lessons", "Make", "compress", "read_lessons"]

Make = Callable[[Original, Sequence[bytes], Path, Progress], None]
"""(original, pictures to learn from, folder to write, progress)."""

SEED = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Lessons:
    """Pictures to learn from, and others to measure on."""

    pictures: Sequence[bytes]
    held_out: HeldOut


def compress(
    make: Make,
    encoder: BuiltinEncoder,
    lessons: Lessons,
    out: Path,
    *,
    floor: float,
    force: bool,
    progress: Progress,
) -> Table:
    """Make a smaller encoder and keep it if it is good enough.

    Args:
        make: one of `adapters.training.compress`.
        encoder: the original.
        lessons: from `read_lessons`.
        out: folder to write; an older one is replaced.
        floor: least mean cosine to the original's embeddings.
        force: whether to keep one below the floor.
        progress: told now and then.

    Returns:
        Both encoders, before and after.

    Raises:
        InvalidInputError: it is below the floor; says by how much, and the table. Nothing is kept.
        OSError: a file cannot be read or written.
        ValueError: pictures or encoder cannot be used.
    """
    folder = encoder.manifest.folder
    original = Original(
        name=encoder.name, hash=encoder.hash, folder=folder, embed=encoder.encode_images
    )
    with replaced(out) as made:
        make(original, lessons.pictures, made, progress)
        progress("measure", 0, 1, {})
        smaller = load_folder(str(made), runtime="auto", options=RuntimeOptions())
        images = (folder / encoder.manifest.image.file, made / smaller.manifest.image.file)
        compared = compare_encoders(encoder, smaller, lessons.held_out, sizes=images)
        if compared.cosine < floor and not force:
            raise InvalidInputError(
                f"mean cosine to the original is {compared.cosine:.3f}, below the floor {floor}: "
                f"nothing is written; give more pictures or epochs, a lower --floor, or --force\n"
                f"{compared.table.text()}"
            )
        add_figures(made, compared.figures)
    return compared.table


def read_lessons(data: Path, *, num_held_out: int) -> Lessons:
    """Read pictures and set some apart.

    Raises:
        OSError: they cannot be read.
        ValueError: there are too few, or one cannot be used.
    """
    has_dev = (data / "dev.tar").is_file() or (data / "dev").is_dir()
    if (data / "captions.tsv").is_file() and has_dev:
        pairs = read_pairs(data, "dev")
        pairs = pairs.subset(range(min(num_held_out, len(pairs))))
        texts = [(text, row) for row, own in enumerate(pairs.captions) for text in own]
        held_out = HeldOut(
            pictures=[np.asarray(open_picture(one)) for one in pairs.pictures],
            texts=[text for text, _ in texts],
            rows=[row for _, row in texts],
        )
        return Lessons(pictures=_shuffled(read_pairs(data, "train").pictures), held_out=held_out)
    pictures = _shuffled(read_pictures(data)[1])
    count = min(num_held_out, len(pictures) // 5)
    held = HeldOut(pictures=[np.asarray(open_picture(one)) for one in pictures[:count]])
    return Lessons(pictures=pictures[count:], held_out=held)


def _shuffled(pictures: Sequence[bytes]) -> list[bytes]:
    order = np.random.default_rng(SEED).permutation(len(pictures))
    return [pictures[row] for row in order]
