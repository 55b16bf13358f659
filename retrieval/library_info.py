"""What a library holds, in numbers."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from retrieval.catalog import Catalog, VectorSet
from retrieval.sound_print import PRINT_VERSION
from retrieval.types import EncoderId
from retrieval.vectors import IndexState, ShotVectors

__all__ = ["LibraryInfo", "describe_library"]


@dataclass(frozen=True)
class LibraryInfo:
    """What a library holds, for a person and for `/ready`."""

    library: Path
    num_videos: int
    num_shots: int
    num_scenes: int
    num_subtitles: int
    hours: float
    """Media time of all videos."""
    size_bytes: int
    """Of the library directory (catalog, index, cache), not of the films."""
    encoder: EncoderId | None
    """None while no vectors are stored."""
    copy_encoder: EncoderId | None
    """What described the frames for match; None while none are stored."""
    num_without_copies: int
    """Videos from before frames were described and sound was listened to: match cannot compare
    them whole until they are ingested again."""
    sound_encoder: EncoderId | None
    """What embedded the shots' sound; None while none is stored."""
    num_without_sounds: int
    """Videos with sound that none of it was embedded of: search by sound does not find them."""
    vector_sets: tuple[VectorSet, ...]
    """The vectors of each search encoder that are kept, those in use first."""
    generation: str
    index: str
    """Backend name."""
    index_state: IndexState
    """Of the shot index: `empty` (nothing to hold), `current`, or `missing` or `stale`, which the
    next search mends."""


def describe_library(catalog: Catalog, *, backend: str, vectors: ShotVectors | None) -> LibraryInfo:
    """Count what a library holds.

    Args:
        catalog: The library.
        backend: Name of the index backend.
        vectors: Its shot vectors where they are loaded already.
    """
    totals, encoder = catalog.totals(), catalog.encoder()
    shots = vectors or (encoder and ShotVectors(catalog, encoder, backend=backend))
    return LibraryInfo(
        library=catalog.library,
        num_videos=totals.num_videos,
        num_shots=totals.num_shots,
        num_scenes=totals.num_scenes,
        num_subtitles=totals.num_subtitles,
        hours=totals.duration_seconds / 3600,
        size_bytes=_directory_bytes(catalog.library),
        encoder=encoder,
        copy_encoder=catalog.encoder("copy"),
        num_without_copies=len(catalog.videos_without_copies(sound_print_version=PRINT_VERSION)),
        sound_encoder=catalog.encoder("sound"),
        num_without_sounds=len(catalog.videos_without_sounds()),
        vector_sets=tuple(catalog.vector_sets()),
        generation=catalog.generation(),
        index=backend,
        index_state=shots.state() if shots else "empty",
    )


def _directory_bytes(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with suppress(OSError):  # gone meanwhile: a clip, a temporary index
            total += path.stat().st_size if path.is_file() else 0
    return total
