import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_lock import WriterLock
from retrieval.engine import Engine
from retrieval.errors import CatalogBusyError, InvalidInputError, NotFoundError
from retrieval.reindex import reindex
from retrieval.types import Progress
from tests import films
from tests.fakes import FakeEncoder
from tests.retrieval.catalog_records import ENCODER
from tests.retrieval.reindexer import NEW, pictured_record

REPOSITORY = Path(__file__).parents[2]
OTHER = FakeEncoder("fake:other/v1", layout_weight=1.0)
NUM_KILLS = 5


@pytest.fixture
def folder(tmp_path: Path, colour_film: films.Film, made_film: films.Film) -> Path:
    path = tmp_path / "films"
    path.mkdir()
    shutil.copy2(colour_film.path, path / "colours.mp4")
    shutil.copy2(made_film.path, path / "made.mp4")
    return path


@pytest.fixture
def engine(tmp_path: Path, folder: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "library", encoder=FakeEncoder(), create=True) as made:
        made.ingest([folder])
        yield made


@pytest.fixture
def pictured(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "pictured", create=True) as opened:
        for name in ("a", "b", "c"):
            opened.add_video(pictured_record(name))
        yield opened


def test_from_films_it_is_what_an_ingest_would_have_made(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    summary = engine.reindex(OTHER, source="films")
    assert (summary.before, summary.is_used, summary.was_changed) == (
        FakeEncoder().id,
        True,
        True,
    )
    assert (summary.num_videos, summary.num_embedded) == (2, summary.num_shots)
    assert summary.sources == {"films": 2}
    assert summary.missing == ()
    with Engine(tmp_path / "fresh", encoder=OTHER, create=True) as fresh:
        fresh.ingest([folder])
        ids, vectors = engine.catalog.shot_vectors(OTHER.id)
        fresh_ids, fresh_vectors = fresh.catalog.shot_vectors(OTHER.id)
        assert ids.tolist() == fresh_ids.tolist()
        np.testing.assert_allclose(vectors, fresh_vectors, atol=2e-3)
        for video in fresh.videos():
            assert engine.scenes(video.video_id) == fresh.scenes(video.video_id)
            assert engine.shots(video.video_id) == fresh.shots(video.video_id)
    assert engine.catalog.problems() == []


def test_everything_goes_on_with_the_old_vectors_meanwhile(engine: Engine, tmp_path: Path) -> None:
    late = films.write_film(tmp_path / "late.mp4", films.flat_shot("red", 50), gop=25)
    seen: list[str] = []

    def progress(report: Progress) -> None:
        assert report.stage == "reindex"
        encoder = engine.catalog.encoder()
        assert encoder is not None
        seen.append(encoder.name)
        assert engine.search(text="red", k=1)[0].provenance[0].score > 0.9
        if len(seen) == 1:
            assert engine.ingest([late]).count("added") == 1

    summary = engine.reindex(OTHER, progress=progress)
    assert set(seen) == {"fake:colour/v1"}
    assert summary.num_videos == 3  # the late one is picked up
    assert engine.catalog.encoder() == OTHER.id
    assert engine.catalog.videos_without_vectors(OTHER.id) == []


def test_changing_back_encodes_nothing_and_prune_forgets(engine: Engine) -> None:
    old = FakeEncoder()
    before = [engine.scenes(video.video_id) for video in engine.videos()]
    engine.shot_vectors.refresh()
    texts = engine.library / "cache" / "shot-texts" / old.hash[:16]
    texts.mkdir(parents=True)
    engine.reindex(OTHER)
    back = engine.reindex(old)
    assert (back.was_changed, back.num_embedded, old.num_images) == (True, 0, 0)
    assert [engine.scenes(video.video_id) for video in engine.videos()] == before
    kept = engine.reindex(OTHER, prune=True)
    assert kept.pruned == (old.id,)
    assert [one.encoder for one in engine.catalog.vector_sets()] == [OTHER.id]
    assert list((engine.library / "index").glob(f"shots-{old.hash[:12]}-*")) == []
    assert not texts.exists()
    assert engine.reindex(OTHER).num_embedded == 0


def test_without_a_switch_the_vectors_wait_beside(engine: Engine) -> None:
    summary = engine.reindex(OTHER, switch=False)
    assert (summary.is_used, summary.was_changed, summary.num_videos) == (False, False, 2)
    assert engine.catalog.encoder() == FakeEncoder().id
    again = engine.reindex(OTHER)
    assert (again.num_embedded, again.was_changed) == (0, True)


class TestMissing:
    """Films that are gone or are no longer themselves."""

    def test_they_are_listed_and_nothing_changes(self, engine: Engine, folder: Path) -> None:
        (folder / "colours.mp4").unlink()
        shutil.copy(folder / "made.mp4", folder / "again.mp4")
        (folder / "made.mp4").write_bytes((folder / "made.mp4").read_bytes()[:-8])
        summary = engine.reindex(OTHER, source="films")
        assert not summary.is_used
        reasons = {one.video.name: one.reason for one in summary.missing}
        assert reasons["colours.mp4"] == f"it is not at {folder / 'colours.mp4'}"
        assert reasons["made.mp4"] == f"another file is at {folder / 'made.mp4'}"
        assert engine.catalog.encoder() == FakeEncoder().id
        os.replace(folder / "again.mp4", folder / "made.mp4")  # the same content, another time
        assert len(engine.reindex(OTHER, source="films").missing) == 1

    def test_they_may_be_left_out_and_come_back(
        self, engine: Engine, folder: Path, tmp_path: Path
    ) -> None:
        gone = (folder / "colours.mp4").rename(tmp_path / "away.mp4")
        summary = engine.reindex(OTHER, source="films", without_missing=True)
        assert (summary.is_used, summary.num_videos, len(summary.missing)) == (True, 1, 1)
        with Engine(engine.library, encoder=OTHER) as reader:
            assert len(reader.videos()) == 2
            assert {hit.video.name for hit in reader.search(text="red", k=50)} == {"made.mp4"}
            assert reader.info().vector_sets[0].num_missing == 1
            gone.rename(folder / "colours.mp4")
            assert reader.reindex(OTHER, source="films").missing == ()
            assert reader.search(text="red", k=1)[0].video.name == "colours.mp4"
            assert reader.info().vector_sets[0].num_missing == 0

    def test_small_kept_keyframes_do_where_one_says_so(self, engine: Engine, folder: Path) -> None:
        shutil.rmtree(folder)
        summary = engine.reindex(OTHER, source="keyframes")
        assert summary.is_used
        assert summary.sources == {"keyframes": 2}
        assert engine.info().vector_sets[0].num_from_keyframes == 2


def test_kept_keyframes_stand_in_for_a_missing_film_where_they_are_large_enough(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.keyframes.MAX_SIDE", 1)  # as if they had been shrunk
    sharp, coarse = FakeEncoder("fake:sharp/v1"), FakeEncoder("fake:coarse/v1")
    sharp.picture_side, coarse.picture_side = 10_000, 8
    (folder / "colours.mp4").unlink()
    missing = engine.reindex(sharp, switch=False)
    assert missing.sources == {"films": 1}
    assert missing.missing[0].reason == f"it is not at {folder / 'colours.mp4'}"
    assert engine.reindex(coarse, switch=False).sources == {"films": 1, "keyframes": 1}


def test_a_damaged_keyframe_stands_for_nothing(engine: Engine, folder: Path) -> None:
    (folder / "colours.mp4").unlink()
    last = engine.shots(engine.video("colours.mp4").video_id)[-1].shot_id
    with engine.catalog._transaction() as (connection, _):
        connection.execute("UPDATE thumbnails SET jpeg = x'ffd8ff00' WHERE shot_id = ?", (last,))
    (gone,) = engine.reindex(OTHER).missing
    assert gone.reason.startswith("it is not at")  # what a person can mend
    (gone,) = engine.reindex(OTHER, source="keyframes").missing
    assert gone.reason == "the kept keyframe of shot 2 cannot be decoded"


def test_it_stops_between_films_and_goes_on(pictured: Catalog) -> None:
    def should_stop() -> bool:
        return any(one.num_videos == 2 for one in pictured.vector_sets() if not one.is_used)

    stopped = reindex(NEW, catalog=pictured, should_stop=should_stop)
    assert (stopped.was_cancelled, stopped.num_videos, stopped.is_used) == (True, 2, False)
    reports: list[Progress] = []
    done = reindex(NEW, catalog=pictured, progress=reports.append)
    assert (done.num_embedded, done.num_videos, done.was_changed) == (4, 3, True)
    assert reports[-1].done == reports[-1].total == 4.0  # the film that was left
    assert reports[-1].eta_seconds == 0.0


def test_the_exchange_waits_for_a_writer_and_takes_what_it_brought(
    pictured: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.05})
    pictured._lock._wait_seconds = 0.05
    stages: list[str] = []
    held, waited = threading.Event(), threading.Event()

    def ingest() -> None:
        with Catalog.open(pictured.library) as other, other.writing():
            held.set()
            assert waited.wait(10)
            other.add_video(pictured_record("d"))

    writer = threading.Thread(target=ingest)
    writer.start()
    assert held.wait(10)

    def progress(report: Progress) -> None:
        stages.append(report.stage)
        if report.stage == "wait":
            assert "is being written by process" in report.item
            waited.set()

    summary = reindex(NEW, catalog=pictured, progress=progress)
    writer.join()
    assert "wait" in stages
    assert (summary.is_used, summary.num_videos) == (True, 4)
    with (
        Catalog.open(pictured.library) as other,
        other.reindexing(),
        pytest.raises(CatalogBusyError, match="being reindexed"),
    ):
        reindex(OTHER, catalog=pictured)


def test_what_cannot_be_done_is_refused(pictured: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="expected keyframes or films"):
        reindex(NEW, catalog=pictured, source="frames")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="--prune with --no-switch"):
        reindex(NEW, catalog=pictured, switch=False, prune=True)
    with (
        Catalog.open(tmp_path / "empty", create=True) as empty,
        pytest.raises(NotFoundError, match="no film with a picture"),
    ):
        reindex(NEW, catalog=empty)


