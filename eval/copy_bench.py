"""`sceneprint eval copy`: ingest the references, match every query, compare with the truth.

The references go into a library as a user would bring them in; each query is one `Engine.match`.
Peers (`copy_peers.py`) run on the same files after it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

import numpy as np

from eval.copy_metrics import CopySegment
from eval.copy_scores import (
    MethodRun,
    Prediction,
    accuracy_table,
    group_tables,
    overall_table,
    write_predictions,
)
from eval.copy_sets import CopySet, told
from eval.table import Table
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, MediaError, OperationCancelled
from retrieval.media.probe import probe
from retrieval.types import FloatArray, Match, ProgressCallback

__all__ = ["CopyBench", "default_threshold", "evaluate_copies", "run_sceneprint"]

LOWEST_SCORE = 0.05
"""The precision-recall curves need what lies below the default threshold as well."""
PICTURES_AT_ONCE = 64
NUM_PICTURE_NEIGHBOURS = 10
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class CopyBench:
    """Results: the runs, and the tables made of them."""

    runs: tuple[MethodRun, ...]
    tables: tuple[Table, ...]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        failures = {run.name: run.failures for run in self.runs if run.failures}
        return {"tables": [table.to_dict() for table in self.tables], "failures": failures}

    def text(self) -> str:
        """For a terminal."""
        return "\n\n".join(table.text() for table in self.tables)


def evaluate_copies(
    data: CopySet,
    engine: Engine,
    *,
    peers: Sequence[str] = (),
    out: Path | None = None,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> CopyBench:
    """Measure Sceneprint, and peers, on a data set.

    Args:
        data: What was read.
        engine: Over a library that is empty or holds these references alone.
        peers: Names of peers to run as well; see `copy_peers.PEERS`.
        out: A folder for the predictions of each method as CSV.
        progress: Told in files.
        should_stop: Asked between files.

    Raises:
        InvalidInputError: The library holds other videos, or a reference cannot be ingested.
        MissingDependencyError: Never; a peer that is not installed has a row that says so.
    """
    if data.is_pictures:
        run = _run_pictures(data, engine, progress=progress, should_stop=should_stop)
        return CopyBench((run,), (overall_table(data, [run], query_seconds=0.0),))
    runs = [run_sceneprint(data, engine, progress=progress, should_stop=should_stop)]
    if peers:
        from eval.copy_peers import run_peers

        runs += run_peers(peers, data, engine, progress=progress, should_stop=should_stop)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for run in runs:
            write_predictions(out / f"{run.name.replace(' ', '_')}.csv", run)
    return CopyBench(tuple(runs), _tables(data, runs))


def _tables(data: CopySet, runs: Sequence[MethodRun]) -> tuple[Table, ...]:
    seconds = sum(_duration(path) for path in data.queries.values())
    tables = [overall_table(data, runs, query_seconds=seconds)]
    tables += group_tables(data, [run for run in runs if run.predictions])
    tables.append(accuracy_table(data, runs))
    return tuple(tables)


def _duration(path: Path) -> float:
    try:
        return probe(path).duration_seconds
    except MediaError:
        return 0.0


# --- Sceneprint


def run_sceneprint(
    data: CopySet,
    engine: Engine,
    *,
    progress: ProgressCallback | None = None,
    should_stop: ShouldStop | None = None,
) -> MethodRun:
    """Ingest the references precisely and match all queries, with the Engine's defaults."""
    threshold = default_threshold()
    started = time.perf_counter()
    ids = _ingest(data, engine, progress, should_stop)
    ingested = time.perf_counter() - started
    predictions: list[Prediction] = []
    failures: dict[str, str] = {}
    seconds = 0.0
    for query_id, path in told(data.queries, "match", progress, should_stop):
        before = time.perf_counter()
        try:
            result = engine.match(path, min_score=LOWEST_SCORE, should_stop=should_stop)
            found = [_prediction(query_id, ids, match) for match in result.matches]
            predictions += [item for item in found if item is not None]
        except MediaError as exc:
            failures[query_id] = str(exc)
        seconds += time.perf_counter() - before
    notes = [f"threshold {threshold:g}; references ingested in {ingested:.0f} s"]
    if failures:
        notes.append(f"{len(failures)} queries gave an error, the first: {min(failures.items())}")
    return MethodRun(
        name="sceneprint",
        predictions=tuple(predictions),
        threshold=threshold,
        seconds=seconds,
        ingest_seconds=ingested,
        notes=tuple(notes),
        failures=failures,
    )


