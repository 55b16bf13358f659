"""Search: text, still, clip and sound to ranked shots or scenes, with where each came from.

Each query part gives one or more ranked lists (pictures and sounds by cosine, subtitle lines by
BM25). A single list keeps its own score; several are fused by their ranks, because a cosine and a
BM25 score cannot be added: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009, SIGIR).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.search_hits import make_hits
from retrieval.search_lists import (
    Fused,
    Nearest,
    RankedList,
    entry_key,
    fuse,
    line_entries,
    nearest_shots,
    picture_entries,
)
from retrieval.types import FloatArray, Hit, Modality, Provenance, Unit

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.media.limits import MediaLimits
    from retrieval.search_sounds import SoundSearch
    from retrieval.vectors import ShotVectors

__all__ = ["MAX_RESULTS", "MAX_TEXT_CHARS", "SearchQuery", "search"]

MAX_TEXT_CHARS = 1_000
MAX_RESULTS = 1_000
"""A ranked list ends here; so do its pages."""
DEPTHS = (100, MAX_RESULTS)
"""List lengths: pages up to a depth are cut from one and the same list, so they fit together."""
SHORT_DEPTH = 20
"""Length of a list that is fused with no other, where the page ends here: the usual search."""
MAX_CLIP_FRAMES = 48


@dataclass(frozen=True)
class SearchQuery:
    """What is looked for; it checks itself.

    Attributes:
        text: At most 1,000 characters, in any language of the encoder; also searches subtitles.
        image: (H, W, 3) uint8 RGB.
        clip: An example clip on disk; its pictures count.
        sound: An example sound on disk, or a film for its sound.
        k: Number of hits, 1 to 1,000.
        min_score: Hits below it are left out. It is a bound on the score shown: the cosine where
            one list of pictures or sounds is all there is, the fused score in (0, 1] otherwise.
        video: Search only this video (id, start of an id, path or file name).
        unit: Rank shots, or scenes by their best shot.
        offset: Hits to skip, for the next page. The list ends at rank 1,000.
    """

    text: str | None = None
    image: NDArray[np.uint8] | None = None
    clip: Path | None = None
    sound: Path | None = None
    k: int = 10
    min_score: float | None = None
    video: str | None = None
    unit: Unit = "shot"
    offset: int = 0

    def __post_init__(self) -> None:
        if self.text is None and self.image is None and self.clip is None and self.sound is None:
            raise InvalidInputError("got no query, expected text, an image, a clip or a sound")
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


def search(
    query: SearchQuery,
    *,
    catalog: Catalog,
    encoder: "PictureTextEncoder",
    vectors: "ShotVectors",
    sounds: "SoundSearch | None" = None,
    limits: "MediaLimits | None" = None,
) -> list[Hit]:
    """Rank the library's shots or scenes for a query.

    Args:
        query: What is looked for.
        catalog: The library.
        encoder: What its vectors were made with.
        vectors: Its shot embeddings and their index.
        sounds: Its sounds; None leaves them out.
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
    parts = _parts(query, encoder, vectors, sounds, limits)
    lines = _subtitle_list(query, catalog, video_id, depth)

    def nearest(part: _Part) -> Nearest:
        return lambda count: nearest_shots(part.rows, part.vectors, count, video_id)

    if query.unit == "shot" and len(parts) == 1 and not lines.entries:
        page = _page_of_shots(nearest(parts[0]), parts[0], query, catalog)
    else:
        embedded = [
            RankedList(
                part.modality, part.name, picture_entries(nearest(part), catalog, query.unit, depth)
            )
            for part in parts
        ]
        ranked = fuse([item for item in (*embedded, lines) if item.entries])
        page = [item for item in ranked if _is_shown(item.score, query)][query.offset : wanted]
    if not page and catalog.totals().num_videos == 0:
        raise NotFoundError(
            f"the library {catalog.library} holds no videos yet; add some with "
            "`sceneprint ingest PATH`"
        )
    return make_hits(catalog, query.unit, page)


@dataclass(frozen=True)
class _Part:
    """A query part in the space in which it is looked for."""

    modality: Modality
    name: str
    rows: FloatArray
    """(F, D)"""
    vectors: "ShotVectors"


def _parts(
    query: SearchQuery,
    encoder: "PictureTextEncoder",
    vectors: "ShotVectors",
    sounds: "SoundSearch | None",
    limits: "MediaLimits | None",
) -> list[_Part]:
    """What is looked for among pictures, then what among sounds."""
    seen = _embedded_parts(query, encoder, limits)
    parts = [_Part("picture", name, rows, vectors) for name, rows in seen.items()]
    if sounds is not None:
        heard = sounds.embedded(query.text, query.sound)
        parts += [_Part("sound", name, rows, sounds.load_vectors()) for name, rows in heard.items()]
    return parts


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
) -> RankedList:
    """The subtitle lines that the text part finds."""
    if query.text is None:
        return RankedList("subtitle", "text", ())
    videos = None if video_id is None else [video_id]
    lines = catalog.search_subtitles(query.text, limit=depth, video_ids=videos)
    return RankedList("subtitle", "text", line_entries(lines, catalog, query.unit))


def _is_shown(score: float, query: SearchQuery) -> bool:
    return query.min_score is None or score >= query.min_score


def _page_of_shots(
    nearest: Nearest, part: _Part, query: SearchQuery, catalog: Catalog
) -> list[Fused]:
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
        Fused(
            entry_key(shots[shot_id], "shot"),
            score,
            shots[shot_id],
            None,
            (Provenance(modality=part.modality, rank=rank, score=score, query=part.name),),
        )
        for rank, (shot_id, score) in enumerate(page, start=query.offset + 1)
        if shot_id in shots
    ]


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
