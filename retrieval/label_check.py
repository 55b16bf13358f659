"""What a person should look at before training on labels: overlaps, lonely classes, leakage.

Leakage is when the same footage is on both sides of a split into training and test: then figures
promise more than the classifier holds. Footage is the same in one shot, in one film, or where the
stored embeddings of two labelled shots are as good as equal.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInputError
from retrieval.label_types import FindingKind, Label, LabelFinding, LabelledGroup
from retrieval.types import FloatArray, Shot, Video, timecode

__all__ = ["MAX_PAIRS", "NEAR_DUPLICATE_COSINE", "Footage", "check_labels", "overlaps", "place_of"]

NEAR_DUPLICATE_COSINE = 0.9
"""From this cosine on two shots count as the same footage (docs/labels.md has the measurement)."""

MAX_PAIRS = 1_000
"""Most overlaps that are looked at in a group; a file that is wrong throughout has millions."""
CONTRADICTION_SECONDS = 0.05
_OUTSIDE_SECONDS = 0.5
_SPELLING = 0.88
_BLOCK = 1024
_MAX_SHOTS = 50_000


@dataclass(frozen=True, eq=False)
class Footage:
    """What the library knows of the films that are labelled."""

    videos: Mapping[str, Video]
    shots: Mapping[str, Sequence[Shot]]
    """By video id, in order."""
    vectors: Mapping[int, FloatArray]
    """(D,) unit norm embedding by shot id."""


def check_labels(
    groups: Sequence[LabelledGroup],
    labels: Sequence[Label],
    footage: Footage,
    *,
    min_cosine: float = NEAR_DUPLICATE_COSINE,
) -> list[LabelFinding]:
    """Find what is doubtful in labels, group by group.

    Args:
        groups: The groups to look at.
        labels: All labels of these groups.
        footage: Videos, shots and embeddings of the labelled films.
        min_cosine: From which cosine on two shots count as the same footage.

    Raises:
        InvalidInputError: `min_cosine` is not in (0, 1].
    """
    if not 0 < min_cosine <= 1:
        raise InvalidInputError(f"got {min_cosine = }, expected more than 0, and 1 at most")
    found: list[LabelFinding] = []
    for group in groups:
        members = [label for label in labels if label.group == group.name]
        found += _classes(group, members)
        found += _segments(group, members, footage)
        found += _overlapping(group, members, footage)
        found += _leaks(group, members, footage, min_cosine)
    return found


def overlaps(labels: Sequence[Label]) -> Iterator[tuple[Label, Label]]:
    """Pairs of neighbouring labels of one film that share time, in order of time.

    Frames that touch do not count: what is shared must be over 50 ms or half the shorter label.
    """
    by_video: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_video[label.video_id].append(label)
    for members in by_video.values():
        open_labels: list[Label] = []
        for label in sorted(members, key=lambda one: (one.segment.start_seconds, one.where)):
            start = label.segment.start_seconds
            open_labels = [one for one in open_labels if one.segment.end_seconds > start]
            yield from ((one, label) for one in open_labels if _share_time(one, label))
            # of each class the one that lasts longest is enough to find all that disagree
            longest = {one.name: one for one in open_labels}
            known = longest.get(label.name)
            if known is None or known.segment.end_seconds < label.segment.end_seconds:
                longest[label.name] = label
            open_labels = list(longest.values())


def _share_time(first: Label, second: Label) -> bool:
    shared = first.segment.intersection_seconds(second.segment)
    shorter = min(first.segment.duration_seconds, second.segment.duration_seconds)
    return shared > min(CONTRADICTION_SECONDS, shorter / 2)


def place_of(label: Label, video: Video | None) -> str:
    """Film, timecode and the file and line that a label came from, for people."""
    rate = None if video is None else video.frame_rate
    at = timecode(label.segment.start_seconds, rate)
    name = label.video_name or label.video_id
    return f"{name} {at} ({label.where})" if label.source else f"{name} {at}"


# --- classes


def _classes(group: LabelledGroup, labels: Sequence[Label]) -> Iterator[LabelFinding]:
    counts = Counter(label.name for label in labels)
    if len(group.classes) < 2:
        yield _finding(
            "single_class", group, (), f"group {group.name!r} has one class; nothing to tell apart"
        )
    for name in group.classes:
        if counts[name] == 0:
            yield _finding("no_example", group, (), f"class {name!r} has no example")
        elif counts[name] == 1:
            only = next(label for label in labels if label.name == name)
            message = f"class {name!r} has one example: none is left to test it with"
            yield _finding("single_example", group, (place_of(only, None),), message)
    yield from _similar_names(group, labels)


def _similar_names(group: LabelledGroup, labels: Sequence[Label]) -> Iterator[LabelFinding]:
    """Names that are likely one class written twice (`night`, `Night`, `nigth`)."""
    for number, name in enumerate(group.classes):
        near = next((other for other in group.classes[:number] if _is_spelling(name, other)), None)
        if near is not None:
            places = tuple(place_of(one, None) for one in labels if one.name == name)[:3]
            message = f"class {name!r} looks like {near!r}: one class in two spellings?"
            yield _finding("unknown_class", group, places, message)


def _is_spelling(name: str, other: str) -> bool:
    """Whether two names differ by case, swapped letters or a typing error, but not by a number.

    0.88 tells `sunsett` from `sunset` and leaves `male` and `female` (0.80) apart.
    """
    first, second = name.casefold(), other.casefold()
    if first == second:
        return True
    if _letters(first) == _letters(second):
        return False
    is_swapped = sorted(first) == sorted(second)
    return is_swapped or SequenceMatcher(None, first, second).ratio() >= _SPELLING


def _letters(name: str) -> str:
    """A name without its digits: `take 1` and `take 2` differ on purpose."""
    return "".join(character for character in name if not character.isdigit())


# --- segments


def _segments(
    group: LabelledGroup, labels: Sequence[Label], footage: Footage
) -> Iterator[LabelFinding]:
    missing: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        video = footage.videos.get(label.video_id)
        if video is None:
            missing[label.video_id].append(label)
            continue
        place = (place_of(label, video),)
        frame_seconds = 0.0 if video.frame_rate is None else 1 / float(video.frame_rate)
        if label.segment.end_seconds > video.duration_seconds + _OUTSIDE_SECONDS:
            message = f"label {label.name!r} reaches beyond the end of the film"
            yield _finding("outside_film", group, place, message)
        elif label.segment.duration_seconds < frame_seconds / 2:
            yield _finding("empty_segment", group, place, f"label {label.name!r} holds no frame")
        elif not _touched(label, footage):
            message = f"label {label.name!r} touches no shot: nothing to learn from"
            yield _finding("empty_segment", group, place, message)
    for members in missing.values():
        name = members[0].video_name or members[0].video_id
        message = f"{len(members)} labels are on {name}, which is not in the library; ingest it"
        yield _finding("no_film", group, tuple(place_of(one, None) for one in members[:3]), message)


def _overlapping(
    group: LabelledGroup, labels: Sequence[Label], footage: Footage
) -> Iterator[LabelFinding]:
    """Labels that contradict each other, and the same one said twice of the same time."""
    pairs = overlaps(labels) if group.is_exclusive else _overlaps_of_classes(labels)
    for first, second in islice(pairs, MAX_PAIRS):
        is_same = first.name == second.name
        if not is_same or not first.boxes:
            video = footage.videos.get(first.video_id)
            what = "is said twice" if is_same else f"contradicts {second.name!r}"
            places = (place_of(first, video), place_of(second, video))
            yield _finding(
                "overlap", group, places, f"label {first.name!r} {what} of the same time"
            )


def _overlaps_of_classes(labels: Sequence[Label]) -> Iterator[tuple[Label, Label]]:
    by_class: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_class[label.name].append(label)
    for members in by_class.values():
        yield from overlaps(members)


# --- leakage


@dataclass(frozen=True)
class _Labelled:
    """A labelled shot."""

    shot: Shot
    label: Label


def _leaks(
    group: LabelledGroup, labels: Sequence[Label], footage: Footage, min_cosine: float
) -> Iterator[LabelFinding]:
    labelled = [_Labelled(shot, label) for label in labels for shot in _touched(label, footage)]
    yield from _same_footage(group, labelled, footage)
    yield from _alike(group, labelled, footage, min_cosine)


def _same_footage(
    group: LabelledGroup, labelled: Sequence[_Labelled], footage: Footage
) -> Iterator[LabelFinding]:
    """Shots, then films, of which parts are on both sides of the split: one finding each."""
    by_video: dict[str, list[_Labelled]] = defaultdict(list)
    for item in labelled:
        if item.label.split is not None:
            by_video[item.shot.video_id].append(item)
    for video_id, items in by_video.items():
        sides = {item.label.split: item for item in items}
        if len(sides) < 2:
            continue
        video = footage.videos[video_id]
        by_shot: dict[int, dict[str | None, _Labelled]] = defaultdict(dict)
        for item in items:
            by_shot[item.shot.number].setdefault(item.label.split, item)
        shared = [number for number, found in sorted(by_shot.items()) if len(found) > 1]
        chosen = by_shot[shared[0]] if shared else sides
        places = tuple(place_of(item.label, video) for item in chosen.values())
        names = " and ".join(sorted(str(side) for side in chosen))
        if shared:
            message = f"{len(shared)} shots of {video.name} are in {names}, first shot {shared[0]}"
            yield _finding("leak_same_shot", group, places, message)
        else:
            message = f"shots of {video.name} are in {names}; split by film"
            yield _finding("leak_same_video", group, places, message)


def _alike(
    group: LabelledGroup, labelled: Sequence[_Labelled], footage: Footage, min_cosine: float
) -> Iterator[LabelFinding]:
    """Pairs of films with labelled shots that look the same: the likest pair of each.

    Only pairs that could part: of different films, and not on one side of a split together.
    """
    unique = {item.shot.shot_id: item for item in labelled if item.shot.shot_id in footage.vectors}
    items = list(unique.values())
    if len(items) > _MAX_SHOTS:
        raise InvalidInputError(
            f"got {len(items)} labelled shots in group {group.name!r}, at most {_MAX_SHOTS} are "
            "compared; check a part with --video"
        )
    best: dict[tuple[str, str], tuple[float, _Labelled, _Labelled]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for score, first, second in _pairs(items, footage, min_cosine):
        key = first.shot.video_id, second.shot.video_id
        counts[key] += 1
        if key not in best or score > best[key][0]:
            best[key] = score, first, second
    for key, (score, first, second) in best.items():
        yield _alike_finding(group, score, first, second, counts[key], footage)


def _alike_finding(
    group: LabelledGroup,
    score: float,
    first: _Labelled,
    second: _Labelled,
    count: int,
    footage: Footage,
) -> LabelFinding:
    sides = first.label.split, second.label.split
    places = tuple(
        place_of(item.label, footage.videos.get(item.shot.video_id)) for item in (first, second)
    )
    films = " and ".join(footage.videos[item.shot.video_id].name for item in (first, second))
    is_leak = None not in sides
    advice = f"in {sides[0]} and {sides[1]}" if is_leak else "keep them on one side of a split"
    return LabelFinding(
        kind="leak_near_duplicate" if is_leak else "near_duplicate",
        message=f"{count} pairs of shots in {films} look the same; {advice}",
        group=group.name,
        places=places,
        score=score,
    )


def _pairs(
    items: Sequence[_Labelled], footage: Footage, min_cosine: float
) -> Iterator[tuple[float, _Labelled, _Labelled]]:
    """Pairs of shots of different films and sides whose cosine is at least the bound."""
    if len(items) < 2:
        return
    vectors = np.stack([footage.vectors[item.shot.shot_id] for item in items])
    films = _codes([item.shot.video_id for item in items])
    sides = _codes([item.label.split or f"?{number}" for number, item in enumerate(items)])
    for start in range(0, len(items), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = vectors[block] @ vectors[start:].T
        apart = (films[block, None] != films[None, start:]) & (
            sides[block, None] != sides[None, start:]
        )
        rows, columns = np.nonzero((scores >= min_cosine) & apart)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if row < column:
                yield float(scores[row, column]), items[start + row], items[start + column]


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _touched(label: Label, footage: Footage) -> Sequence[Shot]:
    """Shots that a label is about: those whose middle it holds, else the one around its own."""
    shots = footage.shots.get(label.video_id, ())
    start, end = label.segment.start_seconds, label.segment.end_seconds
    held = shots[bisect_left(shots, start, key=_middle) : bisect_left(shots, end, key=_middle)]
    if held:
        return held
    middle = (start + end) / 2
    place = bisect_right(shots, middle, key=lambda shot: shot.segment.start_seconds) - 1
    is_within = place >= 0 and middle < shots[place].segment.end_seconds
    return shots[place : place + 1] if is_within else ()


def _middle(shot: Shot) -> float:
    return (shot.segment.start_seconds + shot.segment.end_seconds) / 2


def _finding(
    kind: FindingKind, group: LabelledGroup, places: tuple[str, ...], message: str
) -> LabelFinding:
    return LabelFinding(kind=kind, message=message, group=group.name, places=places)
