"""The page of `sceneprint compare`: figures, and both answers to each query as pictures.

Self-contained: pictures and styles inlined, no script, nothing fetched. A shot may be an answer to
many queries, so its picture is a background that is in the page once.
"""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from app.report import inline_jpeg
from app.templating import clock, render
from eval.compare import KINDS, Comparison, Found, Side
from retrieval.catalog import Catalog
from retrieval.errors import NotFoundError
from retrieval.types import Shot, Video

__all__ = ["MAX_PICTURED", "compare_report"]

MAX_PICTURED = 40
"""Queries that get pictures: those whose answers differ most, of each kind alike."""
MAX_SHOWN = 10
"""Answers shown of each side."""


def compare_report(found: Comparison, catalog: Catalog, *, made_at: datetime | None = None) -> str:
    """Make the page.

    Args:
        found: What was compared.
        catalog: Holds the keyframes.
        made_at: When; now for None.
    """
    table = found.table()
    chosen = _chosen(found.sides)
    ids = {shot_id for side in chosen for shot_id, _ in (*side.old, *side.new)}
    ids |= {side.query.shot_id for side in chosen if side.query.shot_id is not None}
    shots = {shot.shot_id: shot for shot in catalog.shots_by_ids(sorted(ids))}
    videos = catalog.videos_by_ids([shot.video_id for shot in shots.values()])
    cards = _Cards(catalog, shots, videos)
    return render(
        "compare_report.html",
        facts=_facts(found, made_at or datetime.now(UTC)),
        headings=[column.heading for column in table.columns],
        rows=[
            [column.show(cell) for column, cell in zip(table.columns, row, strict=True)]
            for row in table.rows
        ],
        notes=table.notes,
        num_queries=len(found.sides),
        queries=[_query(side, cards) for side in chosen],
        pictures={shot_id: url for shot_id, url in cards.pictures.items() if url is not None},
    )


def _facts(found: Comparison, made_at: datetime) -> list[tuple[str, str]]:
    old, new = found.encoders
    return [
        ("Old", old.name),
        ("New", new.name),
        ("Shots", f"{found.num_shots}"),
        ("Made", made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Program", f"Sceneprint {version('sceneprint')}"),
    ]


def _chosen(sides: tuple[Side, ...]) -> list[Side]:
    """The queries to picture, by kind, those with the least in common first."""
    kinds = [kind for kind in KINDS if any(side.query.kind == kind for side in sides)]
    room = max(1, MAX_PICTURED // max(1, len(kinds)))
    return [
        side
        for kind in kinds
        for side in sorted(
            (one for one in sides if one.query.kind == kind), key=lambda one: one.overlap
        )[:room]
    ]


def _query(side: Side, cards: "_Cards") -> dict[str, Any]:
    query, recall = side.query, side.recall
    both = {one for one, _ in side.old} & {one for one, _ in side.new}
    return {
        "title": query.title,
        "kind": KINDS[query.kind],
        "overlap": side.overlap,
        "example": None if query.shot_id is None else cards.picture(query.shot_id),
        "num_right": len(query.right),
        "sides": [
            {
                "name": name,
                "recall": None if recall is None else recall[place],
                "milliseconds": f"{1000 * side.seconds[place]:.1f}",
                "hits": cards.cards(answer, both, query.right),
            }
            for place, (name, answer) in enumerate((("Old", side.old), ("New", side.new)))
        ],
    }


class _Cards:
    """Answers with their pictures; each picture is read once."""

    def __init__(self, catalog: Catalog, shots: dict[int, Shot], videos: dict[str, Video]) -> None:
        self._catalog = catalog
        self._shots = shots
        self._videos = videos
        self.pictures: dict[int, str | None] = {}
        """Keyframes as `data:` URLs by shot; None where none is kept."""

    def picture(self, shot_id: int) -> int:
        """See to it that the shot's keyframe is in the page; its number there is the shot's id."""
        if shot_id not in self.pictures:
            try:
                self.pictures[shot_id] = inline_jpeg(self._catalog.thumbnail(shot_id))
            except NotFoundError:
                self.pictures[shot_id] = None
        return shot_id

    def cards(self, answer: Found, both: set[int], right: frozenset[int]) -> list[dict[str, Any]]:
        """What is shown of the shots of an answer, without those that are gone."""
        cards = []
        for shot_id, score in answer[:MAX_SHOWN]:
            shot = self._shots.get(shot_id)
            video = None if shot is None else self._videos.get(shot.video_id)
            if shot is None or video is None:
                continue
            cards.append(
                {
                    "name": video.name,
                    "at": clock(shot.segment.start_seconds),
                    "score": score,
                    "picture": self.picture(shot_id),
                    "is_both": shot_id in both,
                    "is_right": shot_id in right,
                }
            )
        return cards
