"""Our own shot detector: hard cuts to the frame, and breaks by fades and dissolves.

A hard cut is a change between two neighbouring pictures that is large in itself and against the
changes around it (so that fast movement is none), and that lasts (so that a flash is none). A
fade through black is cut in the middle of the black; a dissolve, where the picture rests before
and after and has become another one in between, is cut where it is nearer to the new one.
"""

from collections import deque
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from retrieval.media.detector import ShotDetector, View
from retrieval.media.signature import Signature, change

__all__ = ["SyncDetector"]

_BEFORE, _AFTER = 8, 4
"""Pictures around a candidate that are looked at."""
_SURE, _LIKELY = 0.5, 0.3
"""Change that is a cut if it stands out, and that is one only if it stands out strongly."""
_RATIO, _MEAN_RATIO = 2.5, 6.0
_LASTING = 0.5
"""Share of the change that must remain against pictures further off."""
_MIN_GAP = 5
"""Fewest pictures between two cuts."""
_BLACK_MEAN, _BLACK_SPREAD = 30.0, 4.0
"""Mean and deviation of luma (levels) up to which a picture is black."""
_KNOT_SECONDS = 0.25
_REST_KNOTS, _MAX_DISSOLVE_KNOTS = 2, 6
_MIXTURE = 0.35
"""Part of the difference that a mixture of the two pictures may leave unexplained."""
_REST, _DISSOLVED = 0.12, 0.6
"""Change within a resting picture at most, and across a dissolve at least."""


@dataclass(frozen=True, eq=False)
class _Step:
    number: int
    seconds: float
    signature: Signature
    change: float
    """Against the picture before."""

    @property
    def is_black(self) -> bool:
        luma = self.signature.luma
        return float(luma.mean()) <= _BLACK_MEAN and float(luma.std()) <= _BLACK_SPREAD


class SyncDetector(ShotDetector):
    """Finds cuts by comparing small summaries of the pictures."""

    def __init__(self, *, rate: float = 25.0) -> None:
        self._steps: deque[_Step] = deque(maxlen=_BEFORE + 1 + _AFTER)
        self._last_cut = -_MIN_GAP
        self._black: list[_Step] = []
        self._seen_picture = False
        self._knot_length = max(1, round(_KNOT_SECONDS * rate))
        self._knots: deque[_Step] = deque(maxlen=2 * _REST_KNOTS + _MAX_DISSOLVE_KNOTS + 1)

    def push(self, view: View) -> list[float]:
        """Take the next picture; cuts are reported four pictures late."""
        before = self._steps[-1].signature if self._steps else None
        amount = 0.0 if before is None else change(before, view.signature)
        self._steps.append(_Step(view.number, view.seconds, view.signature, amount))
        return self._judge(len(self._steps) - 1 - _AFTER)

    def finish(self) -> list[float]:
        """Judge the last four pictures."""
        count = len(self._steps)
        return [cut for place in range(max(0, count - _AFTER), count) for cut in self._judge(place)]

    def _judge(self, place: int) -> list[float]:
        if place < 0:
            return []
        step = self._steps[place]
        cut = step if place > 0 and self._is_hard(place) else None
        cut = self._after_black(step, cut) or self._dissolve(step, cut)
        if cut is None or cut.number - self._last_cut < _MIN_GAP:
            return []
        self._last_cut = cut.number
        self._knots.clear()
        return [cut.seconds]

    def _is_hard(self, place: int) -> bool:
        steps = list(self._steps)
        amount = steps[place].change
        if amount < _LIKELY:
            return False
        around = [s.change for s in steps[max(1, place - _BEFORE) : place]]
        around += [s.change for s in steps[place + 1 : place + 1 + _AFTER]]
        if around:
            is_sure = amount >= _SURE and amount >= _RATIO * median(around)
            if not is_sure and amount < max(_MEAN_RATIO * fmean(around), _RATIO * max(around)):
                return False
        elif amount < _SURE:
            return False
        return _lasts(steps, place)

    def _after_black(self, step: _Step, cut: _Step | None) -> _Step | None:
        """The hard cut, or the middle of a black run that a fade ends here."""
        if step.is_black:
            self._black.append(step)
            return cut
        run, self._black = self._black, []
        was_seen, self._seen_picture = self._seen_picture, True
        is_fade = cut is None and len(run) >= 2 and was_seen
        if is_fade and run[0].number - self._last_cut >= _MIN_GAP:
            return run[len(run) // 2]
        return cut

    def _dissolve(self, step: _Step, cut: _Step | None) -> _Step | None:
        """The hard cut, or the turn of a dissolve that ended one rest before this picture."""
        if cut is not None or step.number % self._knot_length:
            return cut
        self._knots.append(step)
        knots = list(self._knots)
        if len(knots) < 2 * _REST_KNOTS + 2 or not _rests(knots[-1 - _REST_KNOTS :]):
            return None
        new = knots[-1 - _REST_KNOTS]
        for start in range(len(knots) - 2 * _REST_KNOTS - 1):
            old = knots[start + _REST_KNOTS]
            between = knots[start + _REST_KNOTS + 1 : -1 - _REST_KNOTS]
            rests = _rests(knots[start : start + 1 + _REST_KNOTS])
            if not rests or change(old.signature, new.signature) < _DISSOLVED:
                continue
            shares = [_share(knot, old, new) for knot in between]
            if all(share is not None for share in shares):
                turned = [
                    k for k, share in zip(between, shares, strict=True) if (share or 0) >= 0.5
                ]
                return turned[0] if turned else new
        return None


def _lasts(steps: list[_Step], place: int) -> bool:
    """Whether both sides stay different: against a flash, and against the end of one."""
    amount = max(0.25, _LASTING * steps[place].change)
    old, new = steps[place - 1].signature, steps[place].signature
    later = steps[place : place + _AFTER]
    earlier = steps[max(0, place - _AFTER) : place]
    return all(change(old, s.signature) >= amount for s in later) and all(
        change(s.signature, new) >= amount for s in earlier
    )


def _rests(knots: list[_Step]) -> bool:
    return change(knots[0].signature, knots[-1].signature) <= _REST


def _share(knot: _Step, old: _Step, new: _Step) -> float | None:
    """Share of the new picture in a mixture of two; None where it is no mixture.

    With `d = new - old` the best share is `<knot - old, d> / <d, d>`. What it leaves of the picture
    must be small against `d`: something that only moved from one place to another is not between.
    """
    span = new.signature.luma - old.signature.luma
    part = knot.signature.luma - old.signature.luma
    share = float(np.vdot(part, span)) / max(1e-6, float(np.vdot(span, span)))
    left = float(np.abs(part - share * span).mean()) / max(1e-6, float(np.abs(span).mean()))
    return share if left <= _MIXTURE and -0.1 <= share <= 1.1 else None
