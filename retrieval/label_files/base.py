"""What a label reader gives, and the bounds that hold for all of them.

A label file comes from anywhere: its bytes, nesting and counts are bounded before anything is made
of them, and every mistake names the file and, where there are lines, the line.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.errors import InvalidInputError
from retrieval.label_types import MAX_NAME_CHARS, MAX_TEXT_CHARS, GroupKind, Split
from retrieval.types import Box, readable

__all__ = [
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "MAX_LABELS",
    "MAX_MESSAGE_CHARS",
    "FileLabel",
    "LabelFile",
    "Moment",
    "Where",
    "as_split",
    "clean_name",
    "clean_text",
    "is_whole",
    "number",
    "picture_box",
    "read_text",
    "within_limits",
]

MAX_FILE_BYTES = 256_000_000
MAX_FILES = 200_000
MAX_LABELS = 500_000
MAX_MESSAGE_CHARS = 500
"""Of what an error quotes from a file."""
_WHOLE_SLACK = 1e-3

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Where:
    """A place in a label file."""

    file: str
    line: int | None = None
    item: str | None = None
    """For people, where lines alone do not tell (`annotation 17`)."""

    def __str__(self) -> str:
        parts = [readable(self.file)]
        parts += [] if self.line is None else [f"line {self.line}"]
        parts += [] if self.item is None else [self.item]
        return ", ".join(parts)

    def error(self, text: str) -> InvalidInputError:
        """The error that says what is wrong here."""
        return InvalidInputError(f"{self}: {text[:MAX_MESSAGE_CHARS]}")


@dataclass(frozen=True)
class Moment:
    """A time as a label file writes it: exactly one of the three."""

    seconds: float | None = None
    frame: int | None = None
    """0-based number of a frame of the film."""
    timecode: tuple[int, int] | None = None
    """Whole seconds of SMPTE timecode, and frames beyond them."""


@dataclass(frozen=True)
class FileLabel:
    """One label as written, before it is known which film and seconds are meant."""

    name: str
    where: Where
    film: str | None = None
    """A path, name or stem; None = told by `image`, or by whoever imports."""
    image: str | None = None
    """File name of a picture of a film, which tells film and frame (`bikes/frame_000120.png`)."""
    start: Moment | None = None
    end: Moment | None = None
    """Exclusive; None with a start means one frame, None for both all of the film."""
    is_shot: bool = False
    """`start` stands for the shot that it lies in."""
    group: str | None = None
    kind: GroupKind | None = None
    boxes: tuple[tuple[Moment | None, Box], ...] = ()
    """None for a moment: that of the label."""
    track: str | None = None
    text: str | None = None
    split: Split | None = None


@dataclass(frozen=True)
class LabelFile:
    """Everything that was read from one label file or folder."""

    format: str
    labels: tuple[FileLabel, ...]
    classes: dict[str, Where] = field(default_factory=dict)
    """Classes that the file declares, whether or not a label has them."""
    notes: tuple[str, ...] = ()
    """What was not read, for a person."""


def read_text(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> str:
    """Read a UTF-8 file of bounded size.

    Raises:
        InvalidInputError: It cannot be read, is no regular file, too large or not UTF-8.
    """
    where = Where(path.name)
    try:
        if not path.is_file():
            raise where.error("is no file that can be read")
        size = path.stat().st_size
        if size > max_bytes:
            raise where.error(f"has {size} bytes, at most {max_bytes} are allowed; split it")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)  # it may grow, or not tell its size
    except OSError as exc:
        raise where.error(f"cannot be read: {exc.strerror}") from exc
    if len(data) > max_bytes:
        raise where.error(f"has more than {max_bytes} bytes; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise Where(path.name, line).error("is not UTF-8; save the file as UTF-8") from exc


def within_limits(labels: Iterable[FileLabel]) -> tuple[FileLabel, ...]:
    """Collect labels; InvalidInputError at the first one beyond `MAX_LABELS`."""
    found: list[FileLabel] = []
    for label in labels:
        if len(found) == MAX_LABELS:
            raise label.where.error(f"more than {MAX_LABELS} labels; import them in parts")
        found.append(label)
    return tuple(found)


def clean_name(text: object, where: Where, *, what: str = "class") -> str:
    """Check a class or group name and return it without blanks around it."""
    name = text.strip() if isinstance(text, str) else ""
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise where.error(
            f"got {what} {text!r:.80}, expected a name of 1 to {MAX_NAME_CHARS} visible characters"
        )
    return name


def clean_text(text: object, where: Where) -> str | None:
    """Check a description; None for nothing."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
        raise where.error(f"got text {text!r:.60}, expected up to {MAX_TEXT_CHARS} characters")
    return text.strip()


def as_split(text: str | None) -> Split | None:
    """Understand `train`, `valid`, `test` and their like; None for other words."""
    return _SPLIT_NAMES.get((text or "").strip().casefold())


def number(text: object, where: Where, what: str) -> float:
    """Read a finite number; InvalidInputError names it."""
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or isinstance(text, bool):
        raise where.error(f"got {what} {text!r:.40}, expected a number")
    return value


def picture_box(
    edges: tuple[float, float, float, float], size: tuple[float, float], where: Where
) -> Box:
    """Make a box of left, top, right and bottom in a picture of (width, height).

    What reaches over the picture's edge is cut off; a box that has nothing inside is an error.
    """
    width, height = size
    if not (width > 0 and height > 0):
        raise where.error(f"got a picture of {width:g} x {height:g}, expected its size in pixels")
    left, right = (min(1.0, max(0.0, edge / width)) for edge in edges[::2])
    top, bottom = (min(1.0, max(0.0, edge / height)) for edge in edges[1::2])
    if not (left < right and top < bottom):
        raise where.error(f"got box {edges}, which is empty or outside of {width:g} x {height:g}")
    return Box(left, top, right, bottom)


def is_whole(box: Box) -> bool:
    """Whether a box goes around all of the picture: then it says nothing about where."""
    near = max(box.left, box.top, 1 - box.right, 1 - box.bottom)
    return near <= _WHOLE_SLACK
