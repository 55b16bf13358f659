"""Watching a folder: each file once, over restarts, kills, damage and a folder that goes away."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.matching import Asked, Outcome
from app.watching import Seen, Watcher, seen_path
from retrieval.engine import Engine
from retrieval.errors import CorruptMediaError, InvalidInputError, NotFoundError
from retrieval.types import MatchResult
from tests import films
from tests.app import made
from tests.app.shell import Shell
from tests.fakes import FakeEncoder


def _match(self: Engine, query: Path, **options: Any) -> MatchResult:
    """`bad` cannot be read, `bug` meets a bug, `copy…` has a match, `gone` goes meanwhile."""
    if query.stem == "bad":
        raise CorruptMediaError("bad.mp4 cannot be decoded")
    if query.stem == "bug":
        raise RuntimeError("a bug")
    if query.stem == "gone":
        query.unlink()
        raise NotFoundError("gone")
    matches = (made.match(query_path=query),) if query.stem.startswith("copy") else ()
    return MatchResult(query, 10.0, matches)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(Engine, "match", _match)
    with Engine(tmp_path / "library", encoder=FakeEncoder(), create=True) as engine:
        yield engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "incoming"
    path.mkdir()
    return path


def _watcher(
    engine: Engine, folder: Path, on_outcome: Callable[[Outcome], None], **options: Any
) -> Watcher:
    seen = Seen.load(seen_path(engine.library, folder), folder)
    return Watcher(
        engine, folder, Asked(), seen, on_outcome, **{"interval_seconds": 0.01, **options}
    )


def _once(engine: Engine, folder: Path) -> dict[str, Outcome]:
    """A whole run, as of a program that is started anew."""
    told: dict[str, Outcome] = {}
    _watcher(engine, folder, lambda item: told.update({item.path.name: item})).run_once()
    return told


def test_each_file_is_told_once_and_a_bad_one_does_not_stop_it(
    engine: Engine, folder: Path
) -> None:
    for name in ("bad", "bug", "copy", "gone", "other", "deep/copy2"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.mp4").write_bytes(b"film")
    (folder / "notes.txt").write_text("no film")
    (folder / "empty.mp4").touch()
    told = _once(engine, folder)
    assert set(told) == {f"{n}.mp4" for n in ("bad", "bug", "copy", "copy2", "gone", "other")}
    assert len(told["copy.mp4"].matches) == 1
    assert "cannot be decoded" in str(told["bad.mp4"].error)
    assert "unexpected RuntimeError" in str(told["bug.mp4"].error)
    assert "is gone" in str(told["gone.mp4"].error)
    assert _once(engine, folder) == {}
    (folder / "other.mp4").write_bytes(b"another film")
    assert set(_once(engine, folder)) == {"other.mp4"}


def test_a_file_that_grows_is_left_until_it_does_not(engine: Engine, folder: Path) -> None:
    told: list[str] = []
    watcher = _watcher(engine, folder, lambda item: told.append(item.path.name))
    film = folder / "copy.mp4"
    for number in range(3):
        film.write_bytes(b"x" * (number + 1))
        watcher.look()
    assert told == []
    watcher.look()
    assert told == ["copy.mp4"]


def test_what_was_told_before_a_kill_is_told_again_and_no_more(
    engine: Engine, folder: Path
) -> None:
    for name in ("a", "copy", "z"):
        (folder / f"{name}.mp4").write_bytes(b"film")

    def killed(outcome: Outcome) -> None:
        if outcome.matches:
            raise SystemExit(9)

    with pytest.raises(SystemExit):
        _watcher(engine, folder, killed).run_once()
    assert set(_once(engine, folder)) == {"copy.mp4", "z.mp4"}


def test_a_name_that_is_no_utf8_is_remembered(engine: Engine, folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"film")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert len(_once(engine, folder)) == 1
    assert _once(engine, folder) == {}


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1, "files": {"a": 3}}', "\x00"])
def test_a_damaged_memory_is_begun_anew(
    engine: Engine, folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "copy.mp4").write_bytes(b"film")
    _once(engine, folder)
    seen_path(engine.library, folder).write_text(content)
    assert set(_once(engine, folder)) == {"copy.mp4"}
    assert "damaged" in caplog.text


def test_a_memory_of_a_newer_version_is_refused(engine: Engine, folder: Path) -> None:
    path = seen_path(engine.library, folder)
    path.parent.mkdir()
    path.write_text('{"version": 2}')
    with pytest.raises(InvalidInputError, match="version 2"):
        _once(engine, folder)


def test_a_folder_may_go_away_and_come_back(engine: Engine, folder: Path) -> None:
    with pytest.raises(NotFoundError):
        _once(engine, folder / "nothing")
    first, told, stop = threading.Event(), threading.Event(), threading.Event()
    (folder / "first.mp4").write_bytes(b"film")

    def tell(outcome: Outcome) -> None:
        (first if outcome.path.stem == "first" else told).set()

    watcher = _watcher(engine, folder, tell, should_stop=stop.is_set)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        assert first.wait(10)
        shutil.rmtree(folder)
        time.sleep(0.05)
        folder.mkdir()
        (folder / "copy.mp4").write_bytes(b"film")
        assert told.wait(10)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_what_concerns_all_files_ends_it(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def empty(self: Engine, query: Path, **options: Any) -> MatchResult:
        raise NotFoundError("the library holds no videos yet")

    monkeypatch.setattr(Engine, "match", empty)
    (folder / "copy.mp4").write_bytes(b"film")
    with pytest.raises(NotFoundError, match="no videos"):
        _once(engine, folder)


def test_in_the_shell_it_prints_lines_and_writes_evidence(
    shell: Shell, library: Path, folder: Path, tmp_path: Path, made_film: films.Film
) -> None:
    own = tmp_path / "library"
    shutil.copytree(library, own)
    (folder / "s.mp4").write_bytes(made_film.path.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no film")
    pages = tmp_path / "pages"
    text = shell("watch", folder, "--once", "--interval", "0.1", "--report", pages, "-l", own)
    (line,) = text.splitlines()
    match = json.loads(line)
    assert match["video_name"] == "made.mp4"
    assert match["query_path"] == str(folder / "s.mp4")
    assert match["found_at"]
    assert [page.name for page in pages.iterdir()] == ["s.mp4.html"]
    assert "broken.mp4: not looked through" in shell.err
    shell("watch", made_film.path, "--once", "-l", own, code=2)
    assert "name a folder" in shell.err


PROGRAM = """
import sys, time
from pathlib import Path
from app.cli import run
from retrieval.engine import Engine
from retrieval.types import MatchResult
from tests.app import made
is_first = sys.argv[1] == "first"
def match(self, query, **options):
    if is_first and query.stem == "b":
        print("blocked", flush=True)
        time.sleep(60)
    return MatchResult(query, 1.0, (made.match(query_path=query),))
