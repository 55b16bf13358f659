"""Peers on made descriptions, and their run on made films."""

import sys
import types
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from eval import copy_peers
from eval.copy_metrics import CopySegment
from eval.copy_peers import PEERS, Frames1, run_peers
from eval.copy_peers_hash import PHash, VideoHash64, Vpdq
from eval.copy_peers_sound import ITEM_SECONDS, align_prints
from eval.copy_peers_tmk import kernel_feature, kernel_score
from eval.copy_peers_vsc import Vsc2022, network_paths
from eval.copy_sets import CopySet
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError
from tests import films

NO_ENGINE = cast(Engine, None)
RNG = np.random.default_rng(5)


def _frames(seeds: list[int]) -> Frames1:
    images = [np.random.default_rng(s).integers(0, 256, (16, 16, 3), np.uint8) for s in seeds]
    return Frames1(np.arange(len(seeds), dtype=np.float64), tuple(images))


@pytest.fixture
def made_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins whose hash of a picture is its first pixels."""

    def compute(image: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int]:
        return (image.ravel()[:256] > 127).astype(np.int64), 100 if image.any() else 0

    def phash(image: Any) -> Any:
        return types.SimpleNamespace(hash=(np.asarray(image).ravel()[:64] > 127).reshape(8, 8))

    monkeypatch.setitem(sys.modules, "pdqhash", types.SimpleNamespace(compute=compute))
    monkeypatch.setitem(sys.modules, "imagehash", types.SimpleNamespace(phash=phash))


@pytest.mark.usefixtures("made_hashes")
def test_vpdq_tells_the_larger_share_and_its_times() -> None:
    peer = Vpdq(NO_ENGINE)
    query = peer.describe(Path(), _frames([1, 2, 10, 11, 12]))
    ref = peer.describe(Path(), _frames([20, 21, 22, 10, 11, 12, 23, 24, 25, 26]))
    (found,) = peer.compare(query, ref)
    assert found.score == pytest.approx(3 / 5)
    assert (found.query, found.ref) == ((2.0, 5.0), (3.0, 6.0))
    assert peer.compare(query, peer.describe(Path(), _frames([50, 51]))) == []


@pytest.mark.usefixtures("made_hashes")
def test_vpdq_leaves_bad_frames_out() -> None:
    peer = Vpdq(NO_ENGINE)
    black = Frames1(np.arange(3.0), (np.zeros((16, 16, 3), np.uint8),) * 3)
    assert peer.compare(peer.describe(Path(), black), peer.describe(Path(), black)) == []


@pytest.mark.usefixtures("made_hashes")
def test_phash_votes_for_one_offset() -> None:
    peer = PHash(NO_ENGINE)
    query = peer.describe(Path(), _frames([10, 11, 12, 13, 9]))
    ref = peer.describe(Path(), _frames([9, 20, 10, 11, 12, 13]))
    (found,) = peer.compare(query, ref)
    assert found.score == pytest.approx(4 / 9)
    assert (found.query, found.ref) == ((0.0, 4.0), (2.0, 6.0))


def test_videohash_counts_equal_bits() -> None:
    peer = VideoHash64.__new__(VideoHash64)
    bits = np.ones(64, dtype=np.float32)
    other = bits.copy()
    other[:16] = -1
    (found,) = peer.compare((bits, 9.0), (other, 30.0))
    assert (found.score, found.query, found.ref) == (0.75, (0.0, 9.0), (0.0, 30.0))
    assert peer.compare(None, (other, 30.0)) == []


def test_prints_align_at_their_offset() -> None:
    ref = RNG.integers(0, 2**32, 400, dtype=np.uint32)
    query = RNG.integers(0, 2**32, 200, dtype=np.uint32)
    query[50:130] = ref[200:280] ^ np.uint32(1 << 3)
    best = max(align_prints(query, ref), key=lambda item: item.score)
    assert best.score == pytest.approx(1 - 2 / 32, abs=0.08)
    assert best.query[0] == pytest.approx(50 * ITEM_SECONDS, abs=1.2)
    assert best.query[1] == pytest.approx(130 * ITEM_SECONDS, abs=1.2)
    assert best.ref[0] - best.query[0] == pytest.approx(150 * ITEM_SECONDS)


def test_unrelated_prints_do_not_align() -> None:
    prints = [RNG.integers(0, 2**32, 300, dtype=np.uint32) for _ in range(2)]
    assert align_prints(*prints) == []
    assert align_prints(prints[0][:4], prints[1]) == []


def test_kernel_knows_a_shifted_film_from_another() -> None:
    times = np.arange(60, dtype=np.float32)
    walk = np.cumsum(RNG.normal(0, 1, (60, 32)), axis=0).astype(np.float32)
    other = np.cumsum(RNG.normal(0, 1, (60, 32)), axis=0).astype(np.float32)
    one = kernel_feature(walk, times)
    assert kernel_score(one, one) == pytest.approx(1.0, abs=1e-3)
    shifted = kernel_feature(walk, times + 12)
    assert kernel_score(one, shifted) > 0.9 > kernel_score(one, kernel_feature(other, times))


def test_network_follows_a_line_and_no_noise() -> None:
    similarity = RNG.uniform(-0.1, 0.1, (30, 80)).astype(np.float32)
    for step in range(12):
        similarity[8 + step, 20 + 2 * step] = 0.8
    ((rows, columns, score),) = network_paths(similarity)
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (8, 19, 20, 42)
    assert score == pytest.approx(0.8)
    assert network_paths(np.zeros((5, 5), np.float32)) == []


def test_vsc_takes_the_background_away() -> None:
    class Encoder:
        background = np.eye(4, dtype=np.float32)[:1]

        def encode_pictures(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return np.eye(4, dtype=np.float32)[[image[0, 0, 0] for image in images]]

    engine = cast(Engine, types.SimpleNamespace(copy_encoder=Encoder()))
    peer = Vsc2022(engine)

    def described(places: list[int]) -> Any:
        images = tuple(np.full((2, 2, 3), place, np.uint8) for place in places)
        return peer.describe(Path(), Frames1(np.arange(len(places), dtype=np.float64), images))

    (found,) = peer.compare(described([1, 2, 3]), described([1, 2, 3]))
    assert found.score == pytest.approx(1.0)
    assert (found.query, found.ref) == ((0.0, 3.0), (0.0, 3.0))
    assert peer.compare(described([0, 0, 0]), described([0, 0, 0])) == []  # all background


# --- runs


def _data(folder: Path) -> CopySet:
    shots = [films.moving_shot(seed, 50) for seed in (1, 2, 3)]
    ref = films.write_film(folder / "R1.mp4", [*shots[0], *shots[1], *shots[2]])
    query = films.write_film(folder / "Q1.mp4", [*shots[1], *shots[2]])
    truth = (CopySegment("Q1", "R1", 0, 4, 2, 6),)
    return CopySet("vsc2022", {"Q1": query}, {"R1": ref}, truth)


@pytest.mark.usefixtures("made_hashes")
def test_missing_peer_has_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    data = _data(tmp_path)
    missing, there = run_peers(["imagehash", "vpdq"], data, NO_ENGINE)
    assert missing.predictions == ()
    assert "not installed" in missing.notes[0]
    assert there.name == "vpdq"
    assert there.seconds > 0


def test_unknown_peer_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="chromaprint"):
        run_peers(["nothing"], _data(tmp_path), NO_ENGINE)


@pytest.mark.parametrize("name", PEERS)
def test_registry_names_classes(name: str) -> None:
    from importlib import import_module

    module, _, class_name = PEERS[name].partition(":")
    assert issubclass(getattr(import_module(module), class_name), copy_peers.Peer)


def test_frames_of_a_sound_file_are_none(tmp_path: Path) -> None:
    path = films.write_sound(tmp_path / "a.m4a", films.tone(2.0))
    assert copy_peers._decoded(path).images == ()
