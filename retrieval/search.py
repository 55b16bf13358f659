"""Search: text, still and example clip to ranked shots or scenes, with where each came from.

Each query part gives one or two ranked lists (pictures by cosine, subtitle lines by BM25). A
single list keeps its own score; several are fused by their ranks, because a cosine and a BM25
score cannot be added: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009, SIGIR).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.types import FloatArray, Hit, Provenance, Segment, Shot, Subtitle, Unit, Video

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.media.limits import MediaLimits
    from retrieval.vectors import ShotVectors

__all__ = ["MAX_RESULTS", "MAX_TEXT_CHARS", "SearchQuery", "search"]

MAX_TEXT_CHARS = 1_000
MAX_RESULTS = 1_000
"""A ranked list ends here; so do its pages."""
RRF_K = 60
"""Rank offset of the fusion, from its paper; large enough that no single first place decides."""
DEPTHS = (100, MAX_RESULTS)
"""List lengths: pages up to a depth are cut from one and the same list, so they fit together."""
SHORT_DEPTH = 20
"""Length of a list that is fused with no other, where the page ends here: the usual search."""
MAX_CLIP_FRAMES = 48

_Nearest = Callable[[int], list[tuple[int, float]]]
"""Number of shots wanted -> shot ids with their scores, best first."""
Key = tuple[str, int]
"""Video id and number of the shot or scene; lines of a video without shots have -1 - line."""


@dataclass(frozen=True)
class SearchQuery:
    """What is looked for; it checks itself.

    Attributes:
        text: At most 1,000 characters, in any language of the encoder; also searches subtitles.
        image: (H, W, 3) uint8 RGB.
        clip: An example clip on disk.
        k: Number of hits, 1 to 1,000.
        min_score: Hits below it are left out. It is a bound on the score shown: the cosine where
            one picture list is all there is, the fused score in (0, 1] otherwise.
        video: Search only this video (id, start of an id, path or file name).
        unit: Rank shots, or scenes by their best shot.
        offset: Hits to skip, for the next page. The list ends at rank 1,000.
    """

    text: str | None = None
    image: NDArray[np.uint8] | None = None
    clip: Path | None = None
    k: int = 10
    min_score: float | None = None
    video: str | None = None
    unit: Unit = "shot"
    offset: int = 0

    def __post_init__(self) -> None:
        if self.text is None and self.image is None and self.clip is None:
            raise InvalidInputError("got no query, expected text, an image or a clip")
        if self.text is not None:
            _check_text(self.text)
        if not 1 <= self.k <= MAX_RESULTS:
            raise InvalidInputError(f"got k = {self.k}, expected 1 to {MAX_RESULTS}")
        if self.offset < 0:
            raise InvalidInputError(f"got offset = {self.offset}, expected 0 or more")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise InvalidInputError(f"got min_score = {self.min_score}, expected a finite number")
        if self.unit not in ("shot", "scene"):
            raise InvalidInputError(f"got unit = {self.unit!r}, expected 'shot' or 'scene'")


@dataclass(frozen=True)
class _Entry:
    """One shot, scene or line in one ranked list."""

    key: Key
    score: float
    shot: Shot | None
    """The shot that stands for it; None for a line of a video without shots."""
    line: Subtitle | None = None


@dataclass(frozen=True)
class _RankedList:
    """Entries of one modality for one query part, best first, each key once."""

    modality: str
    query: str
    entries: tuple[_Entry, ...]


def search(
    query: SearchQuery,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    vectors: "ShotVectors",
    limits: "MediaLimits | None" = None,
) -> list[Hit]:
    """Rank the library's shots or scenes for a query.

    Args:
        query: What is looked for.
        catalog: The library.
        encoder: What its vectors were made with.
        vectors: Its shot embeddings and their index.
        limits: Bounds on the clip; None for the defaults.

    Returns:
        At most `query.k` hits, best first; equal scores in the order of shot ids.

    Raises:
        NotFoundError: The library is empty, or the video or clip does not exist.
        MediaError: The clip cannot be read.
        EncoderMismatchError: The library was made with another encoder.
    """
    if query.offset >= MAX_RESULTS:
        return []
    video_id = None if query.video is None else catalog.resolve_video(query.video).video_id
    wanted = min(query.offset + query.k, MAX_RESULTS)
    depth = next(depth for depth in DEPTHS if depth >= wanted)
    parts = _embedded_parts(query, encoder, limits)
    lines = _subtitle_list(query, catalog, video_id, depth)

    def nearest(part: str) -> _Nearest:
        return lambda count: _nearest(parts[part], vectors, count, video_id)

    if query.unit == "shot" and len(parts) == 1 and not lines.entries:
        (part,) = parts
        page = _page_of_shots(nearest(part), part, query, catalog)
    else:
        pictures = [
            _RankedList("picture", part, _entries(nearest(part), catalog, query.unit, depth))
            for part in parts
        ]
        ranked = _fuse([item for item in (*pictures, lines) if item.entries])
        page = [item for item in ranked if _is_shown(item.score, query)][query.offset : wanted]
    if not page and catalog.totals().num_videos == 0:
        raise NotFoundError(
            f"the library {catalog.library} holds no videos yet; add some with "
            "`sceneprint ingest PATH`"
        )
    return _Hits(catalog, query.unit).build(page)


def _embedded_parts(
    query: SearchQuery, encoder: "PictureTextEncoder", limits: "MediaLimits | None"
) -> dict[str, FloatArray]:
    """The embeddings (F, D) of each query part; only a clip has more than one."""
    parts = {}
    if query.text is not None:
        parts["text"] = encoder.encode_texts([query.text.strip()])
    if query.image is not None:
        from retrieval.media.letterbox import crop_bars

        parts["image"] = encoder.encode_images(crop_bars([query.image]))
    if query.clip is not None:
        from retrieval.sampling import clip_frames

        frames = clip_frames(query.clip, max_frames=MAX_CLIP_FRAMES, limits=limits)
        parts["clip"] = encoder.encode_images(frames)
    return parts


def _subtitle_list(
    query: SearchQuery, catalog: Catalog, video_id: str | None, depth: int
) -> _RankedList:
    """The subtitle lines that the text part finds."""
    if query.text is None:
        return _RankedList("subtitle", "text", ())
    videos = None if video_id is None else [video_id]
    lines = catalog.search_subtitles(query.text, limit=depth, video_ids=videos)
    return _RankedList("subtitle", "text", _line_entries(lines, catalog, query.unit))


def _is_shown(score: float, query: SearchQuery) -> bool:
    return query.min_score is None or score >= query.min_score


def _page_of_shots(
    nearest: _Nearest, part: str, query: SearchQuery, catalog: Catalog
) -> list["_Fused"]:
    """One page of one list of shots: the catalog is asked for no more than what is shown.

    The same as fusing that list alone, in a fraction of the time: most searches come this way.
    """
    wanted = min(query.offset + query.k, MAX_RESULTS)
    found: list[tuple[int, float]] = []
    for depth in (SHORT_DEPTH, *DEPTHS):
        if depth >= wanted:
            found = sorted(nearest(depth), key=lambda pair: (-pair[1], pair[0]))
            if len(found) < depth or found[wanted - 1][1] > found[-1][1]:
                break  # else equal scores run past the end, and which of them came is chance
    page = [pair for pair in found if _is_shown(pair[1], query)][query.offset : wanted]
    shots = {shot.shot_id: shot for shot in catalog.shots_by_ids([pair[0] for pair in page])}
    return [
        _Fused(
            _key(shots[shot_id], "shot"),
            score,
            shots[shot_id],
            None,
            (Provenance(modality="picture", rank=rank, score=score, query=part),),
        )
        for rank, (shot_id, score) in enumerate(page, start=query.offset + 1)
        if shot_id in shots
    ]


# --- pictures


def _nearest(
    embeddings: FloatArray, vectors: "ShotVectors", count: int, video_id: str | None
) -> list[tuple[int, float]]:
    """Shot ids with their scores for one query part of F frames, best first.

    A still or a text has one frame. For a clip a shot's score is the mean over the third of the
    frames that it fits best: a shot need not fit the whole clip, and one odd frame does not carry
    it. Where a shot is not in a frame's list, that list's last score is an upper bound and counts.
    """
    scores, ids = vectors.search(embeddings, count, video_id=video_id)
    if len(embeddings) == 1:
        found = ids[0] >= 0
        return list(zip(ids[0][found].tolist(), scores[0][found].tolist(), strict=True))
    shot_ids, places = np.unique(ids, return_inverse=True)
    last = np.min(np.where(ids >= 0, scores, np.inf), axis=1)
    table = np.repeat(last[:, None], len(shot_ids), axis=1)
    rows = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    table[rows, places.reshape(ids.shape)] = scores
    best = -np.sort(-table, axis=0)[: math.ceil(len(ids) / 3)].mean(axis=0)
    pairs = [(int(i), float(s)) for i, s in zip(shot_ids, best, strict=True) if i >= 0]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:count]


def _entries(nearest: _Nearest, catalog: Catalog, unit: Unit, depth: int) -> tuple[_Entry, ...]:
    """Fill a list with `depth` units: a scene takes several shots, so more are asked for."""
    count = depth
    while True:
        found = nearest(count)
        scores = dict(found)
        shots = catalog.shots_by_ids([shot_id for shot_id, _ in found])
        entries = _best_per_key(
            _Entry(_key(shot, unit), scores[shot.shot_id], shot) for shot in shots
        )
        is_all = len(found) < count
        if unit == "shot" or is_all or len(entries) >= depth or count >= 8 * MAX_RESULTS:
            return entries[:depth]
        count *= 4


def _key(shot: Shot, unit: Unit) -> Key:
    return shot.video_id, shot.number if unit == "shot" else shot.scene_number


def _best_per_key(entries: Iterable[_Entry]) -> tuple[_Entry, ...]:
    """Keep the best entry of each key; equal scores in the order of shot ids."""

    def order(entry: _Entry) -> tuple[float, int, Key]:
        return -entry.score, 0 if entry.shot is None else entry.shot.shot_id, entry.key

    best: dict[Key, _Entry] = {}
    for entry in sorted(entries, key=order):
        best.setdefault(entry.key, entry)
    return tuple(best.values())


# --- subtitles


def _line_entries(
    lines: Sequence[tuple[Subtitle, float]], catalog: Catalog, unit: Unit
) -> tuple[_Entry, ...]:
    """Put each line to the shot that shares most time with it."""
    shots: dict[str, list[Shot]] = {}
    entries = []
    for line, score in lines:
        if line.video_id not in shots:
            shots[line.video_id] = catalog.shots(line.video_id)
        shot = _shot_of(line, shots[line.video_id])
        if shot is None:
            key = line.video_id, -1 - round(line.segment.start_seconds * 1000)
            entries.append(_Entry(key, score, None, line))
        else:
            entries.append(_Entry(_key(shot, unit), score, shot, line))
    return _best_per_key(entries)


def _shot_of(line: Subtitle, shots: Sequence[Shot]) -> Shot | None:
    if not shots:
        return None
    middle = (line.segment.start_seconds + line.segment.end_seconds) / 2

    def closeness(shot: Shot) -> tuple[float, float]:
        segment = shot.segment
        away = max(segment.start_seconds - middle, middle - segment.end_seconds, 0.0)
        return segment.intersection_seconds(line.segment), -away

    return max(shots, key=closeness)


# --- fusion


@dataclass(frozen=True)
class _Fused:
    key: Key
    score: float
    shot: Shot | None
    line: Subtitle | None
    provenance: tuple[Provenance, ...]


def _fuse(lists: Sequence[_RankedList]) -> list[_Fused]:
    """One list of all: its own scores where there is one list, fused ranks otherwise.

    Fused: score = sum over lists of 1 / (60 + rank), divided by what first place in all lists
    would give, so that 1 is the best there can be.
    """
    if len(lists) == 1:
        only = lists[0]
        return [
            _Fused(entry.key, entry.score, entry.shot, entry.line, (_why(only, rank, entry),))
            for rank, entry in enumerate(only.entries, start=1)
        ]
    fused: dict[Key, _Fused] = {}
    for item in lists:
        for rank, entry in enumerate(item.entries, start=1):
            share = (RRF_K + 1) / (RRF_K + rank) / len(lists)
            before = fused.get(entry.key, _Fused(entry.key, 0.0, entry.shot, None, ()))
            fused[entry.key] = replace(
                before,
                score=before.score + share,
                line=before.line or entry.line,
                provenance=(*before.provenance, _why(item, rank, entry)),
            )
    return sorted(fused.values(), key=lambda item: (-item.score, item.key))


def _why(item: _RankedList, rank: int, entry: _Entry) -> Provenance:
    return Provenance(
        modality="picture" if item.modality == "picture" else "subtitle",
        rank=rank,
        score=entry.score,
        text=None if entry.line is None else entry.line.text,
        query=item.query,
    )


# --- hits


class _Hits:
    """Makes hits, looking each video and scene up once."""

    def __init__(self, catalog: Catalog, unit: Unit) -> None:
        self._catalog = catalog
        self._unit = unit
        self._videos: Mapping[str, Video] = {}
        self._scenes: dict[str, list[tuple[Segment, int, int]]] = {}

    def build(self, ranked: Sequence[_Fused]) -> list[Hit]:
        self._videos = self._catalog.videos_by_ids([item.key[0] for item in ranked])
        return [hit for hit in map(self._hit, ranked) if hit is not None]

    def _hit(self, item: _Fused) -> Hit | None:
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

    def _place(self, item: _Fused) -> tuple[Segment, int | None, int | None]:
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
        return self._scenes[video_id][number]


def _check_text(text: str) -> None:
    if not text.strip():
        raise InvalidInputError("got an empty text, expected words to look for")
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidInputError(
            f"got a text of {len(text)} characters, expected at most {MAX_TEXT_CHARS}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"got a text that is not valid Unicode: {exc.reason}") from exc
