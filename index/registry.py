"""Index backends by name; a backend's package is imported when it is first asked for."""

from importlib import import_module
from pathlib import Path

from index.base import VectorIndex

__all__ = ["BACKENDS", "create_index", "load_index"]

BACKENDS = {
    "exact": "index.exact:ExactIndex",
    "faiss": "index.faiss:FaissIndex",
}


def create_index(name: str, dim: int, *, is_compact: bool = False) -> VectorIndex:
    """Make an empty index; ValueError for an unknown name lists the known ones."""
    return _backend(name)(dim, is_compact=is_compact)


def load_index(name: str, path: Path, *, generation: str | None) -> VectorIndex:
    """Read an index from a file.

    Raises:
        IndexStaleError: Made from another generation, by another backend or format.
        IndexDamagedError: Truncated, altered or no index file.
        OSError: The file does not exist or cannot be read.
        ValueError: Unknown backend name.
    """
    return _backend(name).load(path, generation=generation)


def _backend(name: str) -> type[VectorIndex]:
    if name not in BACKENDS:
        raise ValueError(f"got index backend {name!r}, expected one of {', '.join(BACKENDS)}")
    module, _, class_name = BACKENDS[name].partition(":")
    backend: type[VectorIndex] = getattr(import_module(module), class_name)
    return backend
