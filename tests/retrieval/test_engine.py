import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.engine import Engine
from retrieval.errors import EncoderMismatchError, NotFoundError
from retrieval.media.frames import frame_at
from retrieval.types import Segment
from tests import films
from tests.fakes import FakeEncoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "library", encoder=FakeEncoder(), create=True) as made:
        yield made


def test_a_library_must_exist_or_be_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Engine(tmp_path / "none", encoder=FakeEncoder())


def test_the_four_verbs_on_one_library(engine: Engine, colour_film: films.Film) -> None:
    engine.ingest([colour_film.path])
    red = engine.search(text="red", k=1)[0]
    assert (red.number, red.video.path) == (0, colour_film.path)
    still = frame_at(colour_film.path, 5.0).image
    assert engine.search(image=still, k=1)[0].number == 2
    assert engine.search(clip=colour_film.path, k=3)
    per_shot = engine.classify(colour_film.path)
    assert len(per_shot) == 3 * 4
    assert len(engine.annotations(per_shot, source=colour_film.path)) == 3
    assert engine.match(colour_film.path).matches == ()  # flat colours show nothing to match


def test_reading_and_removing(engine: Engine, colour_film: films.Film) -> None:
    engine.ingest([colour_film.path])
    (video,) = engine.videos()
    assert engine.video(colour_film.path.name) == video
    shots = engine.shots(video.video_id)
    assert [shot.number for shot in shots] == [0, 1, 2]
    assert len(engine.scenes(video.video_id)) == 3
    assert engine.subtitles(video.video_id) == []
    assert engine.thumbnail(shots[0].shot_id).startswith(b"\xff\xd8")
    assert engine.clip(video.video_id, Segment(0.0, 1.0)).is_file()
    assert engine.remove(video.video_id) == video
    assert engine.videos() == []
    assert colour_film.path.exists()
    with pytest.raises(NotFoundError):
        engine.shots(video.video_id)


def test_info_counts_and_knows_the_index(engine: Engine, colour_film: films.Film) -> None:
    assert engine.info().index_state == "empty"
    engine.ingest([colour_film.path])
    info = engine.info()
    assert (info.num_videos, info.num_shots, info.index_state) == (1, 3, "missing")
    assert info.hours == pytest.approx(6 / 3600, rel=0.05)
    assert info.size_bytes > 0
    assert info.encoder == engine.encoder.id
    engine.warm_up()
    assert engine.info().index_state == "current"
    engine.remove(colour_film.path.name)
    assert engine.info().index_state in ("stale", "empty")


def test_another_encoder_is_an_error_that_says_what_to_do(
    engine: Engine, colour_film: films.Film
) -> None:
    engine.ingest([colour_film.path])
    with (
        Engine(engine.library, encoder=FakeEncoder("fake:other/v1")) as other,
        pytest.raises(EncoderMismatchError, match="--encoder fake:colour/v1"),
    ):
        other.search(text="red")


def test_searches_go_on_while_films_come_in(
    engine: Engine, colour_film: films.Film, made_film: films.Film
) -> None:
    engine.ingest([colour_film.path])
    errors: list[BaseException] = []
    done = threading.Event()

    def keep_searching() -> None:
        while not done.is_set():
            try:
                assert engine.search(text="red", k=1)[0].video.path == colour_film.path
            except BaseException as exc:
                errors.append(exc)
                return

    threads = [threading.Thread(target=keep_searching) for _ in range(3)]
    for thread in threads:
        thread.start()
    engine.ingest([made_film.path])
    engine.remove(made_film.path.name)
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []


WRITER = """
import sys
from pathlib import Path
from retrieval.engine import Engine
from tests.fakes import FakeEncoder

with Engine(Path(sys.argv[1]), encoder=FakeEncoder(), create=True) as engine:
    print("ready", flush=True)
    engine.ingest([Path(sys.argv[2])], shots="precise")
    print("done", flush=True)
"""


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL at random moments of an ingest, again and again, then one that may finish."""
    folder, library = tmp_path / "films", tmp_path / "library"
    for number in range(8):
        films.film_with_cuts(folder / f"film{number}.mp4", [20, 20, 20], seed=number + 20, gop=20)
    rng = random.Random(7)
    num_seen = num_killed = 0
    while num_killed < 6:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(library), str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.0, 0.4))
            process.send_signal(signal.SIGKILL)
            process.wait()
        num_killed += 1
        with Catalog.open(library) as catalog:
            assert catalog.problems() == []
            stored = catalog.videos()
            assert len(stored) >= num_seen  # what was committed once stays
            num_seen = len(stored)
            for video in stored:
                assert len(catalog.shots(video.video_id)) == video.num_shots == 3
    with Engine(library, encoder=FakeEncoder()) as engine:
        summary = engine.ingest([folder], shots="precise")
        assert summary.count("failed") == 0
        assert summary.count("unchanged") == num_seen
        assert summary.count("added") == 8 - num_seen
        found = engine.search(text="bright", k=100)
        assert {hit.video.path.name for hit in found} == {f"film{n}.mp4" for n in range(8)}
        assert len(found) == 24


def test_a_search_finds_its_way_after_the_index_is_deleted(
    engine: Engine, colour_film: films.Film
) -> None:
    engine.ingest([colour_film.path])
    engine.warm_up()
    shutil.rmtree(engine.library / "index")
    with Engine(engine.library, encoder=FakeEncoder()) as again:
        assert again.search(text="blue", k=1)[0].number == 2
