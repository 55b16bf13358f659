"""Times an encoder on each runtime and precision against torch eager in float32, in one run.

Each row is measured in a process of its own, so that memory and start time are its own too. Where
the machine is shared, `rounds` measures all rows several times, in turn, and takes medians.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.encode_child import Measured, Task, read_measured, write_task
from eval.encode_folders import Folders, material_of, random_checkpoint
from eval.encode_rows import REFERENCE, Row, chosen_runtimes, plan
from eval.table import Cell, Column, Table, machine
from retrieval.encoders.engine_key import first_gpu
from retrieval.encoders.registry import load_encoder
from retrieval.errors import InvalidInputError, MissingDependencyError, SceneprintError

__all__ = ["BenchConfig", "Report", "run"]

COLUMNS = (
    Column("what", "What"),
    Column("image_ms", "1 image ms", ".1f"),
    Column("images_per_second", "Images/s", ".1f"),
    Column("images_ratio", "x torch", ".2f"),
    Column("text_ms", "1 text ms", ".1f"),
    Column("texts_per_second", "Texts/s", ".1f"),
    Column("texts_ratio", "x torch", ".2f"),
    Column("image_cosine", "Cos image", ".4f"),
    Column("text_cosine", "Cos text", ".4f"),
    Column("peak_megabytes", "MB", ".0f"),
    Column("start_seconds", "Start s", ".1f"),
    Column("note", "Note"),
)
NO_GPU = "no GPU"
NOTE_LENGTH = 60
SECONDS_A_ROW = 1800

Report = Callable[[str], None]
Vectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class _Result:
    """One row: what was measured, or why nothing was."""

    measured: Measured
    vectors: Vectors = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What is measured, and how often.

    Attributes:
        encoder: name of the encoder.
        runtimes: names by commas, or `all`; torch eager in float32 is always measured.
        runs: calls of which each figure is the median.
        rounds: how often all rows are measured, in turn.
        batch: most items at once; the best of 1, 4 and so many is shown.
        pictures: a folder to calibrate 8 bits on and compare with; None for made pictures.
        random: whether `open_clip:ARCHITECTURE` gets random weights.
        compiles: whether torch.compile is measured too.

    Raises:
        InvalidInputError: a number out of range.
    """

    encoder: str = "builtin"
    runtimes: str = "all"
    runs: int = 5
    rounds: int = 1
    batch: int = 16
    pictures: Path | None = None
    random: bool = False
    compiles: bool = False

    def __post_init__(self) -> None:
        if min(self.runs, self.rounds) < 1 or not 1 <= self.batch <= 256:
            raise InvalidInputError(
                f"got {self.runs = }, {self.rounds = } and {self.batch = }, expected at least 1, "
                "batch to 256"
            )

    @property
    def batches(self) -> tuple[int, ...]:
        """Items at once, 1 first."""
        return tuple(sorted({1, min(4, self.batch), self.batch}))


def run(config: BenchConfig, report: Report = lambda text: None) -> Table:
    """Measure an encoder on every runtime and precision it can use.

    Args:
        config: what and how often.
        report: told which row is measured.

    Raises:
        InvalidInputError: an unknown runtime or encoder.
        NotFoundError: the encoder's weights are not there.
        MissingDependencyError: the encoder needs a package that is not installed.
    """
    rows = plan(chosen_runtimes(config.runtimes), compiles=config.compiles)
    with tempfile.TemporaryDirectory(prefix="sceneprint-bench-") as name:
        work = Path(name)
        encoder = random_checkpoint(config.encoder, work) if config.random else config.encoder
        folders = Folders(
            encoder=load_encoder(encoder),
            name=encoder,
            work=work,
            material=material_of(config.pictures),
        )
        found: dict[Row, list[_Result]] = {row: [] for row in rows}
        for number in range(config.rounds):
            for row in rows:
                report(f"round {number + 1}/{config.rounds}: {row.name}")
                found[row].append(_measure(row, folders, config))
    results = {row: _median(several) for row, several in found.items()}
    return _table(config, results)


