"""Every error that Sceneprint raises on purpose.

The tree (fronts map the branches to exit codes and HTTP status, see app/problems.py):

    SceneprintError
    ├── UsageError                 the caller gave something that cannot be used
    │   ├── InvalidInputError      a value out of range, an empty query, an unreadable label file
    │   ├── NotFoundError          a video, shot or path that does not exist
    │   └── EncoderMismatchError   vectors of one encoder used with another
    ├── MediaError                 a file that cannot be read as media
    │   ├── NotMediaError          FFmpeg finds no container or no usable stream
    │   ├── CorruptMediaError      the container opens but nothing in it can be decoded
    │   └── MediaLimitError        larger, longer or wider than the configured limits
    ├── CatalogError               the library cannot be opened or written
    │   ├── CatalogVersionError    written by a version that this one does not know
    │   └── CatalogBusyError       another process is writing
    ├── MissingDependencyError     an optional package is needed; says which extra installs it
    └── OperationCancelled         the caller asked to stop; what was finished is kept

Leaves (`index`, `adapters`) raise ValueError, TypeError or OSError; `retrieval` maps them once.
"""

__all__ = [
    "CatalogBusyError",
    "CatalogError",
    "CatalogVersionError",
    "CorruptMediaError",
    "EncoderMismatchError",
    "InvalidInputError",
    "MediaError",
    "MediaLimitError",
    "MissingDependencyError",
    "NotFoundError",
    "NotMediaError",
    "OperationCancelled",
    "SceneprintError",
    "UsageError",
]


class SceneprintError(Exception):
    """Base of every deliberate error; its message says what was given, allowed and to do."""


class UsageError(SceneprintError):
    """The caller gave something that cannot be used."""


class InvalidInputError(UsageError):
    """A value out of range, an empty query or an unreadable label file."""


class NotFoundError(UsageError):
    """A video, shot, library or path that does not exist."""


class EncoderMismatchError(UsageError):
    """Vectors made by one encoder were about to be used with another."""


class MediaError(SceneprintError):
    """A file that cannot be read as media."""


class NotMediaError(MediaError):
    """FFmpeg finds no container or no usable stream in the file."""


class CorruptMediaError(MediaError):
    """The container opens but nothing in it can be decoded."""


class MediaLimitError(MediaError):
    """The file is larger, longer or wider than the configured limits."""


class CatalogError(SceneprintError):
    """The library cannot be opened or written."""


class CatalogVersionError(CatalogError):
    """The library was written by a version of Sceneprint that this one does not know."""


class CatalogBusyError(CatalogError):
    """Another process is writing the library."""


class MissingDependencyError(SceneprintError):
    """An optional package is needed; the message names the extra that installs it."""


class OperationCancelled(SceneprintError):
    """The caller asked to stop; whatever was finished is kept."""
