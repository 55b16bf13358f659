"""Subtitle files that came, went or changed after their film was ingested.

The film itself is not read again: its own text streams are as the library has them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from retrieval.catalog import Catalog
from retrieval.media.subtitles import SUBTITLE_SUFFIXES, sidecar_subtitles, sidecars
from retrieval.types import Video

__all__ = ["SubtitleFolders"]

_BESIDE = "file:"


class SubtitleFolders:
    """Looks for subtitle files of known films; each folder is listed once.

    Args:
        catalog: The library.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._listed: dict[Path, list[Path]] = {}

    def refresh(self, video: Video, path: Path) -> str | None:
        """Bring the lines beside a film into the catalog, where they are others than before.

        Args:
            video: As the library has it.
            path: Where its file is.

        Returns:
            What was done, for a person; None where nothing changed.

        Raises:
            OSError: The folder cannot be read.
            CatalogError: The library cannot be written.
        """
        files = [file for file, _ in sidecars(path, self._files(path.parent))]
        if not files and not video.num_subtitles:
            return None
        stored = self._catalog.subtitles(video.video_id)
        named = {line.source for line in stored if line.source.startswith(_BESIDE)}
        if named == {_BESIDE + _stored(file.name) for file in files} and not _is_newer(
            files, video
        ):
            return None
        beside, problems = sidecar_subtitles(path, video_id=video.video_id)
        lines = beside + [line for line in stored if not line.source.startswith(_BESIDE)]
        if [replace(line, source=_stored(line.source)) for line in lines] == stored:
            return None
        self._catalog.set_subtitles(video.video_id, lines)
        return "; ".join([f"only its subtitles: {len(lines)} lines now", *problems])

    def _files(self, folder: Path) -> Sequence[Path]:
        if folder not in self._listed:
            self._listed[folder] = [
                file for file in folder.iterdir() if file.suffix.lower() in SUBTITLE_SUFFIXES
            ]
        return self._listed[folder]


def _stored(name: str) -> str:
    """A name as the catalog keeps it: without bytes that are no text."""
    return name.encode(errors="replace").decode()


def _is_newer(files: Sequence[Path], video: Video) -> bool:
    """Whether a file was written, copied or moved here since the film was ingested."""
    added = datetime.fromisoformat(video.added_at).timestamp()
    stats = [file.stat() for file in files]
    return any(max(stat.st_mtime, stat.st_ctime) >= added for stat in stats)
