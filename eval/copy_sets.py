"""Reads data sets of copy detection as their owners publish them, and the attack benchmark.

| set | what lies in the folder |
|---|---|
| VSC2022 | `*ground_truth*.csv` with the six columns of segments, folders `query` and `reference` |
| VCSL | `label_file_uuid*.json` (pair -> `[query start, ref start, query end, ref end]`), videos |
| DISC21 | a CSV of `query_id,ref_id`, folders of pictures `queries` and `references` |
| attacks | VSC2022's layout and a `manifest.json` |
"""

import csv
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.copy_metrics import CopySegment
from retrieval.errors import InvalidInputError, NotFoundError, OperationCancelled
from retrieval.types import Progress, ProgressCallback

__all__ = ["FILMS", "CopySet", "Label", "read_copy_set", "told"]

Kind = Literal["attacks", "vsc2022", "vcsl", "disc21"]
SEGMENT_COLUMNS = ("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end")
FILMS = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".flv", ".m4a", ".ts", ".mpg"})
"""Endings of the files that a data set's films have."""
_STILLS = frozenset({".jpg", ".jpeg", ".png"})
_QUERY_FOLDERS, _REF_FOLDERS = ("query", "queries"), ("reference", "references", "refs")


@dataclass(frozen=True)
class Label:
    """What the attack benchmark knows of a true segment beyond its times."""

    family: str
    edits: str
    strength: int
    speed: float
    is_reversed: bool
    modalities: str


@dataclass(frozen=True)
class CopySet:
    """Queries, references and the truth between them.

    Attributes:
        kind: Which data set it is.
        queries: Query id -> file.
        references: Reference id -> file.
        truth: True segments; of DISC21, pairs with empty segments.
        labels: One for each true segment of the attack benchmark, else empty.
        pairs: The pairs that count, where the set lists them; None for all.
    """

    kind: Kind
    queries: dict[str, Path]
    references: dict[str, Path]
    truth: tuple[CopySegment, ...]
    labels: tuple[Label, ...] = ()
    pairs: frozenset[tuple[str, str]] | None = None

    @property
    def is_pictures(self) -> bool:
        """Whether queries are still pictures."""
        return self.kind == "disc21"


def read_copy_set(folder: Path) -> CopySet:
    """Read a data set, whichever it is.

    Raises:
        NotFoundError: The folder does not exist, or films or pictures are missing from it.
        InvalidInputError: It is none of the known sets, or its truth cannot be read.
    """
    if not folder.is_dir():
        raise NotFoundError(f"got {folder}, which is not a folder; give the folder of a data set")
    labels = sorted(folder.rglob("label_file_uuid*.json"))
    if labels:
        return _read_vcsl(folder, labels)
    tables = sorted(
        path
        for pattern in ("*ground*truth*.csv", "*groundtruth*.csv")
        for path in folder.rglob(pattern)
    )
    with_segments = [path for path in tables if set(SEGMENT_COLUMNS) <= set(_header(path))]
    if with_segments:
        return _read_vsc(folder, with_segments[0])
    if tables:
        return _read_disc(folder, tables[0])
    raise InvalidInputError(
        f"{folder} is no data set that is known: expected a *ground_truth*.csv (VSC2022, DISC21, "
        "attacks) or label_file_uuid*.json (VCSL)"
    )


def told(
    files: dict[str, Path],
    stage: str,
    progress: ProgressCallback | None,
    should_stop: Callable[[], bool] | None,
) -> Iterator[tuple[str, Path]]:
    """Go through files, telling how far it is and stopping when asked to."""
    started = time.monotonic()
    for number, (name, path) in enumerate(sorted(files.items())):
        if should_stop is not None and should_stop():
            raise OperationCancelled(f"stopped after {number} of {len(files)} files")
        if progress is not None:
            elapsed = time.monotonic() - started
            left = elapsed / number * (len(files) - number) if number else None
            progress(Progress(stage, name, number, len(files), "files", elapsed, eta_seconds=left))
        yield name, path


# --- VSC2022 and attacks


def _read_vsc(folder: Path, table: Path) -> CopySet:
    rows = list(_rows(table))
    home = table.parent
    queries = _videos(_sub_folder(folder, home, _QUERY_FOLDERS), FILMS)
    references = _videos(_sub_folder(folder, home, _REF_FOLDERS), FILMS)
    truth = tuple(_segment(row, table) for row in rows)
    _check_all_there(truth, queries, references)
    is_ours = (home / "manifest.json").is_file() and bool(rows) and "family" in rows[0]
    return CopySet(
        kind="attacks" if is_ours else "vsc2022",
        queries=queries,
        references=references,
        truth=truth,
        labels=tuple(map(_label, rows)) if is_ours else (),
    )


