"""Times ingest against pure decoding of the same film and against the naive pipeline.

Floors: decoding the sync frames alone (what `fast` cannot beat) and decoding every frame once
(what `precise` cannot beat), by PyAV with all threads and nothing done with the frames. The peer
reads every frame with OpenCV and puts one a second through CLIP ViT-B/32 in eager torch.
"""

import tempfile
from pathlib import Path
from typing import Literal

from eval.bench_film import make_bench_film
from eval.peers import TorchClip, naive_ingest
from eval.table import Cell, Column, Table, machine, median_seconds
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, MediaError, MissingDependencyError
from retrieval.media.probe import probe
from retrieval.types import ShotMode

__all__ = ["run"]

COLUMNS = (
    Column("what", "What"),
    Column("seconds", "Seconds", ".2f"),
    Column("speed", "× real time", ".1f"),
    Column("floor_ratio", "× floor time", ".2f"),
)


def run(
    *,
    film: Path | None = None,
    seconds: float = 60.0,
    runs: int = 3,
    encoder: str = "builtin",
    runtime: str = "auto",
    peer: bool = True,
) -> Table:
    """Measure ingest of one film.

    Args:
        film: a film of the caller; None makes one, 1080p H.264 with x264's defaults, untimed.
        seconds: length of the made film.
        runs: of which each figure is the median.
        encoder: name of the encoder.
        runtime: what runs it; `auto` for the encoder's own choice.
        peer: whether the naive pipeline is timed too, once.

    Raises:
        InvalidInputError: `runs` or `seconds` is out of range.
        MediaError: the film cannot be read.
    """
    if runs < 1 or not 1.0 <= seconds <= 3600.0:
        raise InvalidInputError(f"got {runs = } and {seconds = }, expected runs >= 1, 1 to 3600 s")
    with tempfile.TemporaryDirectory(prefix="sceneprint-bench-") as name:
        folder = Path(name)
        chosen = film or make_bench_film(folder / "film.mp4", seconds=seconds)
        with Engine(folder / "warm", encoder=encoder, runtime=runtime, create=True) as engine:
            engine.encoder.warm_up()
            return _measure(chosen, folder, engine, runs=runs, peer=peer)


def _measure(film: Path, folder: Path, engine: Engine, *, runs: int, peer: bool) -> Table:
    info = probe(film)
    sync = median_seconds(lambda: _decode(film, "NONKEY"), runs=runs)
    full = median_seconds(lambda: _decode(film, "DEFAULT"), runs=runs, warm_up=0)
    library = _Libraries(folder, engine)
    fast = median_seconds(lambda: library.ingest(film, "fast"), runs=runs)
    precise = median_seconds(lambda: library.ingest(film, "precise"), runs=runs, warm_up=0)
    times: list[tuple[str, float | None, float]] = [
        ("decode sync frames (floor of fast)", sync, sync),
        ("decode every frame (floor of precise)", full, full),
        ("sceneprint ingest --shots fast", fast, sync),
        ("sceneprint ingest --shots precise", precise, full),
    ]
    notes = [
        f"{info.width} x {info.height} {info.video_codec}, {info.duration_seconds:.0f} s, "
        f"{_decode(film, 'NONKEY')} sync frames of {_decode(film, 'DEFAULT')}; {machine()}.",
        f"Ours: {library.shots}; {engine.encoder.name}; hashing, storing and listening to "
        f"{info.audio_codec or 'no'} sound included, which no floor counts.",
        f"Medians of {runs} runs.",
    ]
    if peer:
        spent, note = _time_peer(film)
        times.append((f"every frame by OpenCV, one a second by {TorchClip.name}", spent, full))
        notes.append(note)
    rows: list[tuple[Cell, ...]] = [
        (what, spent, spent and info.duration_seconds / spent, spent and spent / floor)
        for what, spent, floor in times
    ]
    return Table("Ingest of one film", COLUMNS, tuple(rows), tuple(notes))


class _Libraries:
    """A new library for every run, over one loaded encoder."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self._count = 0
        self.shots: dict[str, int] = {}

    def ingest(self, film: Path, mode: ShotMode) -> None:
        self._count += 1
        library = self._folder / f"library-{self._count}"
        with Engine(library, encoder=self._engine.encoder, create=True) as engine:
            summary = engine.ingest([film], shots=mode)
            if summary.count("added") != 1:
                raise MediaError(f"{film} was not ingested: {summary.outcomes[0].reason}")
            self.shots[f"{mode} shots"] = engine.info().num_shots


def _decode(film: Path, skip: Literal["NONKEY", "DEFAULT"]) -> int:
    """Decode and drop; returns the number of frames."""
    import av

    with av.open(str(film), options={"protocol_whitelist": "file"}) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = skip
        return sum(1 for _ in container.decode(stream))


def _time_peer(film: Path) -> tuple[float | None, str]:
    """Time the naive pipeline once; it is too slow for more and too far off to need them."""
    try:
        clip = TorchClip()
        counts: list[int] = []
        spent = median_seconds(
            lambda: counts.append(naive_ingest(film, clip.encode_images)), runs=1, warm_up=0
        )
    except MissingDependencyError as exc:
        return None, f"Peer left out: {exc}"
    return spent, f"Peer: {counts[0]} frames encoded, one run, random weights."
