"""Progress of long work on stderr: a bar on a terminal, one line a file elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.cli.output import clock, note
from retrieval.types import Progress, ProgressCallback

__all__ = ["progress_line", "shown_progress", "speed_text"]


@contextmanager
def shown_progress() -> Iterator[ProgressCallback]:
    """Yield a callback that shows reports; it may be called from any thread."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _lines()


def progress_line(progress: Progress) -> str:
    """One report in words: item, share, speed and what is left."""
    parts = [progress.item or progress.stage]
    if progress.total > 0:
        parts.append(f"{100 * min(1.0, progress.done / progress.total):.0f} %")
    parts.extend(_rates(progress))
    return "  ".join(parts)


def _rates(progress: Progress) -> list[str]:
    rates = []
    if progress.speed:
        rates.append(f"{speed_text(progress.speed)} × real time")
    if progress.eta_seconds is not None:
        rates.append(f"{clock(progress.eta_seconds)} left")
    return rates


def speed_text(speed: float) -> str:
    """A speed with two figures: `85`, `9.3`."""
    return f"{speed:.0f}" if speed >= 9.95 else f"{speed:.1f}"


def _lines() -> ProgressCallback:
    """Print a line when another item begins, not for every report of the same one."""
    previous = ""

    def report(progress: Progress) -> None:
        nonlocal previous
        item = f"{progress.stage} {progress.item}"
        if item != previous and progress.stage != "scan":
            previous = item
            note(f"{progress.stage}: {progress_line(progress)}")

    return report


@contextmanager
def _bar() -> Iterator[ProgressCallback]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[stage]}"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=18),
        TaskProgressColumn(),
        TextColumn("{task.fields[rates]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, stage="", rates="")

        def report(progress: Progress) -> None:
            bar.update(
                task,
                description=escape(_short(progress.item)),
                completed=progress.done,
                total=progress.total or None,
                stage=progress.stage,
                rates=", ".join(_rates(progress)),
            )

        yield report


def _short(text: str, limit: int = 24) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
