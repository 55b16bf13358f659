"""How results are shown: tables for people on stdout, or nothing but JSON."""

import json
import logging
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "Heading",
    "clock",
    "console",
    "log_to_stderr",
    "note",
    "print_json",
    "print_json_line",
    "print_table",
    "range_text",
]

Heading = tuple[str, Literal["left", "right", "fold"]]
"""Column heading and how its cells are set; the `fold` columns share what room is left."""
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python makes of a byte in a file name that is no UTF-8; no encoder of UTF-8 takes it."""


def console() -> "Console":
    """The console of stdout: as wide as the terminal, 80 columns elsewhere."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def note(text: str) -> None:
    """Say something to the person on stderr, so that stdout stays clean for programs."""
    print(text, file=sys.stderr, flush=True)


class _OneLine(logging.Formatter):
    """Warnings in one line each; a traceback is for `--debug` and the server's log."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {record.getMessage()}"


def log_to_stderr() -> None:
    """Show warnings of the core, and what `--device auto` picked, on stderr, once in all."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(handler)
    logging.getLogger("retrieval.encoders.device").setLevel(logging.INFO)


def print_json(value: Any) -> None:
    """Print a JSON document; film names and subtitles stay readable in any script.

    Bytes of a path that are no UTF-8 are escaped, so that programs get the very path back.
    """
    print(_json_text(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print a JSON document in one line, at once: for programs that read as it comes."""
    print(_json_text(value), flush=True)


def _json_text(value: Any, *, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_table(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], *, title: str | None = None
) -> None:
    """Print rows under headings; markup in cells is shown as it is, never interpreted."""
    from rich.text import Text

    from retrieval.types import readable

    table = _table(headings, title)
    for row in rows:
        table.add_row(*(Text(readable(cell)) for cell in row))
    console().print(table)


def _table(headings: Sequence[Heading], title: str | None) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    for text, setting in headings:
        is_right = setting == "right"
        is_fold = setting == "fold"
        table.add_column(
            text,
            justify="right" if is_right else "left",
            overflow="fold",
            no_wrap=not is_fold,
            ratio=1 if is_fold else None,
        )
    table.expand = any(setting == "fold" for _, setting in headings)
    return table


def clock(seconds: float) -> str:
    """Format a length for people: `4.2 s`, `12:07`, `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def range_text(start: str, end: str) -> str:
    """Join two times to a range."""
    return f"{start} – {end}"
