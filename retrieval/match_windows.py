"""How a query shows the reference: turned or not, all of its picture or a crop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.match_layout import COARSE_WINDOWS, DEEP_WINDOWS, FULL, Window, nearby_windows
from retrieval.match_lines import Line
from retrieval.match_reference import LightSumsPart, ReferenceFrames
from retrieval.match_views import TURNS, QueryView, Turn
from retrieval.types import FloatArray

__all__ = ["Sight", "best_sight"]

SURE_FULL = 0.85
"""Similarity of whole frames from which nobody need look for a crop."""
GOOD = 0.7
"""Similarity through a coarse window from which deeper crops are not tried."""
MIN_FIT = 0.4
DEEPER_LEAD = 0.05
FIRST_WINDOWS = (FULL, Window(0.8, 0.5, 0.5), Window(0.6, 0.5, 0.5))
"""Through which turns are tried at first."""
NUM_PROBES = 7
"""Query frames on which windows are tried."""


@dataclass(frozen=True)
class Sight:
    """How a query shows the reference: turned or not, all of it or a part."""

    window: Window = FULL
    turn: Turn = "none"


def best_sight(
    view: QueryView, rows: slice, ref: ReferenceFrames, line: Line, *, slack: float
) -> Sight | None:
    """The turn and window through which the reference looks most like the query, near a line.

    Args:
        view: The query.
        rows: Its frames to look at.
        ref: The reference.
        line: Where in it.
        slack: Seconds by which the line may be off.

    Returns:
        None where nothing is alike through any.

    Raises:
        MediaError: The reference cannot be read.
    """
    telling = np.flatnonzero(view.layouts(rows).any(axis=1)) + rows.start
    if len(telling) == 0:
        return None
    probes = telling[np.linspace(0, len(telling) - 1, NUM_PROBES).round().astype(int)]
    probes = np.unique(probes)
    targets = line.at(view.times[probes])
    times, parts = ref.glimpses(targets, within=slack)
    if len(times) == 0:
        return None
    is_off = np.abs(times[None, :] - targets[:, None]) > slack
    layouts = {turn: _rows(view, probes, turn) for turn in TURNS}
    return _Search(layouts, parts, is_off).best()


def _rows(view: QueryView, places: NDArray[np.int64], turn: Turn) -> FloatArray:
    return np.concatenate([view.layouts(slice(place, place + 1), turn) for place in places])


class _Search:
    """Tries turns and windows on a few frames."""

    def __init__(
        self,
        layouts: dict[Turn, FloatArray],
        parts: list[LightSumsPart],
        is_off: NDArray[np.bool_],
    ) -> None:
        self._layouts, self._parts, self._is_off = layouts, parts, is_off
        self._seen: dict[Window, FloatArray] = {}

    def best(self) -> Sight | None:
        """From coarse windows to fine ones; stronger crops only where mild ones do not do."""
        if self._fit(FULL, "none") >= SURE_FULL:
            return Sight()
        first = {turn: self._best_of(FIRST_WINDOWS, turn)[1] for turn in TURNS}
        found, likeness = Sight(), -1.0
        for turn in sorted(TURNS, key=lambda one: -first[one])[:2]:
            window, fit = self._best_of(COARSE_WINDOWS, turn)
            if fit < GOOD:
                deeper, more = self._best_of(DEEP_WINDOWS, turn)
                window, fit = (deeper, more) if more > fit + DEEPER_LEAD else (window, fit)
            if fit > likeness:
                found, likeness = Sight(window, turn), fit
        if likeness < MIN_FIT:
            return None
        for step in (0.05, 0.025):
            window, likeness = self._best_of(nearby_windows(found.window, step=step), found.turn)
            found = Sight(window, found.turn)
        return found

    def _best_of(self, windows: Sequence[Window], turn: Turn) -> tuple[Window, float]:
        fits = [self._fit(window, turn) for window in windows]
        return windows[int(np.argmax(fits))], max(fits)

    def _fit(self, window: Window, turn: Turn) -> float:
        """Mean of the better half of the frames, each at its best moment near the line."""
        likeness = self._layouts[turn] @ self._described(window).T
        best = np.sort(np.where(self._is_off, -1.0, likeness).max(axis=1))
        return float(best[len(best) // 2 :].mean())

    def _described(self, window: Window) -> FloatArray:
        """Layouts (R, L) through a window, made once for all turns."""
        if window not in self._seen:
            self._seen[window] = np.concatenate(
                [sums.describe(window, at) for sums, at in self._parts]
            )
        return self._seen[window]
