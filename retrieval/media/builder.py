"""From cuts and sampled pictures to shots, while the film is read.

Holds a handful of pictures of the shot that is open, so that its keyframe can be chosen among
them, and hands everything else on at once: memory does not grow with the film.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from retrieval.media.detector import View
from retrieval.media.frames import Frame, frame_at
from retrieval.media.limits import MediaLimits
from retrieval.media.signature import Signature, change
from retrieval.types import Segment, Shot

__all__ = ["OnFrame", "OnKeyframe", "ShotBuilder"]

OnFrame = Callable[[Frame], None]
"""Called with every sampled frame."""
OnKeyframe = Callable[[int, Frame], None]
"""Called with the number and the keyframe of every shot, when the shot ends."""

_MAX_CANDIDATES = 8
_EDGE_SECONDS = 0.2
"""Nearer to a cut than this a picture is often blurred or still in transition."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    frame: Frame
    signature: Signature | None


class ShotBuilder:
    """Collects samples and cuts in order of time."""

    def __init__(
        self,
        path: Path,
        *,
        rate: Fraction,
        max_side: int,
        limits: MediaLimits,
        on_frame: OnFrame,
        on_keyframe: OnKeyframe,
    ) -> None:
        self.shots: list[Shot] = []
        """The shots that are closed."""
        self.last_sample_seconds = -math.inf
        self._path, self._limits = path, limits
        self._rate, self._max_side = rate, max_side
        self._on_frame, self._on_keyframe = on_frame, on_keyframe
        self._start, self._start_is_exact = 0.0, True
        self._candidates: list[_Candidate] = []
        self._spare: _Candidate | None = None
        self._stride, self._num_offered = 1, 0

    def sample(self, view: View) -> None:
        """Hand a picture on as a sample; it may become the keyframe of its shot."""
        candidate = self._candidate(view)
        self.last_sample_seconds = view.seconds
        self._on_frame(candidate.frame)
        if self._num_offered % self._stride == 0:
            self._candidates.append(candidate)
        self._num_offered += 1
        if len(self._candidates) > _MAX_CANDIDATES:
            self._candidates = self._candidates[::2]
            self._stride *= 2

    def keep_spare(self, view: View) -> None:
        """Remember a picture of the open shot for the case that no sample falls into it."""
        self._spare = self._candidate(view)

    def cut(self, seconds: float, *, is_exact: bool = True) -> None:
        """End the open shot before `seconds` and begin the next there."""
        if round(seconds * self._rate) <= round(self._start * self._rate):
            return
        mine = [item for item in self._candidates if item.frame.seconds < seconds]
        self._close(seconds, mine, is_exact)
        self._candidates = [item for item in self._candidates if item.frame.seconds >= seconds]
        self._stride, self._num_offered = 1, len(self._candidates)
        self._start, self._start_is_exact = seconds, is_exact

    def finish(self, end_seconds: float) -> list[Shot]:
        """End the last shot with the film and return all of them."""
        end = max(end_seconds, self._start + 1.0 / float(self._rate))
        self._close(end, self._candidates, True)
        return self.shots

    def _candidate(self, view: View) -> _Candidate:
        image = view.picture.image(max_side=self._max_side)
        return _Candidate(Frame(view.seconds, image), view.signature)

    def _close(self, end: float, candidates: list[_Candidate], is_exact: bool) -> None:
        keyframe = _choose(candidates, self._start, end) or self._rescue(end)
        start_frame = round(self._start * self._rate)
        shot = Shot(
            shot_id=0,
            video_id="",
            number=len(self.shots),
            segment=Segment(self._start, end),
            start_frame=start_frame,
            end_frame=max(start_frame + 1, round(end * self._rate)),
            keyframe_seconds=keyframe.seconds,
            is_exact=self._start_is_exact and is_exact,
        )
        self.shots.append(shot)
        self._on_keyframe(shot.number, keyframe)
        self._spare = None

    def _rescue(self, end: float) -> Frame:
        """A keyframe for a shot without a sample: the spare picture, or one read for it."""
        spare = self._spare
        if spare is not None and self._start <= spare.frame.seconds < end:
            frame = spare.frame
        else:
            middle = (self._start + end) / 2
            frame = frame_at(self._path, middle, max_side=self._max_side, limits=self._limits)
        self._on_frame(frame)
        return frame


def _choose(candidates: list[_Candidate], start: float, end: float) -> Frame | None:
    """The sharpest and most typical picture, rather not one at a cut."""
    if not candidates:
        return None
    return max(candidates, key=lambda item: _worth(item, candidates, start, end)).frame


def _worth(item: _Candidate, candidates: list[_Candidate], start: float, end: float) -> float:
    if item.signature is None or len(candidates) == 1:
        return 0.0
    others = [c.signature for c in candidates if c is not item and c.signature is not None]
    strangeness = sum(change(item.signature, other) for other in others) / max(1, len(others))
    is_inside = start + _EDGE_SECONDS <= item.frame.seconds <= end - _EDGE_SECONDS
    worth = math.sqrt(item.signature.detail + 1.0) * (1.0 - 0.7 * strangeness)
    return worth * (1.0 if is_inside else 0.8) * (0.2 if item.signature.is_flat else 1.0)
