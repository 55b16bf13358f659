"""kill -9 while writing, again and again, loses nothing that was committed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from retrieval.catalog import Catalog
from tests.retrieval.catalog_records import ENCODER

NUM_KILLS = 12
REPOSITORY = Path(__file__).parents[2]


def write_until_killed(library: Path, start: int, seconds: float) -> list[str]:
    """Return the generations that the writer saw committed before it was killed."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.retrieval.catalog_writer", str(library), str(start)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    with writer.stdout:
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    assert writer.wait() == -signal.SIGKILL
    return (first + rest).split("\n")[:-1]  # the last line may be half


def test_killed_writers_leave_whole_videos(tmp_path: Path) -> None:
    rng = random.Random(3)
    seen: set[str] = set()
    for number in range(NUM_KILLS):
        committed = write_until_killed(tmp_path, number * 1000, rng.uniform(0.0, 0.25))
        assert committed
        with Catalog.open(tmp_path) as catalog:
            assert catalog.problems() == []
            assert all(catalog.was_at(generation) for generation in committed)
            assert catalog.generation() not in seen
            seen.update(committed, [catalog.generation()])
            check_whole(catalog)


def check_whole(catalog: Catalog) -> None:
    videos = catalog.videos()
    assert videos
    for video in videos:
        shots = catalog.shots(video.video_id)
        times, vectors = catalog.frame_vectors(ENCODER, video.video_id)
        assert [shot.number for shot in shots] == list(range(150))
        assert len(catalog.scenes(video.video_id)) == 75
        assert len(catalog.subtitles(video.video_id)) == 100
        assert len(times) == len(vectors) == 300
        assert catalog.thumbnail(shots[-1].shot_id).startswith(b"jpeg film")
    ids, _ = catalog.shot_vectors(ENCODER)
    assert len(ids) == 150 * len(videos)
    found = catalog.search_subtitles("words", limit=10_000)
    assert len(found) == 100 * len(videos)
