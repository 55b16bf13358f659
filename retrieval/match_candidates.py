"""From query frames to candidates: which videos to compare which part of a query with.

Works on arrays alone: descriptors, the index of the library, no files.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.match_evidence import FLOOR, EvidenceScale
from retrieval.match_views import QueryView
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.vectors import FrameVectors

__all__ = ["Candidate", "Neighbours", "find_candidates", "rank_candidates"]

NUM_NEIGHBOURS = 48
WINDOW_SECONDS = 12.0
MAX_PER_WINDOW = 6
MIN_WEIGHT = 0.35
"""Evidence that the best pairs of a window with a video must add up to."""
MARGIN_SECONDS = 12.0


@dataclass(frozen=True)
class Candidate:
    """A video that a part of the query may show.

    Attributes:
        video_id: The video.
        start_seconds: Of the part of the query.
        end_seconds: Of it.
        weight: Evidence of the best pairs of its frames, added up.
    """

    video_id: str
    start_seconds: float
    end_seconds: float
    weight: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest reference frames of a view's frames.

    Attributes:
        values: (Q, K) float32 evidence; the least of all for frames that show nothing.
        videos: (Q, K) places in `video_ids`, -1 for none.
        video_ids: The videos.
    """

    values: FloatArray
    videos: NDArray[np.int64]
    video_ids: tuple[str, ...]

    def rival(self, video_id: str, rows: slice) -> float:
        """Mean evidence of the best other video's frames: what mere likeness amounts to here."""
        video = self.video_ids.index(video_id) if video_id in self.video_ids else -2
        others = np.where(self.videos[rows] == video, FLOOR, self.values[rows])
        return float(others.max(axis=1).mean()) if others.size else FLOOR


def find_candidates(
    view: QueryView,
    vectors: "FrameVectors",
    scale: EvidenceScale,
    *,
    video_id: str | None = None,
) -> tuple[list[Candidate], Neighbours]:
    """Videos that parts of the query may show, best first, and the frames that say so.

    Args:
        view: Frames of the query; those that show nothing have no say.
        vectors: The library's frames.
        scale: Of the copy encoder.
        video_id: Look only at this video.
    """
    telling = np.flatnonzero(~view.is_plain)
    if len(telling) == 0:
        nothing = np.empty((len(view), 0))
        return [], Neighbours(nothing.astype(np.float32), nothing.astype(np.int64), ())
    hits = vectors.search(view.vectors[telling], NUM_NEIGHBOURS, video_id=video_id)
    values = np.full((len(view), hits.scores.shape[1]), FLOOR, dtype=np.float32)
    values[telling] = scale.evidence(hits.scores, scale.bias(view.vectors[telling]))
    videos = np.full(values.shape, -1, dtype=np.int64)
    videos[telling] = hits.videos
    candidates = [
        Candidate(hits.video_ids[video], start, end, weight)
        for video, start, end, weight in rank_candidates(view.times, values, videos)
    ]
    return candidates, Neighbours(values, videos, hits.video_ids)


def rank_candidates(
    times: NDArray[np.float64], values: FloatArray, videos: NDArray[np.int64]
) -> list[tuple[int, float, float, float]]:
    """Add up evidence by window of the query and video.

    Args:
        times: (Q,) seconds.
        values: (Q, K) evidence of each neighbour.
        videos: (Q, K) the neighbour's video, -1 for none.

    Returns:
        Video, start, end and weight of each candidate, best first. Windows of one video that
        touch are one candidate.
    """
    rows = np.broadcast_to(np.arange(len(times))[:, None], videos.shape)
    is_for = (values > 0) & (videos >= 0)
    row, video, value = rows[is_for], videos[is_for], values[is_for]
    if len(row) == 0:
        return []
    order = np.lexsort((-value, video, row))
    row, video, value = row[order], video[order], value[order]
    is_best = np.ones(len(row), dtype=bool)
    is_best[1:] = (np.diff(row) != 0) | (np.diff(video) != 0)
    row, video, value = row[is_best], video[is_best], value[is_best]
    hop = WINDOW_SECONDS / 2
    window = (times[row] // hop).astype(np.int64)
    # Each frame counts in its half window and in the overlapping one before.
    keys = np.stack([np.concatenate([window, window - 1]), np.tile(video, 2)], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    weights = np.bincount(inverse.ravel(), weights=np.tile(value, 2)).astype(np.float64)
    kept = _best_of_windows(unique[:, 0], weights)
    return _joined(unique[kept, 0], unique[kept, 1], weights[kept])


def _best_of_windows(windows: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of the heaviest few of each window."""
    order = np.lexsort((-weights, windows))
    starts = np.flatnonzero(np.append(True, np.diff(windows[order]) != 0))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    chosen = order[rank < MAX_PER_WINDOW]
    return np.asarray(chosen[weights[chosen] >= MIN_WEIGHT])


def _joined(
    windows: NDArray[np.int64], videos: NDArray[np.int64], weights: NDArray[np.float64]
) -> list[tuple[int, float, float, float]]:
    order = np.lexsort((windows, videos))
    hop = WINDOW_SECONDS / 2
    joined: list[tuple[int, float, float, float]] = []
    reached = -1
    for place in order.tolist():
        window, video, weight = int(windows[place]), int(videos[place]), float(weights[place])
        start, end = window * hop - MARGIN_SECONDS, (window + 2) * hop + MARGIN_SECONDS
        if joined and joined[-1][0] == video and window - reached <= 2:
            last = joined[-1]
            joined[-1] = (video, last[1], end, max(last[3], weight))
        else:
            joined.append((video, start, end, weight))
        reached = window
    return sorted(joined, key=lambda item: -item[3])
