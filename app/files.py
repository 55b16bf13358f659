"""Files that a front writes for a person: whole or not at all."""

import os
import tempfile
from pathlib import Path

from retrieval.errors import InvalidInputError

__all__ = ["check_writable", "write_whole"]


def write_whole(path: Path, text: str) -> Path:
    """Write a UTF-8 text file with its newlines as they are; its folder is made.

    Raises:
        InvalidInputError: It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def check_writable(path: Path, *, is_folder: bool = False) -> None:
    """See before long work that its result can be written; the folder is made.

    Raises:
        InvalidInputError: It cannot.
    """
    folder = path if is_folder else path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error
    if not is_folder and path.is_dir():
        raise InvalidInputError(f"got {path}, which is a folder; name a file")


def _unwritable(path: Path, error: OSError) -> InvalidInputError:
    return InvalidInputError(f"{path} cannot be written: {error.strerror}; name another place")
