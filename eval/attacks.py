"""Makes the attack benchmark: references, distractors, queries with edits, and the ground truth.

The folder has the layout of VSC2022 (`query/`, `reference/`, a ground-truth CSV with the same
columns first), so that any tool that reads one reads the other; more columns tell which edit was
done at which strength, and `manifest.json` tells how it was all made. The same arguments and
material make the same benchmark; films that exist already are kept.
"""

import csv
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eval.attacks_edits import EDITS
from eval.attacks_films import write_query, write_reference
from eval.attacks_material import Material, Split, collect_material
from eval.attacks_plan import BenchSize, CopyPlan, FilmPlan, Plan, QueryPlan, make_plan
from eval.attacks_sound import SOUND_EDITS
from eval.attacks_time import TIME_EDITS
from retrieval.errors import InvalidInputError, OperationCancelled
from retrieval.types import Progress, ProgressCallback

__all__ = ["GROUND_TRUTH", "MANIFEST", "VERSION", "MadeAttacks", "make_attacks"]

VERSION = 2
"""Of the recipe: figures of two versions must not be compared."""
NUM_WORKERS = 2
GROUND_TRUTH, MANIFEST, QUERIES, REFERENCES = (
    "ground_truth.csv",
    "manifest.json",
    "queries.csv",
    "references.csv",
)
TRUTH_COLUMNS = (
    *("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end"),
    *("family", "edits", "strength", "speed", "is_reversed", "modalities"),
)
_FAMILIES = {edit.name: edit.family for edits in (EDITS, TIME_EDITS, SOUND_EDITS) for edit in edits}
Row = dict[str, str | float | int]


@dataclass(frozen=True)
class MadeAttacks:
    """What was made."""

    folder: Path
    num_references: int
    num_queries: int
    num_segments: int
    query_seconds: float
    num_kept: int
    """Films that were there already."""


def make_attacks(
    folder: Path,
    *,
    split: Split = "dev",
    size: BenchSize = "small",
    footage: Sequence[Path] = (),
    pictures: Path | None = None,
    sounds: Path | None = None,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MadeAttacks:
    """Make a benchmark in a folder, or finish one.

    Args:
        folder: Where to; made if it does not exist.
        split: `dev` to tune on, `test` to report.
        size: `small` takes minutes, `full` about three times as long.
        footage: Folders of films to make references of, beside the footage in wheels.
        pictures: A folder or tar archive of pictures.
        sounds: A folder of sounds.
        progress: Told in films.
        should_stop: Asked between films; what is written stays.

    Raises:
        NotFoundError: A folder of material does not exist.
        InvalidInputError: The folder holds another benchmark, or material is unusable.
    """
    material = collect_material(split, footage=footage, pictures=pictures, sounds=sounds)
    plan = make_plan(material, split=split, size=size)
    head = _head(plan, [path.name for path in material.footage], len(material.stills))
    _claim(folder, head)
    films = [*plan.references, *plan.distractors]
    teller = _Teller(len(films) + len(plan.queries), progress, should_stop)
    sources = folder / "reference"
    teller.run([(sources / f"{f.name}.mp4", partial(_reference, f, material)) for f in films])
    teller.run(
        [
            (
                folder / "query" / f"{query.name}{'.m4a' if query.is_sound_file else '.mp4'}",
                partial(_query, query, sources, material),
            )
            for query in plan.queries
        ]
    )
    rows = [row for query in plan.queries for row in _truth(query)]
    _write_lists(folder, plan, rows)
    return MadeAttacks(
        folder=folder,
        num_references=len(films),
        num_queries=len(plan.queries),
        num_segments=len(rows),
        query_seconds=sum(query.seconds for query in plan.queries),
        num_kept=teller.num_kept,
    )


def _head(plan: Plan, footage: list[str], num_stills: int) -> dict[str, object]:
    return {
        "format": "sceneprint attacks",
        "version": VERSION,
        "split": plan.split,
        "size": plan.size,
        "footage": footage,
        "num_stills": num_stills,
    }


def _claim(folder: Path, head: dict[str, object]) -> None:
    """Write the manifest; a folder with another one is left alone."""
    for name in ("query", "reference"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != head:
        raise InvalidInputError(
            f"{folder} holds a benchmark that was made from other material or arguments; "
            "give another folder"
        )
    path.write_text(json.dumps(head, indent=1), encoding="utf-8")


def _reference(film: FilmPlan, material: Material, path: Path) -> None:
    write_reference(path, film, material)


def _query(query: QueryPlan, references: Path, material: Material, path: Path) -> None:
    write_query(path, query, references, material)


class _Teller:
    """Makes the films that are missing, two at a time, and tells how far it is."""

    def __init__(
        self,
        total: int,
        progress: ProgressCallback | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._total, self._progress, self._should_stop = total, progress, should_stop
        self._started, self._done, self.num_kept = time.monotonic(), 0, 0

    def run(self, works: Sequence[tuple[Path, Callable[[Path], None]]]) -> None:
        """Make each film that is not there."""
        missing = [work for work in works if not work[0].is_file()]
        self._done += len(works) - len(missing)
        self.num_kept += len(works) - len(missing)
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            futures = {pool.submit(make, path): path for path, make in missing}
            try:
                for future in as_completed(futures):
                    future.result()
                    self._done += 1
                    self._tell(futures[future].name)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _tell(self, item: str) -> None:
        if self._should_stop is not None and self._should_stop():
            raise OperationCancelled(f"stopped after {self._done} of {self._total} films")
        if self._progress is not None:
            elapsed = time.monotonic() - self._started
            left = elapsed / (self._done - self.num_kept) * (self._total - self._done)
            self._progress(
                Progress("make", item, self._done, self._total, "films", elapsed, eta_seconds=left)
            )


def _truth(query: QueryPlan) -> list[Row]:
    rows: list[Row] = []
    start = 0.0
    for part in query.parts:
        if not isinstance(part, CopyPlan):
            start += part
            continue
        for begin, end, piece in part.timeline.rows(start):
            rows.append(
                {
                    "query_id": query.name,
                    "ref_id": part.ref,
                    "query_start": round(begin, 3),
                    "query_end": round(end, 3),
                    "ref_start": round(piece.ref_start, 3),
                    "ref_end": round(piece.ref_end, 3),
                    "family": _family(query, part),
                    "edits": "+".join(f"{use.name}{use.strength}" for use in part.edits),
                    "strength": max(use.strength for use in part.edits),
                    "speed": round(piece.speed, 4),
                    "is_reversed": int(piece.is_reversed),
                    "modalities": part.modalities,
                }
            )
        start += part.timeline.seconds
    return rows


def _family(query: QueryPlan, copy: CopyPlan) -> str:
    if len(query.copies) > 1:
        return "several films"
    return "chain" if len(copy.edits) > 1 else _FAMILIES[copy.edits[0].name]


def _write_lists(folder: Path, plan: Plan, rows: list[Row]) -> None:
    with (folder / GROUND_TRUTH).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, TRUTH_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    lines = ["video_id,seconds,kind"]
    lines += [f"{film.name},{film.seconds:.3f},copied" for film in plan.references]
    lines += [f"{film.name},{film.seconds:.3f},distractor" for film in plan.distractors]
    (folder / REFERENCES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["video_id,seconds,kind"]
    for query in plan.queries:
        kind = "copies" if query.copies else "distractor"
        lines.append(f"{query.name},{query.seconds:.3f},{kind}")
    (folder / QUERIES).write_text("\n".join(lines) + "\n", encoding="utf-8")
