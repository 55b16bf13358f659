"""From what a label file says to labels of the library: all of it, or an error and nothing.

Films are found, frames become seconds, and every statement is held against the film and against
the others. Whatever is wrong is collected with its file and line, so that one error tells it all.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_check import MAX_PAIRS, overlaps
from retrieval.label_files import FileLabel, LabelFile, Moment, Where
from retrieval.label_files.base import MAX_MESSAGE_CHARS
from retrieval.label_films import FilmFinder, FrameClock
from retrieval.label_types import (
    FindingKind,
    GroupKind,
    Label,
    LabelFinding,
    LabelledGroup,
    Split,
    TimedBox,
)
from retrieval.types import Segment, Shot, Video, readable

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = ["ImportOptions", "PreparedLabels", "absolute_folder", "prepare_labels"]

DEFAULT_GROUP = "labels"
MAX_SHOWN = 10
MAX_FINDINGS = 1_000
"""After so many the rest of a file is not looked at."""
END_SLACK_SECONDS = 0.5
"""By how much a label may reach beyond the film; lengths in headers differ by that. It is cut."""


@dataclass(frozen=True)
class ImportOptions:
    """How a label file is to be understood.

    Attributes:
        group: Group for labels whose file names none; None for the format's own.
        kind: Of the groups; None for what the file or library says, else `any_of` where the labels
            have boxes (several things may be in a picture), `one_of` otherwise.
        video: The film of labels that name none.
        split: What all labels are kept for; None for what the file says.
        first_frame: Number that the file gives to the first frame of a film (0 or 1).
        is_lenient: Leave out declared classes without a label instead of refusing them.
    """

    group: str | None = None
    kind: GroupKind | None = None
    video: str | None = None
    split: Split | None = None
    first_frame: int = 0
    is_lenient: bool = False


@dataclass
class PreparedLabels:
    """What an import would store, and what stands against it."""

    format: str
    groups: list[LabelledGroup] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    """New ones only."""
    num_known: int = 0
    findings: list[LabelFinding] = field(default_factory=list)
    """What is wrong; empty when the labels may be stored."""
    notes: list[str] = field(default_factory=list)

    def checked(self) -> "PreparedLabels":
        """Itself; InvalidInputError with the first findings where there are any."""
        if not self.findings:
            return self
        shown = [
            f"  {', '.join(one.places[:2])}: {one.message}" if one.places else f"  {one.message}"
            for one in self.findings[:MAX_SHOWN]
        ]
        rest = len(self.findings) - len(shown)
        at_least = " at least" if len(self.findings) >= MAX_FINDINGS else ""
        shown += [f"  and {rest} more{at_least}"] if rest else []
        raise InvalidInputError("\n".join(["no label was imported:", *shown]))


def prepare_labels(
    read: LabelFile,
    *,
    base: Path,
    catalog: Catalog,
    options: ImportOptions,
    limits: "MediaLimits | None" = None,
) -> PreparedLabels:
    """Make labels of what was read, and hold them against films, groups and each other.

    Args:
        read: From `label_files.read_labels`.
        base: Folder of the file, to which its paths are relative.
        catalog: The library.
        options: See `ImportOptions`.
        limits: Bounds on media files that are read for their frame times.

    Raises:
        NotFoundError: `options.video` is not in the library.
    """
    prepared = PreparedLabels(read.format, notes=list(read.notes))
    resolver = _Resolver(base, catalog, options, limits, prepared)
    made = []
    for item in read.labels:
        label = resolver.label(item)
        if label is not None:
            made.append(label)
        elif len(prepared.findings) >= MAX_FINDINGS:
            break
    resolver.tell_missing()
    stored = catalog.labels()
    known = {label.key for label in stored}
    for key, label in {label.key: label for label in reversed(made)}.items():
        if key not in known:
            prepared.labels.append(label)
    prepared.labels.reverse()
    prepared.num_known = len(made) - len(prepared.labels)
    _make_groups(read, made, catalog.label_groups(), options, prepared)
    _find_contradictions([*stored, *prepared.labels], prepared)
    return prepared


class _Resolver:
    """Turns what is written into labels; what cannot be goes to the findings."""

    def __init__(
        self,
        base: Path,
        catalog: Catalog,
        options: ImportOptions,
        limits: "MediaLimits | None",
        prepared: PreparedLabels,
    ) -> None:
        self._catalog = catalog
        self._finder = FilmFinder(catalog.videos(), base=base)
        self._options = options
        self._limits = limits
        self._prepared = prepared
        self._default = None if options.video is None else catalog.resolve_video(options.video)
        self._clocks: dict[str, FrameClock] = {}
        self._shots: dict[str, list[Shot]] = {}
        self._missing: dict[str, list[Where]] = defaultdict(list)

    def label(self, item: FileLabel) -> Label | None:
        """The label of an item; None where something is wrong with it."""
        try:
            found = self._film(item)
            if found is None:
                return None
            video, moment = found
            return self._label(item, video, moment)
        except _Wrong as exc:
            self._wrong(exc.kind, item, str(exc))
        except NotFoundError as exc:  # the name fits several films
            self._wrong("no_film", item, str(exc))
        except ValueError as exc:  # what the data classes refuse
            self._wrong("outside_film", item, str(exc))
        return None

    def tell_missing(self) -> None:
        """One finding for each film that is not in the library."""
        for name, places in self._missing.items():
            message = (
                f"film {readable(name)!r} is not in the library ({len(places)} labels); "
                "ingest it, or name it with --video"
            )
            self._prepared.findings.append(_finding("no_film", message, places[:1]))

    def _wrong(self, kind: FindingKind, item: FileLabel, message: str) -> None:
        self._prepared.findings.append(_finding(kind, message, [item.where], item.group or ""))

    def _film(self, item: FileLabel) -> tuple[Video, Moment | None] | None:
        """The video, and the moment that the name of a picture tells."""
        video = None if item.film is None else self._finder.film(item.film)
        if video is not None:
            return video, None
        if item.image is not None:
            found = self._finder.picture(item.image)
            if found is not None:
                return found
        if self._default is not None:
            is_told = item.image is None or item.start is not None
            return self._default, None if is_told else self._moment_in(str(item.image))
        self._missing[_film_name(item)].append(item.where)
        return None

    def _moment_in(self, image: str) -> Moment:
        from retrieval.label_films import picture_names

        for _, moment in picture_names(f"film/{image}"):
            return moment
        raise _Wrong("outside_film", f"picture {image!r} tells no frame; expected FILM_000120.png")

    def _label(self, item: FileLabel, video: Video, named: Moment | None) -> Label:
        start = self._shifted(named or item.start)
        segment = self._segment(item, video, start)
        clock = self._clock(video)
        boxes = [
            TimedBox(
                segment.start_seconds if moment is None else clock.seconds(self._shifted(moment)),
                box,
            )
            for moment, box in item.boxes
        ]
        return Label(
            group=self._options.group or item.group or DEFAULT_GROUP,
            name=item.name,
            video_id=video.video_id,
            segment=segment,
            boxes=tuple(sorted(boxes, key=lambda one: one.seconds)),
            track=item.track,
            text=item.text,
            split=self._options.split or item.split,
            source=readable(item.where.file),
            line=item.where.line,
            video_name=video.name,
        )

    def _segment(self, item: FileLabel, video: Video, start: Moment | None) -> Segment:
        length = video.duration_seconds
        if start is None:
            return _inside(0.0, length, length)
        clock = self._clock(video)
        first = clock.seconds(start)
        if item.is_shot:
            return self._shot_at(video, first)
        end = self._shifted(item.end)
        return _inside(first, clock.after(start) if end is None else clock.seconds(end), length)

    def _shot_at(self, video: Video, seconds: float) -> Segment:
        """The shot that a moment lies in; rounding may have put it on the next one's edge."""
        if video.video_id not in self._shots:
            self._shots[video.video_id] = self._catalog.shots(video.video_id)
        shots = self._shots[video.video_id]
        for shot in shots:
            if shot.segment.start_seconds <= seconds < shot.segment.end_seconds:
                return shot.segment
        if not shots:
            return _inside(0.0, video.duration_seconds, video.duration_seconds)
        raise _Wrong("outside_film", f"{seconds:.3f} s lies outside of {video.name}'s shots")

    def _clock(self, video: Video) -> FrameClock:
        if video.video_id not in self._clocks:
            self._clocks[video.video_id] = FrameClock(video, limits=self._limits)
        return self._clocks[video.video_id]

    def _shifted(self, moment: Any) -> Any:
        """A moment whose frame counts from 0; None stays None."""
        if moment is None or moment.frame is None or not self._options.first_frame:
            return moment
        if moment.frame < self._options.first_frame:
            raise _Wrong("outside_film", f"frame {moment.frame} comes before the first one")
        return Moment(frame=moment.frame - self._options.first_frame)


