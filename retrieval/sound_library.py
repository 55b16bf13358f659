"""The sound of a library: its index, derived from the prints in the catalog, and matching in it."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from retrieval.catalog import Catalog
from retrieval.errors import CatalogError
from retrieval.sound_index import SoundIndex
from retrieval.sound_match import SoundMatch, find_sound_matches
from retrieval.sound_print import SoundPrint

__all__ = ["LibrarySounds"]

logger = logging.getLogger(__name__)


class LibrarySounds:
    """Matches sounds with those of a library.

    The index lies in the library's `index` folder and carries the catalog's generation; one of
    another generation is made again from the prints.

    Args:
        catalog: The library.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
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
        query: SoundPrint,
        min_seconds: float,
        *,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[SoundMatch]:
        """Segments of the library's sound in a query's.

        Raises:
            OperationCancelled: `should_stop` said so.
        """
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
