"""The sound of a library: its index, derived from the prints in the catalog, and matching in it."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from retrieval.catalog import Catalog
from retrieval.errors import CatalogError
from retrieval.listening import listening
from retrieval.media.limits import MediaLimits
from retrieval.media.probe import probe
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import SoundMatch, find_sound_matches
from retrieval.sound_print import SoundPrint

__all__ = ["LibrarySounds"]

logger = logging.getLogger(__name__)


class LibrarySounds:
    """Matches the sound of files with that of a library.

    The index lies in the library's `index` folder and carries the catalog's generation; one of
    another generation is made again from the prints.

    Args:
        catalog: The library.
        limits: Bounds on files that are listened to.
    """

    def __init__(self, catalog: Catalog, *, limits: MediaLimits | None = None) -> None:
        self._catalog = catalog
        self._limits = limits
        self._index: tuple[str, SoundIndex] | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Folder of the index."""
        return self._catalog.library / "index" / "sounds.index"

    def refresh(self) -> SoundIndex:
        """The index of the present generation."""
        generation = self._catalog.generation()
        with self._lock:
            if self._index is None or self._index[0] != generation:
                self._index = generation, self._loaded(generation) or self._made(generation)
            return self._index[1]

    def find(
        self,
        path: Path,
        min_seconds: float,
        *,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[SoundMatch] | None:
        """Segments of the library's sound in a file's; None where it is silent throughout.

        Raises:
            MediaError: The file cannot be read.
            OperationCancelled: `should_stop` said so.
        """
        info = probe(path) if self._limits is None else probe(path, limits=self._limits)
        with listening(path, info, limits=self._limits, should_stop=should_stop) as heard:
            made = heard().sound_print
        if made is None:
            return None
        query = SoundPrint.from_bytes(made)
        return find_sound_matches(
            query, self.refresh(), min_seconds=min_seconds, should_stop=should_stop
        )

    def _loaded(self, generation: str) -> SoundIndex | None:
        if not self.path.exists():
            return None
        try:
            if SoundIndex.saved_generation(self.path) == generation:
                return SoundIndex.load(self.path)
        except CatalogError as exc:
            logger.warning("making the sound index again: %s", exc)
        return None

    def _made(self, generation: str) -> SoundIndex:
        prints = {
            video_id: SoundPrint.from_bytes(blob)
            for video_id, _, blob in self._catalog.sound_prints()
        }
        index = SoundIndex.build(prints)
        try:
            self.path.parent.mkdir(exist_ok=True)
            index.save(self.path, generation=generation)
        except OSError as exc:
            logger.warning("the sound index is not kept for the next start: %s", exc)
        return index
