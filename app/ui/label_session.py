"""One page's walk through the shots to label: what stands there, what was said, how to go back.

Every answer is in the catalog before the next shot shows; the walk itself (skipped shots, what can
be undone) is the page's own and goes with it.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from retrieval.adapter_list import list_adapters
from retrieval.engine import Engine
from retrieval.label_desk import LabelQueue, QueuedShot
from retrieval.label_edits import LabelEdit
from retrieval.teach import Lesson

__all__ = ["LabelSession", "Sessions", "adapter_name"]

MAX_SESSIONS = 200
MAX_UNDO = 1_000
AHEAD = 8
SOURCE = "browser"


@dataclass(frozen=True)
class _Act:
    """One answer: about which shot, with which classes before it, and what it changed."""

    shot: QueuedShot
    held: tuple[str, ...]
    edit: LabelEdit | None
    """None where the shot was skipped."""


@dataclass
class LabelSession:
    """A group that is being labelled, in all films or one.

    Attributes:
        engine: The one door.
        group: Name of the label group.
        video: Id of the only film; None for all.
        adapter: What guesses, as `name/version`; None for the words of the classes.
        queue: As it was last asked for.
        current: The shot that stands there; None when nothing is left.
        held: Classes given to the current shot in a multi-label group.
        lesson: What was learned last on this page.
        num_new: Answers since then.
        is_learning: Whether something is being learned now.
    """

    engine: Engine
    group: str
    video: str | None = None
    adapter: str | None = field(init=False)
    queue: LabelQueue = field(init=False)
    current: QueuedShot | None = field(init=False, default=None)
    held: tuple[str, ...] = field(init=False, default=())
    lesson: Lesson | None = field(init=False, default=None)
    num_new: int = field(init=False, default=0)
    is_learning: bool = field(init=False, default=False)
    _skipped: set[int] = field(init=False, default_factory=set)
    _acts: list[_Act] = field(init=False, default_factory=list)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.adapter = self.engine.label_desk.newest_adapter(self.group)
        self.go_on()

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Keep other answers of the page waiting, so that one is said of the shot it was about."""
        with self._lock:
            yield

    @property
    def can_undo(self) -> bool:
        """Whether there is an answer to take back."""
        return bool(self._acts)

    @property
    def upcoming(self) -> tuple[QueuedShot, ...]:
        """The shots after the current one."""
        here = None if self.current is None else self.current.shot.shot_id
        left = [one for one in self._open() if one.shot.shot_id != here]
        return tuple(left[: AHEAD - 1])

    def is_due(self, every: int) -> bool:
        """Whether it is time to learn again; `every` 0 means never by itself."""
        return bool(every) and self.num_new >= every and not self.queue.missing

    def say(self, name: str) -> None:
        """Give the current shot a class: in an exclusive group the next shot comes.

        In a multi-label group the shot stays, and a class that it has is taken back.
        """
        shot, desk = self.current, self.engine.label_desk
        if shot is None:
            return
        segment, video_id = shot.shot.segment, shot.video.video_id
        if name in self.held:
            edit = desk.clear(self.group, video_id=video_id, segment=segment, name=name)
        else:
            edit = desk.label(self.group, name, video=video_id, segment=segment, source=SOURCE)
        self._remember(_Act(shot, self.held, edit))
        self.num_new += 1
        if self.queue.group.is_exclusive:
            self.go_on()
        else:
            rest = tuple(one for one in self.held if one != name)
            self.held = rest if name in self.held else (*self.held, name)
            self._ask()

    def skip(self) -> None:
        """Go to the next shot; one without an answer does not come again on this page."""
        if self.current is None:
            return
        if not self.held:
            self._remember(_Act(self.current, (), None))
            self._skipped.add(self.current.shot.shot_id)
        self.go_on()

    def undo(self) -> None:
        """Take the last answer back and show its shot again."""
        if not self._acts:
            return
        act = self._acts[-1]
        if act.edit is None:
            self._skipped.discard(act.shot.shot.shot_id)
        else:
            self.engine.label_desk.take_back(act.edit)
            self.num_new = max(0, self.num_new - 1)
        self._acts.pop()
        self.current, self.held = act.shot, act.held
        self._ask()

    def show(self, shot_id: int) -> None:
        """Show one of the upcoming shots now."""
        for one in self.upcoming:
            if one.shot.shot_id == shot_id:
                self.current, self.held = one, ()

    def go_on(self) -> None:
        """Ask what comes next, and show the first of it."""
        self._ask()
        self.current, self.held = next(iter(self._open()), None), ()

    def learn(self) -> Lesson:
        """Learn from all labels of the group; answers may be given meanwhile.

        Raises:
            InvalidInputError: A class has no labelled shot yet.
        """
        self.is_learning, self.num_new = True, 0
        try:
            name = adapter_name(self.engine, self.group, self.adapter)
            lesson = self.engine.teach(name, self.group)
        finally:
            self.is_learning = False
        with self._lock:
            self.lesson, self.adapter = lesson, f"{lesson.name}/{lesson.version}"
            self._ask()
            if self.current is not None and not self.held:
                same = [x for x in self._open() if x.shot.shot_id == self.current.shot.shot_id]
                self.current = same[0] if same else next(iter(self._open()), None)
        return lesson

    def _ask(self) -> None:
        self.queue = self.engine.label_desk.queue(
            self.group,
            adapter=self.adapter,
            video=self.video,
            count=min(1_000, AHEAD + 1 + len(self._skipped)),
        )

    def _open(self) -> list[QueuedShot]:
        return [one for one in self.queue.shots if one.shot.shot_id not in self._skipped]

    def _remember(self, act: _Act) -> None:
        self._acts.append(act)
        del self._acts[:-MAX_UNDO]


class Sessions:
    """The walks of the open pages, by browser session; the oldest go."""

    def __init__(self) -> None:
        self._walks: OrderedDict[str, LabelSession] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session: str | None) -> LabelSession | None:
        """The walk of a page; None before it chose a group."""
        with self._lock:
            return self._walks.get(session or "")

    def put(self, session: str | None, walk: LabelSession | None) -> None:
        """Begin another walk on a page, or none."""
        with self._lock:
            self._walks.pop(session or "", None)
            if walk is not None:
                self._walks[session or ""] = walk
            while len(self._walks) > MAX_SESSIONS:
                self._walks.popitem(last=False)


def adapter_name(engine: Engine, group: str, present: str | None) -> str:
    """What to call what is learned: as the present adapter, else like the group.

    A name that another group's adapter has is not taken.
    """
    if present is not None:
        return present.partition("/")[0]
    stem = re.sub(r"[^\w.-]+", "-", group).strip("-.")[:60] or "labels"
    taken = {info.name for info in list_adapters(engine.library) if info.group != group}
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1_000))]
    return next(name for name in names if name not in taken)
