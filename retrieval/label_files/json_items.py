"""JSON that was written by anybody: items of its top-level lists, each with its line number."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NoReturn

from retrieval.label_files.base import Where

__all__ = ["Lines", "parse", "top_level"]

_BLANKS = " \t\r\n"


class Lines:
    """Line numbers of places in a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0]
        place = text.find("\n")
        while place >= 0:
            self._starts.append(place + 1)
            place = text.find("\n", place + 1)

    def at(self, place: int) -> int:
        """1-based line of a place (0-based character)."""
        return bisect_right(self._starts, place)


def parse(text: str, where: Where) -> Any:
    """Parse one JSON value; InvalidInputError for anything that is none, NaN included."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise where.error(f"is not valid JSON: {exc}") from exc


def top_level(text: str, file: str) -> Iterator[tuple[str | None, Any, Where]]:
    """The items of a list, or of an object whose values may be lists.

    Yields:
        For a list: None, item, place. For an object: the key with each item of a list value, or
        with the value itself.

    Raises:
        InvalidInputError: It is not valid JSON; names the line.
    """
    lines = Lines(text)
    decoder = json.JSONDecoder(parse_constant=_refuse)
    scan = _Scan(text, decoder)
    try:
        if scan.take("["):
            for item, place in scan.items():
                yield None, item, Where(file, lines.at(place))
        elif scan.take("{"):
            yield from _members(scan, lines, file)
        else:
            raise ValueError("expected a list or an object")
        if scan.peek():
            raise ValueError("something follows the end")
    except (ValueError, RecursionError) as exc:
        at = getattr(exc, "pos", scan.place)
        raise Where(file, lines.at(at)).error(f"is not valid JSON: {exc}") from exc


def _members(scan: "_Scan", lines: Lines, file: str) -> Iterator[tuple[str | None, Any, Where]]:
    while not scan.take("}"):
        key, _ = scan.value()
        if not isinstance(key, str) or not scan.take(":"):
            raise ValueError("expected a name and a colon")
        if scan.take("["):
            for item, place in scan.items():
                yield key, item, Where(file, lines.at(place))
        else:
            value, place = scan.value()
            yield key, value, Where(file, lines.at(place))
        if not scan.take(",") and scan.peek() != "}":
            raise ValueError("expected a comma or the end of the object")


class _Scan:
    """A place in a JSON text that moves on."""

    def __init__(self, text: str, decoder: json.JSONDecoder) -> None:
        self.text = text
        self.place = 0
        self._decoder = decoder

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while self.text[self.place : self.place + 1] in _BLANKS and self.place < len(self.text):
            self.place += 1
        return self.text[self.place : self.place + 1]

    def take(self, character: str) -> bool:
        """Go past a character if it is the next."""
        is_next = self.peek() == character
        self.place += is_next
        return is_next

    def value(self) -> tuple[Any, int]:
        """The next value and where it starts."""
        self.peek()
        start = self.place
        value, self.place = self._decoder.raw_decode(self.text, start)
        return value, start

    def items(self) -> Iterator[tuple[Any, int]]:
        """The items of a list whose bracket was taken."""
        while not self.take("]"):
            yield self.value()
            if not self.take(",") and self.peek() != "]":
                raise ValueError("expected a comma or the end of the list")


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
