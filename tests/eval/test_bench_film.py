"""The film that ingest is timed on is what it says: length, codec, size, sync frames at cuts."""

from pathlib import Path

import av
import numpy as np

from eval.bench_film import FRAME_RATE, make_bench_film, shot_lengths


def test_film_has_its_length_and_sync_frames_at_cuts(tmp_path: Path) -> None:
    path = make_bench_film(tmp_path / "film.mp4", seconds=9, width=320, height=180)
    lengths = shot_lengths(9, _after_grain(height=180, width=320))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 320, 180)
        frames = list(container.decode(stream))
    assert len(frames) == 9 * FRAME_RATE == sum(lengths)
    sync = {number for number, frame in enumerate(frames) if frame.key_frame}
    assert len(lengths) >= 2
    assert sync == set(np.cumsum([0, *lengths[:-1]]).tolist())  # every cut, and nothing else


def test_shot_lengths_fill_the_film_exactly() -> None:
    lengths = shot_lengths(60, np.random.default_rng(0))
    assert sum(lengths) == 60 * FRAME_RATE
    assert all(length <= 7 * FRAME_RATE for length in lengths)


def _after_grain(*, height: int, width: int) -> np.random.Generator:
    """The generator in the state in which the film's first shot length is drawn."""
    rng = np.random.default_rng(0)
    rng.normal(0.0, 1.0, (8, height, width))
    return rng
