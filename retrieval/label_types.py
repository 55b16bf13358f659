"""Labels of people's own: which class holds in which segment of which film.

What `sceneprint labels` reads, keeps in the catalog and writes. A group of classes is exclusive
("one of": day or night) or not ("any of": a bicycle, a dog, both). A label is a class on a segment
of one video, with boxes where it says where in the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from retrieval.types import Box, Segment

__all__ = [
    "KINDS",
    "MAX_NAME_CHARS",
    "MAX_TEXT_CHARS",
    "SPLITS",
    "FindingKind",
    "GroupKind",
    "Label",
    "LabelFinding",
    "LabelImport",
    "LabelledGroup",
    "Split",
    "TimedBox",
]

GroupKind = Literal["one_of", "any_of"]
Split = Literal["train", "val", "test"]
KINDS: tuple[GroupKind, ...] = ("one_of", "any_of")
SPLITS: tuple[Split, ...] = ("train", "val", "test")
FindingKind = Literal[
    "unknown_class",
    "overlap",
    "empty_segment",
    "outside_film",
    "no_film",
    "no_example",
    "single_example",
    "single_class",
    "leak_same_shot",
    "leak_same_video",
    "leak_near_duplicate",
    "near_duplicate",
]

MAX_NAME_CHARS = 200
MAX_TEXT_CHARS = 2_000


@dataclass(frozen=True)
class LabelledGroup:
    """Classes that belong together.

    Attributes:
        name: For example `light`.
        kind: `one_of`: exactly one class holds at a time; `any_of`: each may hold or not.
        classes: In the order in which they came.
    """

    name: str
    kind: GroupKind
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name("group", self.name)
        if self.kind not in KINDS:
            raise ValueError(f"got {self.kind = }, expected one of {', '.join(KINDS)}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"got a class twice in group {self.name!r}: {self.classes}")
        for name in self.classes:
            _check_name("class", name)

    @property
    def is_exclusive(self) -> bool:
        """Whether one class at most holds at a time."""
        return self.kind == "one_of"


@dataclass(frozen=True)
class TimedBox:
    """Where in the picture something is at a time; between two of a track it moves evenly."""

    seconds: float
    box: Box


@dataclass(frozen=True)
class Label:
    """One class on a segment of one video; it checks itself."""

    group: str
    name: str
    """Of the class."""
    video_id: str
    segment: Segment
    boxes: tuple[TimedBox, ...] = ()
    """In order of time; one for a frame, several for a track; () for the whole picture."""
    track: str | None = None
    """What holds the segments of one moving thing together."""
    text: str | None = None
    """A description of what is to be seen or said."""
    split: Split | None = None
    """What the label is kept for; None = undecided."""
    source: str = ""
    """Name of the file that it came from."""
    line: int | None = None
    """1-based line in that file; None where the format has no lines."""
    video_name: str = ""
    """File name of the film, for people: a label outlives the film's place in the library."""
    label_id: int = 0
    """Row id in the catalog; 0 before it is stored."""

    def __post_init__(self) -> None:
        _check_name("group", self.group)
        _check_name("class", self.name)
        if not self.segment.duration_seconds > 0:
            raise ValueError(f"got {self.segment}, expected a segment that is not empty")
        if self.split not in (None, *SPLITS):
            raise ValueError(f"got {self.split = }, expected one of {', '.join(SPLITS)} or None")
        times = [item.seconds for item in self.boxes]
        if any(second <= first for first, second in pairwise(times)):
            raise ValueError("got boxes whose times do not rise")

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two labels the same statement, wherever each came from."""
        times = round(self.segment.start_seconds, 3), round(self.segment.end_seconds, 3)
        boxes = tuple(
            (round(item.seconds, 3), *(round(edge, 5) for edge in _edges(item.box)))
            for item in self.boxes
        )
        return self.group, self.name, self.video_id, times, boxes

    @property
    def where(self) -> str:
        """The file and line that it came from, for messages."""
        return self.source if self.line is None else f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class LabelImport:
    """What an import of labels did."""

    format: str
    groups: tuple[LabelledGroup, ...]
    """The groups that were touched, as they are now."""
    num_added: int
    num_known: int
    """Labels that were there already."""
    num_videos: int
    notes: tuple[str, ...] = ()
    """What of the files was not read, for a person."""


@dataclass(frozen=True)
class LabelFinding:
    """Something that a person should look at before training on labels."""

    kind: FindingKind
    message: str
    group: str
    places: tuple[str, ...]
    """Film and timecode, or file and line, of each label that it is about."""
    score: float | None = None
    """Cosine of the pictures where these look alike."""


def _edges(box: Box) -> Sequence[float]:
    return box.left, box.top, box.right, box.bottom


def _check_name(what: str, name: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME_CHARS:
        raise ValueError(
            f"got {what} {name[:MAX_NAME_CHARS]!r}, expected 1 to {MAX_NAME_CHARS} characters "
            "without blanks at the ends"
        )
    if not name.isprintable():
        raise ValueError(f"got {what} {name!r}, which holds characters that cannot be shown")
