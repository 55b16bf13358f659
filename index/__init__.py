"""Nearest neighbours over arrays: an exact oracle and fast backends behind one interface.

A backend is one file with a subclass of `VectorIndex` and one line in index.registry.
"""

from index.base import VectorIndex
from index.registry import BACKENDS, create_index, load_index
from index.storage import IndexDamagedError, IndexStaleError, peek_generation

__all__ = [
    "BACKENDS",
    "IndexDamagedError",
    "IndexStaleError",
    "VectorIndex",
    "create_index",
    "load_index",
    "peek_generation",
]