def test_killed_again_and_again_it_goes_on_and_the_old_vectors_stay(tmp_path: Path) -> None:
    rng = random.Random(5)
    with Catalog.open(tmp_path, create=True) as catalog:
        for number in range(40):
            catalog.add_video(pictured_record(f"film{number}", num_shots=4))
        ids, vectors = catalog.shot_vectors(ENCODER)
    waits = [f"{rng.uniform(0.0, 0.04):.4f}" for _ in range(NUM_KILLS)]
    process = subprocess.run(
        [sys.executable, "-m", "tests.retrieval.reindexer", str(tmp_path), *waits],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    states = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(states) == NUM_KILLS
    for state in states:
        assert state["signal"] == signal.SIGKILL
        assert state["problems"] == []
        assert state["used"] == ENCODER.name
        assert state["digest"] == hashlib.sha256(vectors.tobytes()).hexdigest()
        assert state["num_shots"] == 4 * state["num_videos"]
    counts = [state["num_videos"] for state in states]
    assert counts[0] > 0
    assert counts == sorted(set(counts))  # each run went on from the one before
    with Catalog.open(tmp_path) as catalog:
        summary = reindex(NEW, catalog=catalog)
        assert (summary.num_embedded, summary.is_used) == (4 * (40 - counts[-1]), True)
        assert catalog.shot_vectors(NEW.id)[0].tolist() == ids.tolist()
