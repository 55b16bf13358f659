"""Index files: one versioned, checksummed container for every backend, written atomically.

    8 bytes    magic
    4 bytes    length of the header, little-endian
    header     JSON: format version, backend, dim, count, generation, settings, section sizes;
               then spaces up to a multiple of 64 bytes from the start
    sections   raw bytes, one after the other
    32 bytes   SHA-256 of everything before

The checksum is verified before anything is parsed, so a truncated or altered file never reaches a
backend's own reader. An index is derived: the answer to a damaged or stale file is to rebuild it.
What is read is mapped, not copied: a file is only ever replaced as a whole, never written into.
"""

import hashlib
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "IndexDamagedError",
    "IndexHeader",
    "IndexStaleError",
    "Section",
    "Settings",
    "StreamedSection",
    "read_index",
    "write_index",
]

MAGIC = b"SCPINDEX"
FORMAT_VERSION = 1
_MAX_HEADER_BYTES = 1 << 20
_DIGEST_BYTES = 32
_ALIGNMENT = 64  # of the first section, so that numbers can be read where they lie
_BLOCK_BYTES = 1 << 20
_TEMPORARY_MAX_AGE_SECONDS = 3600.0

Settings = Mapping[str, int | float]
Section = NDArray[Any]
"""Numbers of any type when written; uint8, read-only, when read."""


@dataclass(frozen=True)
class StreamedSection:
    """A section that writes itself piece by piece, for what is too large to be copied first."""

    num_bytes: int
    write: Callable[[Callable[[bytes], object]], None]
    """Hands its bytes to the function given, in order."""


class IndexDamagedError(ValueError):
    """The file is not a whole index file of ours; rebuild the index."""


class IndexStaleError(ValueError):
    """The file is sound but was made for another state, backend or format; rebuild the index."""


@dataclass(frozen=True)
class IndexHeader:
    """What an index file says about itself."""

    backend: str
    dim: int
    count: int
    generation: str
    """The state of the source that the vectors came from, as its owner names it."""
    settings: Settings = field(default_factory=dict)
    """The backend's own numbers."""
    section_sizes: tuple[int, ...] = ()
    """Bytes of each section."""
    version: int = FORMAT_VERSION


def write_index(
    path: Path, header: IndexHeader, sections: Sequence[Section | StreamedSection]
) -> None:
    """Write an index file so that `path` holds the old one or the whole new one, never less.

    Raises:
        OSError: The directory does not exist, is not writable or is full.
    """
    streamed = [_streamed(section) for section in sections]
    fields = {**asdict(header), "section_sizes": [section.num_bytes for section in streamed]}
    encoded = json.dumps(fields).encode()
    encoded += b" " * (-(len(MAGIC) + 4 + len(encoded)) % _ALIGNMENT)
    digest = hashlib.sha256()
    _remove_abandoned(path)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:

            def write(piece: Any) -> None:
                file.write(piece)
                digest.update(piece)

            write(MAGIC + struct.pack("<I", len(encoded)) + encoded)
            for section in streamed:
                section.write(write)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(path.parent)


def read_index(path: Path) -> tuple[IndexHeader, list[Section]]:
    """Read an index file after checking all of it.

    Returns:
        The header, and the sections as read-only uint8 arrays that lie in the mapped file.

    Raises:
        IndexDamagedError: The file is truncated, altered, or not an index file.
        IndexStaleError: The file has a format version that this code does not know.
        OSError: The file does not exist or cannot be read.
    """
    start = len(MAGIC) + 4
    with path.open("rb") as file:
        num_bytes = os.fstat(file.fileno()).st_size
        if num_bytes < start + _DIGEST_BYTES or file.read(len(MAGIC)) != MAGIC:
            raise IndexDamagedError(f"got {path}, which is not an index file; rebuild the index")
        if not _is_whole(file, num_bytes):
            raise IndexDamagedError(f"got {path}, which is truncated or altered; rebuild the index")
        body = np.asarray(np.memmap(file, dtype=np.uint8, mode="r"))[:-_DIGEST_BYTES]
    (num_header_bytes,) = struct.unpack("<I", body[len(MAGIC) : start].tobytes())
    if num_header_bytes > min(_MAX_HEADER_BYTES, len(body) - start):
        raise IndexDamagedError(
            f"got {path} with a header of {num_header_bytes} bytes; rebuild the index"
        )
    header = _parse_header(body[start : start + num_header_bytes].tobytes(), path)
    return header, _split(body[start + num_header_bytes :], header.section_sizes, path)


def _streamed(section: Section | StreamedSection) -> StreamedSection:
    if isinstance(section, StreamedSection):
        return section
    flat = np.ascontiguousarray(section).reshape(-1).view(np.uint8).data
    return StreamedSection(len(flat), lambda write: write(flat))  # type: ignore[arg-type]


def _is_whole(file: BinaryIO, num_bytes: int) -> bool:
    """Whether the last bytes are the checksum of all before; reads without keeping anything."""
    digest = hashlib.sha256()
    file.seek(0)
    left = num_bytes - _DIGEST_BYTES
    while left:
        block = file.read(min(left, _BLOCK_BYTES))
        if not block:
            return False
        digest.update(block)
        left -= len(block)
    return file.read() == digest.digest()


def peek_generation(path: Path) -> str | None:
    """Return the state that a file says it was made from, by its header alone; None if unreadable.

    Only for telling people: nothing but `read_index` checks that the file is whole.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC) + 4)
            if len(start) < len(MAGIC) + 4 or start[: len(MAGIC)] != MAGIC:
                return None
            (num_bytes,) = struct.unpack("<I", start[len(MAGIC) :])
            header = _parse_header(file.read(min(num_bytes, _MAX_HEADER_BYTES)), path)
    except (OSError, ValueError):
        return None
    return header.generation


def _parse_header(encoded: bytes, path: Path) -> IndexHeader:
    try:
        fields = json.loads(encoded)
        version = fields["version"]
        if version != FORMAT_VERSION:
            raise IndexStaleError(
                f"got {path} with format version {version}, expected {FORMAT_VERSION}; "
                "rebuild the index"
            )
        fields["section_sizes"] = tuple(int(size) for size in fields["section_sizes"])
        return IndexHeader(**fields)
    except (TypeError, KeyError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise IndexDamagedError(f"got {path} with an unreadable header; rebuild it") from error


def _split(payload: Section, sizes: Sequence[int], path: Path) -> list[Section]:
    if sum(sizes) != len(payload) or any(size < 0 for size in sizes):
        raise IndexDamagedError(f"got {path} with sections that do not fit; rebuild the index")
    ends = np.cumsum([0, *sizes]).tolist()
    return [payload[start:end] for start, end in pairwise(ends)]


def _remove_abandoned(path: Path) -> None:
    """Remove what a killed process left half-written long ago."""
    oldest = time.time() - _TEMPORARY_MAX_AGE_SECONDS
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            if left.stat().st_mtime < oldest:
                left.unlink()


def _sync_directory(directory: Path) -> None:
    """Make the new name itself survive a power cut, where the system lets a directory be opened."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
