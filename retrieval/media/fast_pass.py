"""The fast way through a film: sync frames first, groups of pictures only where a cut must be.

Two neighbouring sync frames that differ have a cut between them, or movement. Where the encoder
began the group before its time, the second sync frame is the cut itself. Otherwise the group is
decoded, and the detector finds the cut to the frame or finds none; unless no packet in the group
is big enough for a cut, which is known without decoding (`groups.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from retrieval.media.builder import ShotBuilder
from retrieval.media.detector import View
from retrieval.media.detectors.sync import SyncDetector
from retrieval.media.full_pass import damage_warnings, find_cuts, read_fully
from retrieval.media.groups import GroupPlan, plan_groups
from retrieval.media.limits import MediaLimits
from retrieval.media.picture import Picture
from retrieval.media.reader import PictureReader, ShouldStop, open_pictures
from retrieval.media.signature import change

__all__ = ["read_fast"]

MIN_SYNC_SECONDS = 0.5
"""Where sync frames are denser (films of sync frames only), some are left out."""
SAMPLE_SECONDS = 0.9
"""Least distance of samples within a shot."""
SPARSE_SECONDS = 10.5
"""Longer groups are worth a warning: what happens inside them is not seen."""
MIN_GROUPS, MAX_SMALL_SECONDS = 3, 15.0
"""A short film with fewer sync frames is read fully: one or two pictures say too little of it."""
_SUSPECT = 0.25
"""Change between two sync frames from which there may be a cut between them."""
_PLACED = 0.4
"""Change from which a sync frame before its time is a cut."""
_OTHER_SHOT = 0.75
"""Change from which such a sync frame is believed even where the group before moves wildly."""
_CERTAIN = 0.8
"""Change that is looked into even where no packet stands out."""
_SPIKE = 0.4
"""Share of a sync frame's bytes that a packet has at least, on a hard cut."""
_CERTAIN_SPIKE = 0.8
"""The same for a cut that nothing but a packet tells of."""
_CALM_SPIKE = 0.5
"""Below this a group neither moves wildly nor hides a cut, either of which makes encoders begin
the next group early too."""
_ARRIVED = 0.2
"""Change against the next sync frame below which no further cut is before it."""
_SETTLE_SECONDS = 0.4
"""How long after the last large packet a group is decoded on: packets are not in order of time."""
_LOOK_AHEAD = 5
"""Pictures decoded after a group, so that a cut at its very end is seen."""


def read_fast(
    path: Path,
    builder: ShotBuilder,
    *,
    limits: MediaLimits,
    tell: Callable[[float], None],
    should_stop: ShouldStop | None,
) -> tuple[float, list[str]]:
    """Feed a film into a builder, reading as little of it as is needed.

    Returns:
        Where the film ends in seconds (0 without any picture), and warnings.
    """
    last: View | None = None
    with ExitStack() as stack:

        def open_reader() -> PictureReader:
            opened = open_pictures(path, limits=limits, should_stop=should_stop)
            return stack.enter_context(opened)

        reader = open_reader()
        plan = plan_groups(path, stream=reader.stream, limits=limits)
        search = _GroupSearch(plan, builder, open_reader)
        is_small = len(plan.groups) < MIN_GROUPS and plan.length_seconds <= MAX_SMALL_SECONDS
        if is_small or not reader.has_exact_times:
            detector = SyncDetector(rate=float(reader.rate))
            return read_fully(
                path, builder, detector, limits=limits, tell=tell, should_stop=should_stop
            )
        gap = MIN_SYNC_SECONDS if plan.is_dense else 0.0
        for number, picture in enumerate(reader.sync_pictures(min_gap_seconds=gap)):
            view = View(number, picture)
            amount = 1.0 if last is None else change(last.signature, view.signature)
            if last is not None:
                search.between(last, view, amount)
            if amount >= _SUSPECT or view.seconds >= builder.last_sample_seconds + SAMPLE_SECONDS:
                builder.sample(view)
            tell(view.seconds)
            last = view
        if last is None:
            return 0.0, damage_warnings(reader)
        search.after(last, reader.end_seconds)
        end = max(reader.end_seconds, last.seconds + 1.0 / float(reader.rate))
        return end, damage_warnings(reader) + _sparse_warnings(plan)


