"""The tools that people would reach for first, run on the same files as Sceneprint.

Each peer describes a file once and compares a query's description with those of all references.
Peers that compare pictures share one decoding at a frame a second, as their own documentation
does it. Where a tool gives no times, the times of what agreed in it stand for its segment, so
every peer gets a time-aligned prediction that it can be measured by.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.copy_metrics import CopySegment
from eval.copy_scores import MethodRun, Prediction
from eval.copy_sets import CopySet, told
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError, MediaError, MissingDependencyError
from retrieval.media.frames import sampled_frames
from retrieval.types import ProgressCallback

__all__ = ["PEERS", "Frames1", "Overlap", "Peer", "run_peers"]

Picture = NDArray[np.uint8]
STEP_SECONDS = 1.0

PEERS = {
    "vpdq": "eval.copy_peers_hash:Vpdq",
    "imagehash": "eval.copy_peers_hash:PHash",
    "videohash": "eval.copy_peers_hash:VideoHash64",
    "tmk": "eval.copy_peers_tmk:Tmk",
    "chromaprint": "eval.copy_peers_sound:Chromaprint",
    "vsc2022": "eval.copy_peers_vsc:Vsc2022",
}
"""Name -> `module:Class`."""


@dataclass(frozen=True)
class Frames1:
    """Frames of a file at one a second; none where it has no picture."""

    times: NDArray[np.float64]
    images: tuple[Picture, ...]


@dataclass(frozen=True)
class Overlap:
    """What a peer says of one query and one reference."""

    score: float
    query: tuple[float, float]
    """Start and end in the query, in seconds."""
    ref: tuple[float, float]
    speed: float | None = None


class Peer(ABC):
    """One tool.

    Attributes:
        threshold: From which score its users see a match.
        note: How it was run.
        needs_frames: Whether it looks at pictures.
    """

    threshold: float
    note: str
    needs_frames: bool = True
    has_segments: bool = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @abstractmethod
    def describe(self, path: Path, frames: Frames1) -> Any:
        """Describe a file, in whatever form `compare` wants."""

    @abstractmethod
    def compare(self, query: Any, ref: Any) -> list[Overlap]:
        """Overlaps of a query and a reference, by what `describe` gave for them."""


def run_peers(
    names: Sequence[str],
    data: CopySet,
    engine: Engine,
    *,
    progress: ProgressCallback | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[MethodRun]:
    """Run peers; one that is not installed has a run without predictions that says so.

    Raises:
        InvalidInputError: There is no peer of a name.
    """
    runs: dict[str, MethodRun] = {}
    peers: dict[str, Peer] = {}
    for name in names:
        try:
            peers[name] = _load(name, engine)
        except MissingDependencyError as exc:
            runs[name] = MethodRun(name, (), 1.0, 0.0, notes=(str(exc),), is_missing=True)
    described = _Described(peers, data, progress, should_stop)
    for name, peer in peers.items():
        runs[name] = described.compare(name, peer)
    return [runs[name] for name in names]


def _load(name: str, engine: Engine) -> Peer:
    if name not in PEERS:
        raise InvalidInputError(f"got peer {name!r}, expected one of {', '.join(sorted(PEERS))}")
    module, _, class_name = PEERS[name].partition(":")
    peer: Peer = getattr(import_module(module), class_name)(engine)
    return peer


class _Described:
    """Descriptions of all files by all peers, each file decoded once."""

    def __init__(
        self,
        peers: dict[str, Peer],
        data: CopySet,
        progress: ProgressCallback | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._data = data
        self._seconds: dict[tuple[str, str], float] = dict.fromkeys(
            ((name, side) for name in peers for side in ("query", "ref")), 0.0
        )
        self._queries = self._all(peers, data.queries, "query", progress, should_stop)
        self._refs = self._all(peers, data.references, "ref", progress, should_stop)

    def _all(
        self,
        peers: dict[str, Peer],
        files: dict[str, Path],
        side: str,
        progress: ProgressCallback | None,
        should_stop: Callable[[], bool] | None,
    ) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {name: {} for name in peers}
        needs_frames = any(peer.needs_frames for peer in peers.values())
        for file_id, path in told(files, "peers", progress, should_stop):
            before = time.perf_counter()
            frames = _decoded(path) if needs_frames else Frames1(np.zeros(0), ())
            decoding = time.perf_counter() - before
            for name, peer in peers.items():
                before = time.perf_counter()
                found[name][file_id] = peer.describe(path, frames)
                spent = time.perf_counter() - before + decoding * peer.needs_frames
                self._seconds[name, side] += spent
        return found

    def compare(self, name: str, peer: Peer) -> MethodRun:
        """Compare each query with each reference."""
        started = time.perf_counter()
        predictions = []
        for query_id, query in self._queries[name].items():
            for ref_id, ref in self._refs[name].items():
                predictions += [
                    _prediction(query_id, ref_id, overlap) for overlap in peer.compare(query, ref)
                ]
        return MethodRun(
            name=name,
            predictions=tuple(predictions),
            threshold=peer.threshold,
            seconds=time.perf_counter() - started + self._seconds[name, "query"],
            ingest_seconds=self._seconds[name, "ref"],
            notes=(f"{peer.note}; threshold {peer.threshold:g}",),
            has_segments=peer.has_segments,
        )


def _prediction(query_id: str, ref_id: str, overlap: Overlap) -> Prediction:
    segment = CopySegment(query_id, ref_id, *overlap.query, *overlap.ref, overlap.score)
    return Prediction(segment, overlap.speed)


def _decoded(path: Path) -> Frames1:
    times, images = [], []
    try:
        for frame in sampled_frames(path, every_seconds=STEP_SECONDS):
            times.append(frame.seconds)
            images.append(frame.image)
    except MediaError:
        pass  # sound alone, or damaged from here on
    return Frames1(np.asarray(times, dtype=np.float64), tuple(images))