class _Wrong(Exception):
    """What is wrong with one label."""

    def __init__(self, kind: FindingKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _inside(start: float, end: float, length: float) -> Segment:
    """The segment, cut at the end of the film."""
    if start >= length or end > length + END_SLACK_SECONDS:
        raise _Wrong(
            "outside_film",
            f"the label is at {start:.3f} to {end:.3f} s, the film ends at {length:.3f} s",
        )
    if end <= start:
        raise _Wrong("empty_segment", f"the label ends at {end:.3f} s, where it starts or before")
    return Segment(start, min(end, length))


def _film_name(item: FileLabel) -> str:
    if item.image is not None:
        return item.image
    return item.film or "(none named)"


def _make_groups(
    read: LabelFile,
    labels: Sequence[Label],
    stored: Sequence[LabelledGroup],
    options: ImportOptions,
    prepared: PreparedLabels,
) -> None:
    """The groups as they will be: those that are there, and what the labels add."""
    existing = {group.name: group for group in stored}
    said = _kinds_said(read, options)
    by_group: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_group[label.group].append(label)
    for name, members in by_group.items():
        has_boxes = any(label.boxes for label in members)
        wanted = options.kind or said.get(name)
        before = existing.get(name)
        kind = wanted or (before.kind if before else "any_of" if has_boxes else "one_of")
        first = members[0]
        if before is not None and before.kind != kind:
            message = f"group {name!r} is {before.kind} in the library, the import says {kind}"
            prepared.findings.append(_finding("overlap", message, [_where(first)], name))
        old = before.classes if before is not None else ()
        classes = tuple(dict.fromkeys([*old, *(label.name for label in members)]))
        if kind == "one_of" and len(classes) < 2:
            message = f"group {name!r} has one class, {first.name!r}; expected two to tell apart"
            prepared.findings.append(_finding("single_class", message, [_where(first)], name))
        prepared.groups.append(LabelledGroup(name, kind, classes))
    _tell_unused(read, options, prepared)


def _kinds_said(read: LabelFile, options: ImportOptions) -> dict[str, GroupKind]:
    """The kinds that the file tells, by group; what is any of once is any of."""
    said: dict[str, GroupKind] = {}
    for item in read.labels:
        name = options.group or item.group or DEFAULT_GROUP
        if item.kind is not None and said.get(name) != "any_of":
            said[name] = item.kind
    return said


def _tell_unused(read: LabelFile, options: ImportOptions, prepared: PreparedLabels) -> None:
    """Classes that the file declares and nothing has."""
    used = {item.name for item in read.labels}
    unused = {name: where for name, where in read.classes.items() if name not in used}
    if options.is_lenient and unused:
        prepared.notes.append(f"left out, without footage: {', '.join(sorted(unused))[:500]}")
        return
    for name, where in unused.items():
        message = f"class {name!r} has no footage; label some, or leave it out with --allow-unused"
        prepared.findings.append(_finding("no_example", message, [where]))
    if not read.labels:
        prepared.findings.append(_finding("no_example", f"there are no labels ({read.format})", []))


def _find_contradictions(labels: Iterable[Label], prepared: PreparedLabels) -> None:
    exclusive = {group.name for group in prepared.groups if group.is_exclusive}
    new = {id(label) for label in prepared.labels}
    by_group: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.group in exclusive:
            by_group[label.group].append(label)
    for name, members in by_group.items():
        for first, second in islice(overlaps(members), MAX_PAIRS):
            if first.name == second.name or not new & {id(first), id(second)}:
                continue
            message = (
                f"{first.name!r} and {second.name!r} both hold at "
                f"{second.segment.start_seconds:.3f} s of {second.video_name}, but group {name!r} "
                "is one of; mend it, or import with --multi"
            )
            prepared.findings.append(
                _finding("overlap", message, [_where(first), _where(second)], name)
            )


def _where(label: Label) -> Where:
    return Where(label.source, label.line)


def _finding(
    kind: FindingKind, message: str, places: Sequence[Where], group: str = ""
) -> LabelFinding:
    return LabelFinding(
        kind, message[:MAX_MESSAGE_CHARS], group, tuple(str(place) for place in places)
    )


def absolute_folder(path: Path) -> Path:
    """The folder that names in a label file are relative to."""
    given = Path(os.path.abspath(path))
    return given if given.is_dir() else given.parent
