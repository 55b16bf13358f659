"""Hits out of ranked entries: the last step of `search`, for the page that is shown."""

from collections.abc import Mapping, Sequence

from retrieval.catalog import Catalog
from retrieval.errors import NotFoundError
from retrieval.search_lists import Fused
from retrieval.types import Hit, Segment, Unit, Video

__all__ = ["make_hits"]


def make_hits(catalog: Catalog, unit: Unit, page: Sequence[Fused]) -> list[Hit]:
    """Give entries as hits, leaving out what was removed since it was ranked."""
    return _Hits(catalog, unit).build(page)


class _Hits:
    """Makes hits, looking each video and scene up once."""

    def __init__(self, catalog: Catalog, unit: Unit) -> None:
        self._catalog = catalog
        self._unit = unit
        self._videos: Mapping[str, Video] = {}
        self._scenes: dict[str, list[tuple[Segment, int, int]]] = {}

    def build(self, ranked: Sequence[Fused]) -> list[Hit]:
        self._videos = self._catalog.videos_by_ids([item.key[0] for item in ranked])
        return [hit for hit in map(self._hit, ranked) if hit is not None]

    def _hit(self, item: Fused) -> Hit | None:
        video_id, number = item.key
        if video_id not in self._videos:  # removed between the search and now
            return None
        try:
            segment, start_frame, end_frame = self._place(item)
        except NotFoundError:
            return None
        return Hit(
            video=self._videos[video_id],
            unit=self._unit,
            number=max(0, number),
            shot_id=0 if item.shot is None else item.shot.shot_id,
            segment=segment,
            start_frame=start_frame,
            end_frame=end_frame,
            score=item.score,
            provenance=item.provenance,
        )

    def _place(self, item: Fused) -> tuple[Segment, int | None, int | None]:
        if item.shot is None:
            assert item.line is not None  # only lines lack a shot
            return item.line.segment, None, None
        if self._unit == "shot":
            return item.shot.segment, item.shot.start_frame, item.shot.end_frame
        video_id, number = item.key
        if video_id not in self._scenes:
            shots = self._catalog.shots(video_id)
            self._scenes[video_id] = [
                (
                    scene.segment,
                    shots[scene.first_shot].start_frame,
                    shots[scene.last_shot].end_frame,
                )
                for scene in self._catalog.scenes(video_id)
            ]
        if number >= len(self._scenes[video_id]):
            raise NotFoundError(f"scene {number} of {video_id} is gone")
        return self._scenes[video_id][number]