def _sparse_warnings(plan: GroupPlan) -> list[str]:
    longest = max((group.length_seconds for group in plan.groups), default=0.0)
    if longest <= SPARSE_SECONDS:
        return []
    return [
        f"sync frames are up to {longest:.0f} s apart: short shots between them may be missed;"
        " `precise` reads every picture"
    ]


class _GroupSearch:
    """Looks for cuts between sync frames, by decoding where it is worth it."""

    def __init__(
        self, plan: GroupPlan, builder: ShotBuilder, open_reader: Callable[[], PictureReader]
    ) -> None:
        self._plan, self._builder = plan, builder
        self._open_reader = open_reader
        self._reader: PictureReader | None = None
        self._sees_cuts = False
        """Whether this film's encoder has put a sync frame on a cut before."""

    def between(self, first: View, second: View, amount: float) -> None:
        """Find the cuts after `first`, up to and including `second`."""
        start, stop = first.picture.sync_number or 0, second.picture.sync_number or 0
        is_early = stop == start + 1 and self._plan.is_early(stop, first.seconds, second.seconds)
        is_placed = is_early and amount >= _PLACED
        is_calm = self._plan.spike(start, stop) < _CALM_SPIKE
        if is_placed and (is_calm or amount >= _OTHER_SHOT):
            self._sees_cuts = True
            if self._hides_cut(start, stop):  # too soon after another cut to get a sync frame
                self._decode(first, second.seconds, goal=second, is_goal_sure=True)
            self._builder.cut(second.seconds)
        elif is_placed or self._is_worth(amount, start, stop):
            self._decode(first, second.seconds, goal=None if is_placed else second)

    def after(self, last: View, end_seconds: float) -> None:
        """Find the cuts after the last sync frame."""
        start = last.picture.sync_number or 0
        if self._is_worth(_SUSPECT, start, len(self._plan.groups)):
            self._decode(last, end_seconds, goal=None)

    def _hides_cut(self, start: int, stop: int) -> bool:
        """Whether packets alone say that there is a cut inside the groups `[start, stop)`."""
        return self._plan.spike(start, stop) >= _CERTAIN_SPIKE and self._plan.stands_out(start)

    def _is_worth(self, amount: float, start: int, stop: int) -> bool:
        """Whether a cut may well be in the groups `[start, stop)`."""
        if not self._plan.places_cuts:  # older codecs: short groups, cheap to decode
            return amount >= _SUSPECT
        spike = self._plan.spike(start, stop)
        if self._hides_cut(start, stop):
            return True
        if self._sees_cuts and stop == start + 1:
            is_short = self._plan.groups[start].length_seconds <= MIN_SYNC_SECONDS
            return amount >= _CERTAIN and (is_short or spike >= _CALM_SPIKE)
        return amount >= _CERTAIN or (amount >= _SUSPECT and spike >= _SPIKE)

    def _decode(
        self, first: View, end_seconds: float, *, goal: View | None, is_goal_sure: bool = False
    ) -> None:
        """Decode from one sync frame to the next and cut.

        Stops early on arriving at what `goal` shows, or (if that is a cut, `is_goal_sure`) where
        no packet is large any more.
        """
        self._reader = self._reader or self._open_reader()
        self._reader.seek(first.seconds)
        frame_seconds = 1.0 / float(self._reader.rate)
        until = end_seconds + (-0.5 if is_goal_sure else 0.5) * frame_seconds
        last_big = first.seconds + self._plan.last_big_seconds(first.picture.sync_number or 0)
        detector = SyncDetector(rate=float(self._reader.rate))
        pictures = _window(self._reader.pictures(), first.seconds - 0.5 * frame_seconds, until)
        num_shots = len(self._builder.shots)
        for view in find_cuts(pictures, detector, self._builder, until=until):
            if (
                goal is None
                or not last_big + _SETTLE_SECONDS < view.seconds < until - frame_seconds
            ):
                continue
            if is_goal_sure or (
                len(self._builder.shots) > num_shots
                and change(view.signature, goal.signature) < _ARRIVED
            ):
                break


def _window(pictures: Iterator[Picture], start: float, end: float) -> Iterator[Picture]:
    """Pictures from `start` to `end` seconds and a few more, for a cut at the very end."""
    num_after = 0
    for picture in pictures:
        if picture.seconds >= end:
            num_after += 1
        if num_after > _LOOK_AHEAD:
            return
        if picture.seconds >= start:
            yield picture
