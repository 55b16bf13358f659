"""Times a match of one hour against more and more hours of references, with the memory it takes.

The films are random walks (`eval.walks`) that go into a library as ingest stores them; the query
is one of them with copies planted in it, so that what is found can be counted. Decoding and
encoding are no part of it: time starts where the query's descriptors are there. Building the index
and matching each run in a process of their own, which is what peak memory is of.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.table import Cell, Column, Table, machine
from eval.walks import COPY_SECONDS, Planted, make_query, walk
from retrieval.catalog import Catalog, VideoRecord
from retrieval.errors import InvalidInputError
from retrieval.match_aligners import AlignedRun, Aligner, EvidenceMatrix, create_aligner
from retrieval.match_calibration import load_calibration
from retrieval.match_evidence import EvidenceScale
from retrieval.match_finder import Finder
from retrieval.match_finds import Find, without_repeats
from retrieval.media.limits import MediaLimits
from retrieval.types import EncoderId, FloatArray, Video
from retrieval.vectors import FrameHits, FrameVectors

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parse_hours", "run"]

COLUMNS = (
    Column("hours", "Hours", ",d"),
    Column("search_seconds", "Search s", ".2f"),
    Column("read_seconds", "Read s", ".2f"),
    Column("align_seconds", "Align s", ".2f"),
    Column("other_seconds", "Other s", ".2f"),
    Column("total_seconds", "Total s", ".2f"),
    Column("peak_mb", "Peak MB", ",.0f"),
    Column("found", "Found"),
    Column("false_finds", "False", "d"),
    Column("build_seconds", "Build s", ".1f"),
    Column("build_peak_mb", "Build MB", ",.0f"),
    Column("index_mb", "Index MB", ",.0f"),
    Column("catalog_mb", "Catalog MB", ",.0f"),
)
FILM_FRAMES = 3600
NUM_COPIES = 24
NUM_BACKGROUND = 2048
MAX_OFF_SECONDS = 2.0
"""Between where a find and a planted copy are in the reference."""


def run(
    *,
    hours: Sequence[int] = (10, 100),
    dim: int = 256,
    query_seconds: int = 3600,
    library: Path | None = None,
    index: str = "faiss",
) -> Table:
    """Measure matching at several sizes of the library, smallest first.

    Args:
        hours: Of references, each film one hour long with a frame a second.
        dim: Width of the copy descriptors.
        query_seconds: Length of the query, with two frames a second.
        library: Where the films go; None for a directory that is removed afterwards. One that
            holds films of an earlier run is gone on with.
        index: Index backend.

    Raises:
        InvalidInputError: A number is out of range.
    """
    if not hours or min(hours) < 1 or dim < 8 or query_seconds < NUM_COPIES * COPY_SECONDS:
        raise InvalidInputError(
            f"got {hours = }, {dim = } and {query_seconds = }, expected whole hours from 1, dim "
            f"from 8 and at least {NUM_COPIES * COPY_SECONDS:.0f} seconds"
        )
    with tempfile.TemporaryDirectory(prefix="sceneprint-bench-") as name:
        plan = _Plan(library or Path(name), dim, query_seconds, index)
        rows = [_measured(plan, wanted) for wanted in sorted(set(hours))]
    notes = (
        f"Query: {query_seconds} s at 2 frames a second, {dim}-d, with {NUM_COPIES} planted copies "
        f"of {COPY_SECONDS:.0f} s; references: made films of one hour at a frame a second.",
        f"Aligner {create_aligner().name}, references by their stored frames; one run; "
        f"{machine()}.",
        "Peak memory is of the process that matches, and of the one that builds the index from "
        "the catalog; mapped pages of the index file count.",
    )
    return Table("Match against many hours", COLUMNS, tuple(rows), notes)


def parse_hours(text: str) -> list[int]:
    """Read whole numbers between commas.

    Raises:
        InvalidInputError: It is something else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as exc:
        raise InvalidInputError(f"got hours {text!r}, expected numbers like 10,100") from exc


@dataclass(frozen=True)
class _Plan:
    library: Path
    dim: int
    query_seconds: int
    index: str

    @property
    def encoder(self) -> EncoderId:
        return EncoderId("made:walks/v1", f"{self.dim:016x}", self.dim)


