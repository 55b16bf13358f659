"""Views of a query: its frames as they are, turned, or only a part of the picture.

A copy may have been mirrored, laid on its side or pasted into a corner. Each way to look at the
query is a view with descriptors and layouts of its own, and is compared like a query of its own.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import layouts_of
from retrieval.types import Box, FloatArray, Segment

__all__ = ["TURNS", "QueryView", "Turn"]

Times = NDArray[np.float64]
Turn = Literal["none", "mirror", "upside_down", "half", "left", "right", "negative"]
TURNS: tuple[Turn, ...] = ("none", "mirror", "upside_down", "half", "left", "right", "negative")
"""How a picture may have been turned: `upside_down` exchanges top and bottom, `half` is a turn by
180 degrees, `left` and `right` by 90; `negative` exchanges light and dark."""


@dataclass(frozen=True, eq=False)
class QueryView:
    """Frames of a query, seen in one way.

    Attributes:
        times: (Q,) float64 seconds, rising.
        vectors: (Q, C) float32 descriptors, unit norm.
        grids: (Q, 14, 24) float32 light of each frame; see `match_layout`.
        side_grids: (Q, 14, 24) that of each frame turned left.
        is_plain: (Q,) bool, whether a frame shows next to nothing (black, a test card, credits).
        box: Which part of the query's picture it is; None for all but black bars.
        reversed_at: For a view whose time runs backwards: the time in the query is
            `reversed_at - time`.
    """

    times: Times
    vectors: FloatArray
    grids: FloatArray
    side_grids: FloatArray
    is_plain: NDArray[np.bool_]
    box: Box | None = None
    reversed_at: float | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def step_seconds(self) -> float:
        """Usual time between two frames."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.5

    @property
    def is_reversed(self) -> bool:
        """Whether its time runs backwards."""
        return self.reversed_at is not None

    def layouts(self, rows: slice, turn: Turn = "none") -> FloatArray:
        """Layouts (N, L) of some frames, turned back; all zero for flat frames."""
        grids = (self.side_grids if turn in ("left", "right") else self.grids)[rows]
        if turn in ("mirror", "half", "right"):
            grids = grids[:, :, ::-1]
        if turn in ("upside_down", "half", "right"):
            grids = grids[:, ::-1]
        return layouts_of(-grids if turn == "negative" else grids)

    def backwards(self) -> "QueryView":
        """The same frames with time turned round."""
        end = float(self.times[-1] + self.times[0])
        return replace(
            self,
            times=end - self.times[::-1],
            vectors=self.vectors[::-1],
            grids=self.grids[::-1],
            side_grids=self.side_grids[::-1],
            is_plain=self.is_plain[::-1],
            reversed_at=end,
        )

    def between(self, start: float, end: float) -> slice:
        """Places of the frames in `[start, end]`."""
        first = int(np.searchsorted(self.times, start - 1e-6))
        return slice(first, int(np.searchsorted(self.times, end + 1e-6)))

    def in_query(self, start: float, end: float) -> Segment:
        """A stretch of this view's time as a segment of the query."""
        if self.reversed_at is not None:
            start, end = self.reversed_at - end, self.reversed_at - start
        return Segment(max(0.0, start), max(0.0, start, end))
