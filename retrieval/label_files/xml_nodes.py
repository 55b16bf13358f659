"""XML as a stream of small nodes with line numbers, safe against hostile files.

defusedxml refuses document types, entities and references to other files; depth, number of nodes
and bytes are bounded here. The children of the root are handed over one by one, so that a long film
with a box a frame needs the memory of one track.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.label_files.base import MAX_FILE_BYTES, Where

__all__ = ["Node", "nodes", "root_tag"]

MAX_DEPTH = 24
MAX_NODES = 5_000_000
MAX_CHILD_NODES = 1_000_000
MAX_CHARS = 100_000
CHUNK_BYTES = 1 << 16


@dataclass
class Node:
    """One element."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def child(self, *tags: str) -> "Node | None":
        """The first descendant along these tags; None where there is none."""
        node: Node | None = self
        for tag in tags:
            found = (item for item in node.children if item.tag == tag) if node else iter(())
            node = next(found, None)
        return node

    def text_of(self, *tags: str) -> str | None:
        """The text of the first descendant along these tags; None where it is missing or empty."""
        node = self.child(*tags)
        return (node.text.strip() or None) if node is not None else None


class _Target:
    """Takes the parser's events; nodes directly under the root come out in `done`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.line: Callable[[], int] = lambda: 0
        self.done: deque[Node] = deque()
        self._stack: list[Node] = []
        self._num = 0
        self._num_child = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        where = Where(self.file, self.line())
        self._num += 1
        self._num_child = self._num_child + 1 if len(self._stack) > 1 else 1
        if len(self._stack) >= MAX_DEPTH:
            raise where.error(f"elements are nested deeper than {MAX_DEPTH}")
        if self._num > MAX_NODES or self._num_child > MAX_CHILD_NODES:
            raise where.error(f"more than {MAX_NODES} elements, or too many in one; split the file")
        node = Node(tag, attributes, self.line())
        if not self._stack:
            self.done.append(node)
        self._stack.append(node)

    def end(self, tag: str) -> None:
        node = self._stack.pop()
        if len(self._stack) == 1:
            self.done.append(node)
        elif self._stack:
            self._stack[-1].children.append(node)

    def data(self, text: str) -> None:
        if len(self._stack) > 1:
            node = self._stack[-1]
            node.text += text
            if len(node.text) > MAX_CHARS:
                raise Where(self.file, node.line).error(f"a text is over {MAX_CHARS} characters")

    def close(self) -> None:
        return None


def nodes(path: Path) -> Iterator[Node]:
    """The root (without children), then each of its children once it is whole.

    Raises:
        InvalidInputError: Not well-formed, hostile, too large, or not readable.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    target = _Target(path.name)
    parser: Any = DefusedXMLParser(target=target, forbid_dtd=True)
    target.line = lambda: int(parser.parser.CurrentLineNumber)
    try:
        for chunk in _chunks(path):
            parser.feed(chunk)
            while target.done:
                yield target.done.popleft()
        parser.close()
    except ParseError as exc:
        raise Where(path.name, exc.position[0]).error(f"is not well-formed XML: {exc}") from exc
    except DefusedXmlException as exc:
        raise Where(path.name, target.line()).error(
            "holds a document type or entities, which are refused; take them out"
        ) from exc
    except (LookupError, UnicodeError, ValueError) as exc:
        raise Where(path.name).error(f"cannot be read as XML: {exc}") from exc
    yield from target.done


def root_tag(path: Path) -> str:
    """The name of the outermost element."""
    first = next(nodes(path), None)
    return "" if first is None else first.tag


def _chunks(path: Path) -> Iterator[bytes]:
    where = Where(path.name)
    try:
        if not path.is_file():
            raise where.error("is no file that can be read")
        num = 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                num += len(chunk)
                if num > MAX_FILE_BYTES:
                    raise where.error(f"has more than {MAX_FILE_BYTES} bytes; split it")
                yield chunk
    except OSError as exc:
        raise where.error(f"cannot be read: {exc.strerror}") from exc