def default_threshold() -> float:
    """The score from which a user sees a match who gives no option."""
    return float(signature(Engine.match).parameters["min_score"].default)


def _ingest(
    data: CopySet,
    engine: Engine,
    progress: ProgressCallback | None,
    should_stop: ShouldStop | None,
) -> dict[str, str]:
    """Bring the references in; video id -> reference id."""
    paths = {path.resolve(): name for name, path in data.references.items()}
    summary = engine.ingest(
        sorted(paths), shots="precise", progress=progress, should_stop=should_stop
    )
    if summary.was_cancelled:
        raise OperationCancelled("stopped while bringing in the references")
    failed = [outcome for outcome in summary.outcomes if outcome.video_id is None]
    if failed:
        raise InvalidInputError(
            f"{len(failed)} references cannot be ingested, the first: {failed[0].path.name}: "
            f"{failed[0].reason}"
        )
    videos = {video.video_id: video.path.resolve() for video in engine.videos()}
    foreign = [path for path in videos.values() if path not in paths]
    if foreign:
        raise InvalidInputError(
            f"the library {engine.library} holds {len(foreign)} other videos ({foreign[0].name} …);"
            " give an empty one"
        )
    return {video_id: paths[path] for video_id, path in videos.items()}


def _prediction(query_id: str, ids: dict[str, str], match: Match) -> Prediction | None:
    ref_id = ids.get(match.ref_video.video_id)
    if ref_id is None:
        return None
    query, ref = match.query_segment, match.ref_segment
    segment = CopySegment(
        query_id,
        ref_id,
        query.start_seconds,
        query.end_seconds,
        ref.start_seconds,
        ref.end_seconds,
        match.score,
    )
    return Prediction(segment, match.speed_ratio, match.edit.is_reversed)


# --- pictures


def _run_pictures(
    data: CopySet,
    engine: Engine,
    *,
    progress: ProgressCallback | None,
    should_stop: ShouldStop | None,
) -> MethodRun:
    """DISC21: nearest references of each query picture by copy descriptor."""
    started = time.perf_counter()
    refs, ref_vectors = _described(data.references, engine, progress, should_stop)
    prepared = time.perf_counter() - started
    queries, query_vectors = _described(data.queries, engine, progress, should_stop)
    predictions = []
    for name, vector in zip(queries, query_vectors, strict=True):
        scores = ref_vectors @ vector
        for place in np.argsort(-scores)[:NUM_PICTURE_NEIGHBOURS].tolist():
            segment = CopySegment(name, refs[place], 0, 0, 0, 0, float(scores[place]))
            predictions.append(Prediction(segment))
    return MethodRun(
        name="sceneprint",
        predictions=tuple(predictions),
        threshold=1.1,
        seconds=time.perf_counter() - started - prepared,
        ingest_seconds=prepared,
        notes=("copy descriptors of whole pictures, inner product, no threshold",),
        has_segments=False,
    )


def _described(
    files: dict[str, Path],
    engine: Engine,
    progress: ProgressCallback | None,
    should_stop: ShouldStop | None,
) -> tuple[list[str], FloatArray]:
    from adapters.training.pairs import open_picture

    names, parts = [], []
    batch: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    for name, path in told(files, "describe", progress, should_stop):
        try:
            batch.append(np.asarray(open_picture(path.read_bytes())))
        except (OSError, ValueError) as exc:
            raise InvalidInputError(f"{path} cannot be read as a picture: {exc}") from exc
        names.append(name)
        if len(batch) == PICTURES_AT_ONCE:
            parts.append(engine.copy_encoder.encode_pictures(batch))
            batch = []
    if batch:
        parts.append(engine.copy_encoder.encode_pictures(batch))
    return names, np.concatenate(parts)
