"""Writing an encoder folder: whole or not at all, with a SHA-256 of every file.

Shared by all that make such folders: training, compression, copy outputs and `sceneprint export`.
`retrieval.encoders.manifest` reads what is written here.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MANIFEST", "check_replaceable", "replaced", "sha256_of", "write_json"]

MANIFEST = "manifest.json"


@contextmanager
def replaced(out_dir: Path) -> Iterator[Path]:
    """Yield a folder beside `out_dir`, which takes its place when the block ends well.

    An older folder is gone only then; after an error, or Ctrl-C, all is as it was.

    Raises:
        OSError: it cannot be written.
        ValueError: something is there that is no such folder.
    """
    check_replaceable(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".export-") as name:
        folder = Path(name) / "folder"
        folder.mkdir()
        yield folder
        if out_dir.exists():
            out_dir.rename(Path(name) / "older")
        folder.rename(out_dir)


def check_replaceable(out_dir: Path) -> None:
    """Refuse to write over anything but an older folder of this kind, or an empty one.

    Raises:
        ValueError: as said.
    """
    if not out_dir.exists() or (out_dir / MANIFEST).is_file():
        return
    if not out_dir.is_dir() or any(out_dir.iterdir()):
        raise ValueError(f"{out_dir} is there and no encoder folder; give another --out")


def sha256_of(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of some files of a folder, by name."""
    found = {}
    for file in sorted(files):
        with (folder / file).open("rb") as stream:
            found[file] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as readable JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
