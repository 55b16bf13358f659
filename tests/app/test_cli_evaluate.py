"""`eval copy` makes, reads and measures, and says what is wrong with what it was given."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from eval.attacks import MadeAttacks
from eval.copy_bench import CopyBench
from eval.copy_peers import PEERS
from eval.table import Column, Table

BENCH = CopyBench((), (Table("A title", (Column("what", "What"),), (("x",),)),))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SCENEPRINT_")]:
        monkeypatch.delenv(name)


class Recorder:
    """Stands in for a function, keeps what it was called with."""

    def __init__(self, result: object) -> None:
        self.result = result
        self.arguments: tuple[Any, ...] = ()
        self.options: Mapping[str, Any] = {}

    def __call__(self, *arguments: Any, **options: Any) -> object:
        self.arguments, self.options = arguments, options
        return self.result


@pytest.fixture
def vsc(tmp_path: Path) -> Path:
    for folder, name in (("query", "Q1.mp4"), ("reference", "R1.mp4")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"a film")
    (tmp_path / "ground_truth.csv").write_text(
        "query_id,ref_id,query_start,query_end,ref_start,ref_end\nQ1,R1,0,1,0,1\n"
    )
    return tmp_path


def test_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    called = Recorder(MadeAttacks(tmp_path, 24, 69, 70, 2760.0, 3))
    monkeypatch.setattr("eval.attacks.make_attacks", called)
    given = ["--split", "test", "--size", "full", "--footage", "a", "--footage", "b"]
    assert run(["eval", "copy", "--make", str(tmp_path), *given]) == 0
    assert called.arguments == (tmp_path,)
    assert (called.options["split"], called.options["size"]) == ("test", "full")
    assert called.options["footage"] == [Path("a"), Path("b")]
    assert "69 queries (46 minutes, 70 copied segments)" in capsys.readouterr().err


def test_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vsc: Path
) -> None:
    called = Recorder(BENCH)
    monkeypatch.setattr("eval.copy_bench.evaluate_copies", called)
    out, library = vsc / "out", vsc / "library"
    given = ["--peer", "vpdq", "--out", str(out), "--library", str(library)]
    assert run(["eval", "copy", "--data", str(vsc), *given]) == 0
    assert list(called.arguments[0].queries) == ["Q1"]
    assert called.arguments[1].library == library
    assert (called.options["peers"], called.options["out"]) == (["vpdq"], out)
    assert "A title" in capsys.readouterr().out


def test_all_peers_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vsc: Path
) -> None:
    called = Recorder(BENCH)
    monkeypatch.setattr("eval.copy_bench.evaluate_copies", called)
    assert run(["eval", "copy", "--data", str(vsc), "--peer", "all", "--json"]) == 0
    assert called.options["peers"] == list(PEERS)
    assert json.loads(capsys.readouterr().out)["tables"][0]["title"] == "A title"
    assert not called.arguments[1].library.exists()  # a passing one


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give --data DIR"),
        (["--data", "nowhere"], "not a folder"),
        (["--make", "x", "--pictures", "nowhere"], "not a folder"),
    ],
)
def test_mistakes_are_told(
    given: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["eval", "copy", *given]) == 2
    assert said in capsys.readouterr().err


def test_folder_that_is_no_data_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["eval", "copy", "--data", str(tmp_path)]) == 2
    assert "no data set that is known" in capsys.readouterr().err
