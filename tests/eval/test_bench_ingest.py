"""The ingest benchmark on a small film: every row is timed on the same film."""

from pathlib import Path

import pytest

from eval import bench_ingest
from eval.bench_film import make_bench_film
from eval.peers import naive_ingest
from retrieval.errors import InvalidInputError, MediaError


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "film.mp4"
    return make_bench_film(path, seconds=6, width=320, height=180)


def test_rows_and_ratios(film: Path) -> None:
    table = bench_ingest.run(film=film, runs=1, peer=False)
    assert len(table.rows) == 4
    assert [table.value(row, "floor_ratio") for row in (0, 1)] == [1.0, 1.0]
    for row in range(4):
        seconds, speed = (float(table.value(row, key) or 0) for key in ("seconds", "speed"))
        assert speed == pytest.approx(6 / seconds, rel=0.05)
    assert "144" in table.notes[0]  # frames: 6 s at 24 a second


def test_naive_pipeline_encodes_one_frame_a_second(film: Path) -> None:
    pytest.importorskip("cv2")
    batches: list[int] = []
    assert naive_ingest(film, lambda images: batches.append(len(images))) == 6
    assert sum(batches) == 6


def test_refuses_odd_numbers(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="runs"):
        bench_ingest.run(runs=0)
    broken = tmp_path / "film.mp4"
    broken.write_bytes(b"not a film")
    with pytest.raises(MediaError):
        bench_ingest.run(film=broken, runs=1, peer=False)
