"""The encoding benchmark names each runtime, and its figures fit together."""

import numpy as np
import pytest

from eval import bench_encode
from eval.peers import TorchBuiltin
from retrieval.encoders.builtin import ASSETS
from retrieval.encoders.manifest import read_manifest
from retrieval.encoders.runtime import RUNTIMES
from retrieval.errors import InvalidInputError


def test_one_row_a_runtime() -> None:
    table = bench_encode.run(runs=1, batch=2, peer=False)
    assert [str(row[0]).partition(", ")[2] for row in table.rows] == list(RUNTIMES)
    for row in range(len(table.rows)):
        assert all(float(table.value(row, c.key) or 0) > 0 for c in table.columns[1:])


@pytest.mark.parametrize(("runs", "batch"), [(0, 1), (1, 0), (1, 257)])
def test_refuses_odd_numbers(runs: int, batch: int) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        bench_encode.run(runs=runs, batch=batch)


def test_the_peer_is_the_same_network() -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        peer = TorchBuiltin()
    shipped = read_manifest(ASSETS)
    peer.encode_images([np.zeros((8, 8, 3), dtype=np.uint8)])
    peer.encode_texts(["a dog", "two dogs on a beach"])
    num_values = sum(value.numel() for value in peer._images.parameters())
    # float16 on disk: two bytes a value, give or take normalisations that were folded in
    assert (ASSETS / shipped.image.file).stat().st_size / num_values == pytest.approx(2, rel=0.05)
