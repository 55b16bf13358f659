"""From query frames to candidates: nearest reference frames, weighted, and their votes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.match_verify import QueryFrames
from retrieval.match_voting import Candidate, Pairs, VotingOptions, vote
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.vectors import FrameVectors

__all__ = ["find_candidates"]

NUM_NEIGHBOURS = 64
MAX_PAIRS_PER_VIDEO = 12
"""Of one query frame with one video: a still scene must not outvote the rest of the film."""
MAX_CANDIDATES_PER_WINDOW = 8


def find_candidates(
    query: QueryFrames, vectors: "FrameVectors", video_id: str | None
) -> list[Candidate]:
    """Places where the query may show a reference, best first."""
    telling = np.flatnonzero(~query.is_flat)
    if len(telling) == 0:
        return []
    hits = vectors.search(query.vectors[telling], NUM_NEIGHBOURS, video_id=video_id)
    pairs = _pairs_by_video(query, telling, hits.scores, hits.videos, hits.times, hits.video_ids)
    candidates = vote(pairs, options=VotingOptions())
    kept: dict[int, int] = {}
    chosen = []
    for candidate in candidates:
        window = int(candidate.pairs.query_times[0] // 10)
        kept[window] = kept.get(window, 0) + 1
        if kept[window] <= MAX_CANDIDATES_PER_WINDOW:
            chosen.append(candidate)
    return chosen


def _pairs_by_video(
    query: QueryFrames,
    telling: NDArray[np.int64],
    scores: FloatArray,
    videos: NDArray[np.int64],
    times: NDArray[np.float64],
    video_ids: Sequence[str],
) -> dict[str, Pairs]:
    """Pairs of each video, weighted by how far a neighbour stands out among all neighbours.

    A raw cosine means little across encoders and scenes. Against the weakest of the neighbours,
    a frame that resembles everything gives weak votes and a distinctive one strong ones.
    """
    finite = np.where(np.isfinite(scores), scores, np.inf)
    floor = np.minimum(finite.min(axis=1, keepdims=True), 1.0)
    weights = np.clip((scores - floor + 0.01) / (1.0 - floor + 0.01), 0.0, 1.0).astype(np.float32)
    # Neighbours come best first: the place among those of the same video.
    by_video: dict[str, list[tuple[int, int]]] = {}
    for row, videos_of_row in enumerate(videos):
        seen: dict[int, int] = {}
        for column, video in enumerate(videos_of_row.tolist()):
            seen[video] = seen.get(video, 0) + 1
            if video >= 0 and seen[video] <= MAX_PAIRS_PER_VIDEO:
                by_video.setdefault(video_ids[video], []).append((row, column))
    pairs = {}
    for video_id, cells in by_video.items():
        rows, columns = np.asarray(cells).T
        places = telling[rows]
        pairs[video_id] = Pairs(
            places, query.times[places], times[rows, columns], weights[rows, columns]
        )
    return pairs
