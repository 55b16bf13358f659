"""Reading a library through its engine: films, shots, thumbnails and the like, and its numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.engine_parts import EngineParts
from retrieval.library_info import LibraryInfo, describe_library
from retrieval.types import Scene, Segment, Shot, Subtitle, Video

if TYPE_CHECKING:
    from retrieval.banks import BankInfo

__all__ = ["EngineReading"]


class EngineReading(EngineParts):
    """What is in a library; `Engine` adds what can be done with it."""

    def videos(self) -> list[Video]:
        """All videos, in the order in which they were added."""
        return self.catalog.videos()

    def video(self, key: str) -> Video:
        """One video by id, unique start of an id, path or unique file name.

        Raises:
            NotFoundError: None is meant, or several are; the message lists near names.
        """
        return self.catalog.resolve_video(key)

    def shots(self, video_id: str) -> list[Shot]:
        """The shots of a video, in order."""
        return self.catalog.shots(self.video(video_id).video_id)

    def scenes(self, video_id: str) -> list[Scene]:
        """The scenes of a video, in order."""
        return self.catalog.scenes(self.video(video_id).video_id)

    def subtitles(self, video_id: str) -> list[Subtitle]:
        """The subtitle lines of a video, in order."""
        return self.catalog.subtitles(self.video(video_id).video_id)

    def thumbnail(self, shot_id: int) -> bytes:
        """The JPEG thumbnail of a shot.

        Raises:
            NotFoundError: There is no such shot, or it has no picture.
        """
        return self.catalog.thumbnail(shot_id)

    def clip(self, video_id: str, segment: Segment) -> Path:
        """A playable MP4 of a segment, cut into the library's bounded cache.

        Raises:
            InvalidInputError: The segment is empty, too long or outside the video.
            NotFoundError: There is no such video, or its file is not where it was.
            MediaError: The file cannot be read.
        """
        from retrieval.clips import cached_clip

        return cached_clip(self.video(video_id), segment, cache=self.library / "cache" / "clips")

    def banks(self) -> "list[BankInfo]":
        """The banks of this library, by name."""
        from retrieval.banks import list_banks

        return list_banks(self.library)

    def info(self) -> LibraryInfo:
        """Count what the library holds."""
        loaded = self._in_use.loaded
        vectors = None if loaded is None else loaded.vectors
        return describe_library(self.catalog, backend=self._index, vectors=vectors)