@dataclass
class _Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> "Iterator[None]":
        """Add the time of a block."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def _measured(plan: _Plan, hours: int) -> tuple[Cell, ...]:
    _fill(plan, hours)
    for path in (plan.library / "index").glob("*"):
        path.unlink()
    built = _in_own_process(_build, plan)
    found = _in_own_process(_match, plan, hours)
    total = found["total"]
    stages = [found[name] for name in ("search", "read", "align")]
    return (
        hours,
        *stages,
        total - sum(stages),
        total,
        found["peak_mb"],
        f"{found['num_found']:.0f}/{NUM_COPIES}",
        int(found["num_false"]),
        built["seconds"],
        built["peak_mb"],
        _megabytes(plan.library / "index"),
        _megabytes(plan.library) - _megabytes(plan.library / "index"),
    )


def _fill(plan: _Plan, hours: int) -> None:
    """Bring the library to so many films."""
    with Catalog.open(plan.library, create=True) as catalog:
        for number in range(catalog.totals().num_videos, hours):
            times, vectors = walk(number, num_frames=FILM_FRAMES, dim=plan.dim)
            video = Video(
                video_id=_video_id(number),
                path=Path("/made") / f"film-{number:05d}.mp4",
                size_bytes=1,
                modified_ns=number,
                duration_seconds=float(FILM_FRAMES),
                container="mp4",
                video_codec="h264",
            )
            catalog.add_video(
                VideoRecord(
                    video=video,
                    frame_times=times,
                    frame_vectors=vectors,
                    copy_encoder=plan.encoder,
                )
            )


def _video_id(number: int) -> str:
    return f"v{number:024x}"


def _in_own_process(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        return executor.submit(work, *arguments).result()


def _build(plan: _Plan) -> dict[str, float]:
    with Catalog.open(plan.library) as catalog:
        start = time.perf_counter()
        FrameVectors(catalog, plan.encoder, backend=plan.index).refresh()
        return {"seconds": time.perf_counter() - start, "peak_mb": _peak_megabytes()}


def _match(plan: _Plan, hours: int) -> dict[str, float]:
    """Match in a process that has loaded the index; loading is not timed, as in a server."""
    view, planted = make_query(
        num_films=hours,
        film_frames=FILM_FRAMES,
        num_frames=2 * plan.query_seconds,
        num_copies=NUM_COPIES,
        dim=plan.dim,
        seed=1,
    )
    background = np.random.default_rng(5).standard_normal((NUM_BACKGROUND, plan.dim))
    background /= np.linalg.norm(background, axis=1, keepdims=True)
    clock = _Clock()
    with _TimedCatalog.of(plan.library, clock) as catalog:
        vectors = _TimedVectors(catalog, plan.encoder, backend=plan.index)
        vectors.clock = clock
        vectors.search(view.vectors[:1], 1)
        clock.seconds.clear()
        finder = Finder(
            catalog=catalog,
            vectors=vectors,
            encoder_id=plan.encoder,
            run=lambda images: np.empty((len(images), plan.dim), dtype=np.float32),
            scale=EvidenceScale(background.astype(np.float32)),
            calibration=load_calibration(),
            aligner=_TimedAligner(clock),
            limits=MediaLimits(),
        )
        start = time.perf_counter()
        finder.look([view], lambda done, total: None)
        finds = without_repeats(finder.finds)
        total = time.perf_counter() - start
    least = load_calibration().default_score
    shown = [find for find in finds if find.score >= least]
    return {
        **{name: clock.seconds.get(name, 0.0) for name in ("search", "read", "align")},
        "total": total,
        "peak_mb": _peak_megabytes(),
        "num_found": sum(any(_is_of(find, copy) for find in shown) for copy in planted),
        "num_false": sum(not any(_is_of(find, copy) for copy in planted) for find in shown),
    }


def _is_of(find: Find, copy: Planted) -> bool:
    """Whether a find shows a planted copy, in the right place."""
    middle = copy.query_seconds + COPY_SECONDS / 2
    segment = find.segment
    if find.video.video_id != _video_id(copy.film):
        return False
    if not segment.start_seconds <= middle <= segment.end_seconds:
        return False
    truth = copy.ref_seconds + copy.speed * COPY_SECONDS / 2
    return abs(find.ref_at(middle) - truth) <= MAX_OFF_SECONDS


class _TimedCatalog(Catalog):
    """Counts the time of reading stored frames."""

    clock: _Clock

    @classmethod
    def of(cls, library: Path, clock: _Clock) -> "_TimedCatalog":
        opened = cls.open(library)
        assert isinstance(opened, cls)
        opened.clock = clock
        return opened

    def __enter__(self) -> "_TimedCatalog":
        return self

    def frame_vectors(
        self, encoder: EncoderId, video_id: str
    ) -> tuple[NDArray[np.float64], FloatArray]:
        with self.clock.stage("read"):
            return super().frame_vectors(encoder, video_id)


class _TimedVectors(FrameVectors):
    """Counts the time of the index."""

    clock: _Clock

    def search(self, queries: FloatArray, k: int, *, video_id: str | None = None) -> FrameHits:
        with self.clock.stage("search"):
            return super().search(queries, k, video_id=video_id)


class _TimedAligner(Aligner):
    """Counts the time of the default aligner."""

    name = "timed"

    def __init__(self, clock: _Clock) -> None:
        self._clock, self._aligner = clock, create_aligner()

    def _align(self, evidence: EvidenceMatrix, min_gain: float) -> list[AlignedRun]:
        with self._clock.stage("align"):
            return self._aligner.align(evidence, min_gain=min_gain)


def _peak_megabytes() -> float:
    """Most memory that this process ever held.

    Linux counts the process that started it in `ru_maxrss`, so its own record is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _megabytes(directory: Path) -> float:
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return sum(sizes) / 1e6
