"""Labels given by hand, one shot at a time: what a click changes, and how it is taken back.

In an exclusive group a shot has one class at most: what the group said of the shot before is
replaced, and a longer label that reaches beyond the shot keeps its parts outside. In a multi-label
group a class is added beside the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from retrieval.catalog import Catalog
from retrieval.errors import InvalidInputError, NotFoundError
from retrieval.label_types import GroupKind, Label, LabelledGroup
from retrieval.types import Segment

__all__ = ["LabelEdit", "clear_shot", "label_shot", "make_group", "remove_label", "take_back"]

TOLERANCE_SECONDS = 1e-3
"""Parts that are shorter do not count: a bound that was rounded is the same bound."""
MAX_CLASSES = 200


@dataclass(frozen=True)
class LabelEdit:
    """What one act changed; `take_back` undoes it.

    Attributes:
        added: Labels that are new, with their ids.
        removed: Labels that went.
    """

    added: tuple[Label, ...] = ()
    removed: tuple[Label, ...] = ()


def make_group(
    catalog: Catalog, name: str, *, kind: GroupKind, classes: Sequence[str]
) -> LabelledGroup:
    """Make a group of classes, or add classes to one that is there; returns it as it is then.

    Raises:
        InvalidInputError: Bad names, too few or many classes, or a group of the other kind.
        CatalogBusyError: Another process is writing.
    """
    try:
        wanted = LabelledGroup(name, kind, tuple(dict.fromkeys(classes)))
    except ValueError as exc:
        raise InvalidInputError(str(exc)) from exc
    with catalog.writing():
        known = {group.name: group for group in catalog.label_groups()}.get(name)
        if known is not None and known.kind != kind:
            raise InvalidInputError(
                f"got group {name!r} as {_said(kind)}, the library has it as {_said(known.kind)}; "
                "choose another name, or remove the group first"
            )
        all_classes = dict.fromkeys([*(known.classes if known else ()), *wanted.classes])
        if not 2 <= len(all_classes) <= MAX_CLASSES:
            raise InvalidInputError(
                f"got {len(all_classes)} classes for group {name!r}, expected 2 to {MAX_CLASSES}"
            )
        catalog.add_labels([wanted], [])
    return _group(catalog, name)


def label_shot(
    catalog: Catalog, group: str, name: str, *, video: str, segment: Segment, source: str
) -> LabelEdit:
    """Say that a class holds in a segment; saying it again changes nothing.

    Args:
        catalog: The library.
        group: Of the class.
        name: Of the class.
        video: Id, start of an id, path or file name.
        segment: As a rule of a shot.
        source: Who says so, for people: `browser`, `http`.

    Raises:
        NotFoundError: There is no such group, class or film.
        InvalidInputError: The segment is empty or outside the film.
        CatalogBusyError: Another process is writing.
    """
    known = _group(catalog, group)
    if name not in known.classes:
        raise NotFoundError(
            f"got class {name!r}, group {group!r} has {', '.join(known.classes)}; add it to the "
            "group first"
        )
    film = catalog.resolve_video(video)
    if not 0 <= segment.start_seconds < segment.end_seconds:
        raise InvalidInputError(f"got {segment}, expected a segment that is not empty")
    if segment.end_seconds > film.duration_seconds + 0.5:
        raise InvalidInputError(
            f"got a segment to {segment.end_seconds:.3f} s, the film ends at "
            f"{film.duration_seconds:.3f} s"
        )
    new = Label(group, name, film.video_id, segment, source=source, video_name=film.name)

    def decide(labels: Sequence[Label]) -> tuple[Sequence[Label], Sequence[Label]]:
        if any(_says(label, new) for label in labels):
            wrong = [label for label in labels if known.is_exclusive and label.name != name]
            return _carved(wrong, segment)
        if not known.is_exclusive:
            return (), (new,)
        removed, parts = _carved(labels, segment)
        return removed, (*parts, new)

    added, removed = catalog.change_labels(group=group, video_id=film.video_id, decide=decide)
    return LabelEdit(tuple(added), tuple(removed))


def clear_shot(
    catalog: Catalog, group: str, *, video_id: str, segment: Segment, name: str | None = None
) -> LabelEdit:
    """Take back what a group says of a segment: all of it, or one class.

    Raises:
        CatalogBusyError: Another process is writing.
    """

    def decide(labels: Sequence[Label]) -> tuple[Sequence[Label], Sequence[Label]]:
        return _carved([one for one in labels if name in (None, one.name)], segment)

    added, removed = catalog.change_labels(group=group, video_id=video_id, decide=decide)
    return LabelEdit(tuple(added), tuple(removed))


def take_back(catalog: Catalog, edit: LabelEdit) -> LabelEdit:
    """Undo an edit: what it added goes, what it removed comes back under new ids.

    Labels that somebody removed meanwhile stay removed.
    """
    done = LabelEdit()
    for group, video_id in dict.fromkeys(
        (label.group, label.video_id) for label in (*edit.added, *edit.removed)
    ):
        gone = {label.label_id for label in edit.added}
        back = [x for x in edit.removed if (x.group, x.video_id) == (group, video_id)]

        def decide(
            labels: Sequence[Label], gone: set[int] = gone, back: Sequence[Label] = back
        ) -> tuple[Sequence[Label], Sequence[Label]]:
            return [label for label in labels if label.label_id in gone], back

        added, removed = catalog.change_labels(group=group, video_id=video_id, decide=decide)
        done = LabelEdit((*done.added, *added), (*done.removed, *removed))
    return done


def remove_label(catalog: Catalog, label_id: int) -> Label:
    """Forget one label by its id; returns what it said.

    Raises:
        NotFoundError: There is no such label.
        CatalogBusyError: Another process is writing.
    """
    with catalog.writing():
        label = catalog.label(label_id)
        if label is None:
            raise NotFoundError(f"got label {label_id}, there is none with this id")
        catalog.change_labels(
            group=label.group,
            video_id=label.video_id,
            decide=lambda labels: ([one for one in labels if one.label_id == label_id], ()),
        )
    return label


def _carved(labels: Sequence[Label], segment: Segment) -> tuple[Sequence[Label], tuple[Label, ...]]:
    """Labels that touch the segment, and what of them lies outside it."""
    touched = [label for label in labels if _touches(label.segment, segment)]
    return touched, tuple(part for label in touched for part in _outside(label, segment))


def _outside(label: Label, segment: Segment) -> list[Label]:
    start, end = label.segment.start_seconds, label.segment.end_seconds
    bounds = [(start, segment.start_seconds), (segment.end_seconds, end)]
    parts = []
    for first, last in bounds:
        if last - first <= TOLERANCE_SECONDS:
            continue
        boxes = tuple(box for box in label.boxes if first <= box.seconds < last)
        if label.boxes and not boxes:
            continue
        parts.append(replace(label, segment=Segment(first, last), boxes=boxes, label_id=0))
    return parts


def _touches(first: Segment, second: Segment) -> bool:
    start = max(first.start_seconds, second.start_seconds)
    return min(first.end_seconds, second.end_seconds) - start > TOLERANCE_SECONDS


def _says(label: Label, new: Label) -> bool:
    """Whether a label says already what a new one would."""
    return (
        label.name == new.name
        and not label.boxes
        and label.segment.start_seconds <= new.segment.start_seconds + TOLERANCE_SECONDS
        and label.segment.end_seconds >= new.segment.end_seconds - TOLERANCE_SECONDS
    )


def _group(catalog: Catalog, name: str) -> LabelledGroup:
    groups = {group.name: group for group in catalog.label_groups()}
    if name not in groups:
        known = ", ".join(groups) or "none"
        raise NotFoundError(f"got group {name!r}, known groups: {known}")
    return groups[name]


def _said(kind: GroupKind) -> str:
    return "one of (exclusive)" if kind == "one_of" else "any of (multi-label)"
