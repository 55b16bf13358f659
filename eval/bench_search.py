"""Times text search in a large library against encoding the text and asking FAISS.

The library is made: clustered unit vectors stand for the shots of films that do not exist, stored
through the catalog as ingest stores them. The floor is what no search can do without: one text
through the encoder plus one query to the same kind of FAISS index, filled with the same vectors
and called directly. Every query is a new text, so that no cache can answer it.
"""

import base64
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path

import numpy as np

from eval.queries import query_texts
from eval.table import Cell, Column, Table, machine
from index import create_index
from retrieval.catalog import Catalog, VideoRecord
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError
from retrieval.types import EncoderId, FloatArray, Scene, Segment, Shot, Video

__all__ = ["SHOTS_PER_VIDEO", "fill_library", "run"]

Serve = Callable[[Engine], AbstractContextManager[Callable[[str], object]]]
"""Serves an engine over HTTP while entered; gives a function that searches for a text there."""

COLUMNS = (
    Column("what", "What"),
    Column("median_ms", "Median ms", ".2f"),
    Column("p95_ms", "95 % ms", ".2f"),
    Column("floor_ratio", "× floor", ".2f"),
)
SHOTS_PER_VIDEO = 1000
K = 10
_SHOT_SECONDS = 5.0
_SHOTS_PER_CLUSTER = 200
_WARM_UP = 5
# A grey JPEG of 1 x 1: thumbnails are not read while searching.
_THUMBNAIL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcp"
    "LDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAA"
    "AAD/2gAIAQEAAD8AVN//2Q=="
)


def run(
    *,
    num_shots: int = 100_000,
    runs: int = 50,
    encoder: str = "builtin",
    index: str = "faiss",
    serve: Serve | None = None,
) -> Table:
    """Measure text search.

    Args:
        num_shots: size of the made library, a multiple of 1,000.
        runs: queries a row, each with another text; figures are medians.
        encoder: name of the encoder.
        index: index backend of the engine.
        serve: see `Serve`; None leaves the HTTP row out.

    Raises:
        InvalidInputError: a number is out of range.
    """
    if runs < 1 or num_shots < SHOTS_PER_VIDEO or num_shots % SHOTS_PER_VIDEO:
        raise InvalidInputError(
            f"got {runs = } and {num_shots = }, expected runs >= 1 and whole thousands of shots"
        )
    with tempfile.TemporaryDirectory(prefix="sceneprint-bench-") as name:
        library = Path(name)
        with Engine(library, encoder=encoder, index=index, create=True) as engine:
            vectors = fill_library(engine.catalog, engine.encoder.id, num_shots=num_shots)
            engine.warm_up()
            return _measure(engine, vectors, runs=runs, serve=serve)


def fill_library(catalog: Catalog, encoder: EncoderId, *, num_shots: int) -> FloatArray:
    """Store made videos of 1,000 shots each and return their shots' vectors (num_shots, D)."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(1, num_shots // _SHOTS_PER_CLUSTER), encoder.dim))
    parts = []
    for number in range(num_shots // SHOTS_PER_VIDEO):
        own = centres[rng.integers(len(centres), size=SHOTS_PER_VIDEO)]
        rows = own + 0.7 * rng.normal(size=own.shape)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        stored = np.asarray(unit, dtype=np.float32)
        catalog.add_video(_record(number, stored, encoder))
        parts.append(stored)
    return np.concatenate(parts)


def _record(number: int, vectors: FloatArray, encoder: EncoderId) -> VideoRecord:
    video_id = f"v{number:024x}"
    bounds = [Segment(i * _SHOT_SECONDS, (i + 1) * _SHOT_SECONDS) for i in range(len(vectors))]
    video = Video(
        video_id=video_id,
        path=Path("/made") / f"film-{number:05d}.mp4",
        size_bytes=1,
        modified_ns=number,
        duration_seconds=bounds[-1].end_seconds,
        container="mp4",
        width=1920,
        height=1080,
        frame_rate=Fraction(24),
        video_codec="h264",
    )
    shots = [
        Shot(0, video_id, i, part, i * 120, (i + 1) * 120, part.start_seconds + 1, i // 10)
        for i, part in enumerate(bounds)
    ]
    scenes = [
        Scene(
            video_id,
            i,
            Segment(bounds[10 * i].start_seconds, bounds[10 * i + 9].end_seconds),
            10 * i,
            10 * i + 9,
        )
        for i in range(len(shots) // 10)
    ]
    thumbnails = [_THUMBNAIL] * len(shots)
    return VideoRecord(video, shots, scenes, (), thumbnails, shot_vectors=vectors, encoder=encoder)


def _measure(engine: Engine, vectors: FloatArray, *, runs: int, serve: Serve | None) -> Table:
    ids = np.arange(len(vectors), dtype=np.int64)
    bare, exact = create_index("faiss", engine.encoder.dim), create_index("exact", vectors.shape[1])
    bare.add(ids, vectors)
    exact.add(ids, vectors)
    texts = query_texts("en")
    next_embedding = _spread(vectors)

    with nullcontext() if serve is None else serve(engine) as search_over_http:
        works: dict[str, Callable[[], object]] = {
            "encode one text": lambda: engine.encoder.encode_texts([next(texts)]),
            "FAISS, one query": lambda: bare.search(next_embedding(), K),
            "Engine.search": lambda: engine.search(text=next(texts), k=K),
        }
        if search_over_http is not None:
            works["POST /v1/search"] = lambda: search_over_http(next(texts))
        times = _timed_in_turn(works, runs)
    brute = _timed_in_turn({"all": lambda: exact.search(next_embedding(), K)}, runs)["all"]
    encode, faiss = times.pop("encode one text"), times.pop("FAISS, one query")
    floor = statistics.median(encode) + statistics.median(faiss)
    rows = [
        _row("encode one text", encode, floor),
        _row("FAISS, one query", faiss, floor),
        ("floor: the two together", floor, None, 1.0),
        _row("numpy, all vectors, one query", brute, floor),
        *(_row(what, taken, floor) for what, taken in times.items()),
    ]
    notes = (
        f"{len(vectors):,} made shots in {len(vectors) // SHOTS_PER_VIDEO} films, k = {K}; "
        f"{engine.encoder.name}; {machine()}.",
        f"Medians of {runs} different texts, measured in turn; HTTP on the loopback of the same "
        "process.",
    )
    return Table("Text search", COLUMNS, tuple(rows), notes)


def _timed_in_turn(works: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Milliseconds of each work, one of each in turn: another program's load meets all alike."""
    rounds = [
        {what: _milliseconds(work) for what, work in works.items()} for _ in range(_WARM_UP + runs)
    ]
    return {what: [one[what] for one in rounds[_WARM_UP:]] for what in works}


def _spread(vectors: FloatArray) -> Callable[[], FloatArray]:
    """Give another stored vector, a little moved, as the next query: (1, D)."""
    rng = np.random.default_rng(1)

    def query() -> FloatArray:
        row = vectors[rng.integers(len(vectors))]
        moved = row + 0.5 / np.sqrt(len(row)) * rng.normal(size=row.shape)
        return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)[None]

    return query


def _row(what: str, times: list[float], floor: float) -> tuple[Cell, ...]:
    middle = statistics.median(times)
    return what, middle, float(np.percentile(times, 95)), middle / floor


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)
