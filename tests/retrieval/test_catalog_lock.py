import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from retrieval.catalog import Catalog
from retrieval.catalog_lock import WriterLock
from retrieval.errors import CatalogBusyError, CatalogError
from tests.retrieval.catalog_records import make_record

HOLDER = """
import sys
from pathlib import Path
from retrieval.catalog import Catalog
with Catalog.open(Path(sys.argv[1])) as catalog, catalog.writing():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.1}, raising=True)


def test_another_process_is_named_and_reading_goes_on(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(make_record("a"))
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(CatalogBusyError, match=rf"process {holder.pid} .* on .* since "):
                catalog.add_video(make_record("b"))
            assert [video.video_id for video in catalog.videos()] == ["va"]
        finally:
            holder.kill()  # which must free the lock
            holder.wait()
            holder.stdin.close()
            holder.stdout.close()
        catalog.add_video(make_record("b"))
        assert len(catalog.videos()) == 2


def test_two_openings_in_one_process(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as first, Catalog.open(tmp_path) as second:
        with first.writing():
            with pytest.raises(CatalogBusyError, match=f"process {os.getpid()} "):
                second.add_video(make_record("a"))
            first.add_video(make_record("a"))
        second.add_video(make_record("b"))
        assert len(first.videos()) == 2


def test_it_is_waited_for_a_moment(tmp_path: Path) -> None:
    first = WriterLock(tmp_path / ".lock")
    second = WriterLock(tmp_path / ".lock", wait_seconds=10.0)
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with first.held():
            is_held.set()
            may_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_held.wait(10)
    threading.Timer(0.2, may_go.set).start()
    with second.held():
        assert may_go.is_set()
    thread.join()


def test_nested_and_shared_by_threads(tmp_path: Path) -> None:
    lock, other = WriterLock(tmp_path / ".lock"), WriterLock(tmp_path / ".lock")
    with lock.held():
        with lock.held():
            pass
        with pytest.raises(CatalogBusyError), other.held():
            pass
    with other.held():
        pass


def test_lock_file_that_cannot_be_made(tmp_path: Path) -> None:
    with (
        pytest.raises(CatalogError, match="check the permissions"),
        WriterLock(tmp_path / "none" / ".lock").held(),
    ):
        pass
