"""The one shape of every benchmark's result: a titled table that prints and dumps itself.

A benchmark returns a `Table`; the command line shows `text()` or `to_dict()`. Timings are medians
of several runs, taken by `median_seconds`, because one run on a busy machine says little.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from unicodedata import east_asian_width

__all__ = ["Column", "Table", "machine", "median_seconds"]

Cell = str | int | float | None


@dataclass(frozen=True)
class Column:
    """One column: the key in JSON, the heading for people, the format of numbers."""

    key: str
    heading: str
    spec: str = ""
    """Format specification for numbers, such as `.1f`; empty for text and whole numbers."""

    def show(self, value: Cell) -> str:
        """Format one cell; an absent value is a dash."""
        if value is None:
            return "–"
        return value if isinstance(value, str) else format(value, self.spec)


@dataclass(frozen=True)
class Table:
    """A result of a benchmark, with the conditions that make its figures comparable."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"got {row = } for {len(self.columns)} columns, expected one each")

    def to_dict(self) -> dict[str, object]:
        """The table for JSON: `{"title", "rows": [{key: value}], "notes"}` with raw numbers."""
        keys = [column.key for column in self.columns]
        rows = [dict(zip(keys, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}

    def text(self) -> str:
        """The table for a terminal: text to the left, numbers to the right, notes below."""
        shown = [[c.show(v) for c, v in zip(self.columns, row, strict=True)] for row in self.rows]
        headings = [column.heading for column in self.columns]
        widths = [max(map(_width, cells)) for cells in zip(headings, *shown, strict=True)]
        is_left = [all(isinstance(row[i], str) for row in self.rows) for i in range(len(widths))]
        lines = [_line(cells, widths, is_left) for cells in [headings, *shown]]
        lines.insert(1, "─" * (sum(widths) + 2 * (len(widths) - 1)))
        return "\n".join([self.title, "", *lines, *(["", *self.notes] if self.notes else [])])

    def value(self, row: int, key: str) -> Cell:
        """One cell by row number and column key, for tests and gates."""
        return self.rows[row][[column.key for column in self.columns].index(key)]


def median_seconds(work: Callable[[], object], *, runs: int, warm_up: int = 1) -> float:
    """Time `work` several times and take the median.

    Args:
        work: what is timed.
        runs: how many timed calls.
        warm_up: untimed calls before, which fill caches and pools.

    Raises:
        ValueError: `runs` is below 1.
    """
    if runs < 1:
        raise ValueError(f"got {runs = }, expected at least 1")
    for _ in range(warm_up):
        work()
    return statistics.median(_seconds(work) for _ in range(runs))


def machine() -> str:
    """Say what the figures were taken on, without naming the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.machine()}, {platform.system()}, {_python()}"


def _python() -> str:
    return f"Python {platform.python_version()}"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _width(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _line(cells: list[str], widths: list[int], is_left: list[bool]) -> str:
    padded = []
    for cell, width, left in zip(cells, widths, is_left, strict=True):
        space = " " * (width - _width(cell))
        padded.append(cell + space if left else space + cell)
    return "  ".join(padded).rstrip()