Engine.match = match
options = [] if sys.argv[1] == "on" else ["--once"]
sys.exit(run(["watch", sys.argv[2], "--interval", "0.1", "-l", sys.argv[3], *options]))
"""


def test_ctrl_c_ends_it(engine: Engine, folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"film")
    command = [sys.executable, "-c", PROGRAM, "on", str(folder), str(engine.library)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as watching:
        assert watching.stdout is not None
        assert Path(json.loads(watching.stdout.readline())["query_path"]).name == "a.mp4"
        watching.send_signal(signal.SIGINT)
        rest, told = watching.communicate(timeout=60)
    assert (watching.returncode, rest) == (0, "")
    assert "stopping" in told
    assert "aborted" not in told


def test_a_kill_leaves_a_memory_that_the_next_run_reads(engine: Engine, folder: Path) -> None:
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(b"film")
    command = [sys.executable, "-c", PROGRAM]
    given = [str(folder), str(engine.library)]
    with subprocess.Popen([*command, "first", *given], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        lines = iter(first.stdout.readline, "")
        told = json.loads(next(lines))
        assert next(lines).strip() == "blocked"
        first.kill()
    assert Path(told["query_path"]).name == "a.mp4"
    second = subprocess.run([*command, "second", *given], capture_output=True, check=True)
    names = [Path(json.loads(line)["query_path"]).name for line in second.stdout.splitlines()]
    assert names == ["b.mp4", "c.mp4"]