def _segment(row: dict[str, str], table: Path) -> CopySegment:
    try:
        times = [float(row[name]) for name in SEGMENT_COLUMNS[2:]]
        return CopySegment(row["query_id"], row["ref_id"], *times)
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"{table.name} has a row that is no segment: {row}") from exc


def _label(row: dict[str, str]) -> Label:
    return Label(
        family=row["family"],
        edits=row["edits"],
        strength=int(row["strength"]),
        speed=float(row["speed"]),
        is_reversed=row["is_reversed"] == "1",
        modalities=row["modalities"],
    )


# --- VCSL


def _read_vcsl(folder: Path, labels: list[Path]) -> CopySet:
    """All label files together; a `pair_file_*.csv` restricts the pairs."""
    boxes: dict[str, Any] = {}
    for path in labels:
        boxes.update(_json(path))
    videos = _videos(folder, FILMS)
    pairs = _pair_file(folder) or frozenset(_split_pair(key) for key in boxes)
    truth = []
    for key, rows in boxes.items():
        query, ref = _split_pair(key)
        if (query, ref) in pairs and query in videos and ref in videos:
            truth += [_vcsl_segment(query, ref, row, key) for row in rows]
    present = frozenset(pair for pair in pairs if pair[0] in videos and pair[1] in videos)
    if not present:
        raise NotFoundError(
            f"{folder} holds the labels of VCSL but none of its videos; put them there as "
            "UUID.mp4 (frames alone are not read)"
        )
    return CopySet(
        kind="vcsl",
        queries={query: videos[query] for query, _ in present},
        references={ref: videos[ref] for _, ref in present},
        truth=tuple(truth),
        pairs=present,
    )


def _split_pair(key: str) -> tuple[str, str]:
    query, _, ref = key.partition("-")
    return query, ref


def _vcsl_segment(query: str, ref: str, row: Any, key: str) -> CopySegment:
    try:
        query_start, ref_start, query_end, ref_end = map(float, row)
        return CopySegment(query, ref, query_start, query_end, ref_start, ref_end)
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"the labels of {key} have {row}, expected four times") from exc


def _pair_file(folder: Path) -> frozenset[tuple[str, str]] | None:
    """`pair_file_test.csv` where it is there, else any; None without one."""
    files = sorted(
        folder.rglob("pair_file_*.csv"), key=lambda path: ("test" not in path.name, path)
    )
    if not files:
        return None
    return frozenset((row["query_id"], row["reference_id"]) for row in _rows(files[0]))


# --- DISC21


def _read_disc(folder: Path, table: Path) -> CopySet:
    """A row without a reference is a query without any copy; a header may be missing."""
    queries = _videos(_sub_folder(folder, table.parent, _QUERY_FOLDERS), _STILLS)
    references = _videos(_sub_folder(folder, table.parent, _REF_FOLDERS), _STILLS)
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) >= 2 and row[0] != "query_id"]
    truth = tuple(CopySegment(row[0], row[1], 0, 0, 0, 0) for row in rows if row[1])
    _check_all_there(truth, queries, references)
    return CopySet(kind="disc21", queries=queries, references=references, truth=truth)


# --- files


def _sub_folder(root: Path, home: Path, names: tuple[str, ...]) -> Path:
    """The folder of this name nearest to the ground truth, in any case of letters."""
    for base in (home, root):
        found = [path for path in sorted(base.rglob("*")) if path.is_dir()]
        for path in sorted(found, key=lambda path: len(path.parts)):
            if path.name.lower() in names:
                return path
    raise NotFoundError(f"{root} has a ground truth but no folder {' or '.join(names)}")


def _videos(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    found = {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in suffixes}
    if not found:
        raise NotFoundError(f"{folder} holds no files to compare ({', '.join(sorted(suffixes))})")
    return found


def _check_all_there(
    truth: Iterable[CopySegment], queries: dict[str, Path], references: dict[str, Path]
) -> None:
    missing = sorted(
        {item.query_id for item in truth if item.query_id not in queries}
        | {item.ref_id for item in truth if item.ref_id not in references}
    )
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise NotFoundError(
            f"the ground truth names {len(missing)} files that are not there: {shown}; "
            "complete the download or take the rows out"
        )


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}") from exc


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(value, dict):
        raise InvalidInputError(f"{path.name} is no table of pairs")
    return value
