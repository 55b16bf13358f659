"""A library with kept keyframes, and a process in which its reindex is killed."""

import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from retrieval.catalog import Catalog, VideoRecord
from retrieval.media.thumbnails import jpeg_thumbnail
from retrieval.reindex import reindex
from retrieval.types import Progress
from tests.fakes import FakeEncoder
from tests.retrieval.catalog_records import make_record

__all__ = ["NEW", "pictured_record"]

NEW = FakeEncoder("fake:new/v1")
FILM_SECONDS = 4.0
"""A film of four shots."""


def pictured_record(name: str, *, num_shots: int = 4) -> VideoRecord:
    """A film that is not there, with keyframes of its own colours."""
    rng = np.random.default_rng(sum(name.encode()))
    colours = rng.integers(0, 256, (num_shots, 1, 1, 3), dtype=np.uint8)
    pictures = [np.broadcast_to(colour, (24, 32, 3)).copy() for colour in colours]
    return replace(
        make_record(name, num_shots=num_shots),
        thumbnails=[jpeg_thumbnail(picture) for picture in pictures],
    )


def main() -> None:
    """Reindex in a child that is killed, several times, and say what each left behind."""
    library, seconds = Path(sys.argv[1]), [float(item) for item in sys.argv[2:]]
    for wait in seconds:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _reindex(library, writing)
        os.close(writing)
        os.read(reading, 1)  # the first film of this run is stored
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reading)
        print(json.dumps({"signal": os.WTERMSIG(status), **_state(library)}), flush=True)


def _reindex(library: Path, writing: int) -> NoReturn:
    def progress(report: Progress) -> None:
        if report.done >= FILM_SECONDS:
            os.write(writing, b".")

    with Catalog.open(library) as catalog:
        reindex(NEW, catalog=catalog, progress=progress)
    os._exit(0)


def _state(library: Path) -> dict[str, Any]:
    with Catalog.open(library) as catalog:
        used, made = catalog.vector_sets()
        _, vectors = catalog.shot_vectors(used.encoder)
        return {
            "problems": catalog.problems(),
            "used": used.encoder.name,
            "digest": hashlib.sha256(vectors.tobytes()).hexdigest(),
            "num_videos": made.num_videos,
            "num_shots": made.num_shots,
        }


if __name__ == "__main__":
    main()