def _measure(row: Row, folders: Folders, config: BenchConfig) -> _Result:
    """One row in a process of its own; what it lacks is its result."""
    try:
        if row.needs_gpu and _gpu() is None:
            raise MissingDependencyError(NO_GPU)
        encoder, runtime = folders.source(row)
    except SceneprintError as exc:
        return _Result(measured=Measured(error=str(exc)))
    with tempfile.TemporaryDirectory(dir=folders.work, prefix="row-") as name:
        task = Task(
            encoder=encoder,
            runtime=runtime,
            row=row,
            batches=config.batches,
            runs=config.runs,
            started=time.time(),
        )
        path = write_task(Path(name), task, folders.material.pictures)
        return _in_process(path)


def _in_process(task: Path) -> _Result:
    command = [sys.executable, "-m", "eval.encode_child", str(task)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_ROW)
        measured, vectors = read_measured(task.parent)
    except subprocess.TimeoutExpired:
        return _Result(measured=Measured(error=f"took longer than {SECONDS_A_ROW} s"))
    except OSError:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _Result(measured=Measured(error=f"ended with {done.returncode}: {last}"))
    return _Result(measured=measured, vectors=vectors)


def _gpu() -> str | None:
    try:
        return first_gpu().gpu
    except MissingDependencyError:
        return None


def _median(several: Sequence[_Result]) -> _Result:
    """Medians over the rounds; a round that failed is left out where another did not."""
    good = [one for one in several if one.measured.error is None]
    if not good:
        return several[-1]
    all_measured = [one.measured for one in good]
    peaks = [one.peak_bytes for one in all_measured if one.peak_bytes is not None]
    measured = Measured(
        image_seconds=_medians([one.image_seconds for one in all_measured]),
        text_seconds=_medians([one.text_seconds for one in all_measured]),
        start_seconds=statistics.median(one.start_seconds or 0.0 for one in all_measured),
        peak_bytes=int(statistics.median(peaks)) if peaks else None,
    )
    return _Result(measured=measured, vectors=good[-1].vectors)


def _medians(rounds: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(statistics.median(values) for values in zip(*rounds, strict=True))


def _table(config: BenchConfig, results: Mapping[Row, _Result]) -> Table:
    first = results[REFERENCE]
    original = next((one.vectors for one in results.values() if one.vectors), {})
    rows = tuple(_cells(row, one, first, original) for row, one in results.items())
    return Table(f"Encoding with {config.encoder}", COLUMNS, rows, _notes(config, first))


def _notes(config: BenchConfig, first: _Result) -> tuple[str, ...]:
    shown = "made pictures" if config.pictures is None else f"pictures of {config.pictures}"
    against = "torch eager in float32" if first.vectors else "the first row that has vectors"
    return (
        f"Best of batches {', '.join(map(str, config.batches))}; medians of {config.runs} runs in "
        f"{config.rounds} rounds, each row in a process of its own; preprocessing included; "
        f"{machine()}.",
        f"Cosines: mean over {shown} and made texts, to {against}. Start: to the first picture and "
        "text.",
        *(["Random weights: as fast as trained ones; their cosines say less."] * config.random),
    )


def _cells(row: Row, result: _Result, first: _Result, original: Vectors) -> tuple[Cell, ...]:
    measured = result.measured
    if measured.error is not None:
        return (row.name, *[None] * (len(COLUMNS) - 2), _short(measured.error))
    image, text = min(measured.image_seconds), min(measured.text_seconds)
    return (
        row.name,
        1e3 * measured.image_seconds[0],
        1 / image,
        _ratio(first.measured.image_seconds, image),
        1e3 * measured.text_seconds[0],
        1 / text,
        _ratio(first.measured.text_seconds, text),
        _cosine(result.vectors, original, "images"),
        _cosine(result.vectors, original, "texts"),
        None if measured.peak_bytes is None else measured.peak_bytes / 1e6,
        measured.start_seconds,
        "",
    )


def _ratio(first: tuple[float, ...], seconds: float) -> float | None:
    """How many times as many as torch eager in float32, each at its best batch."""
    return min(first) / seconds if first else None


def _cosine(vectors: Vectors, original: Vectors, key: str) -> float | None:
    if key not in vectors or key not in original:
        return None
    return float((vectors[key] * original[key]).sum(axis=1).mean())


def _short(text: str) -> str:
    return text if len(text) <= NOTE_LENGTH else f"{text[: NOTE_LENGTH - 1]}…"
