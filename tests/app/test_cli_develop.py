"""`demo`, `train`, `bench` and `eval` pass their options on and show what comes back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import run
from eval.bench_encode import BenchConfig
from eval.table import Column, Table

TABLE = Table("A title", (Column("what", "What"), Column("ms", "Ms", ".1f")), (("x", 1.25),))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SCENEPRINT_")]:
        monkeypatch.delenv(name)


class Recorder:
    """Stands in for a function, keeps what it was called with."""

    def __init__(self, result: object = TABLE) -> None:
        self.result = result
        self.arguments: tuple[Any, ...] = ()
        self.options: Mapping[str, Any] = {}

    def __call__(self, *arguments: Any, **options: Any) -> object:
        self.arguments, self.options = arguments, options
        return self.result


def test_bench_ingest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    called = Recorder()
    monkeypatch.setattr("eval.bench_ingest.run", called)
    assert run(["bench", "ingest", "--seconds", "5", "--no-peer", "--runs", "1"]) == 0
    assert called.options == {
        "film": None,
        "seconds": 5.0,
        "runs": 1,
        "encoder": "builtin",
        "runtime": "auto",
        "peer": False,
    }
    assert "A title" in capsys.readouterr().out


def test_bench_encode_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = Recorder()
    monkeypatch.setattr("eval.bench_encode.run", called)
    words = ["--batch", "1", "--encoder", "open_clip:A/b", "--runtimes", "openvino", "--json"]
    assert run(["bench", "encode", *words]) == 0
    assert called.arguments[0] == BenchConfig(
        encoder="open_clip:A/b", runtimes="openvino", runs=5, batch=1
    )
    assert json.loads(capsys.readouterr().out)["rows"] == [{"what": "x", "ms": 1.25}]


def test_bench_search_measures_http_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.http.server import serving

    called = Recorder()
    monkeypatch.setattr("eval.bench_search.run", called)
    assert run(["bench", "search", "--shots", "2000"]) == 0
    assert called.options["num_shots"] == 2000
    assert called.options["serve"] is serving


def test_bench_match(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called = Recorder()
    monkeypatch.setattr("eval.bench_match.run", called)
    assert run(["bench", "match", "--hours", "1,2", "--dim", "16", "--library", str(tmp_path)]) == 0
    assert called.options == {
        "hours": [1, 2],
        "dim": 16,
        "library": tmp_path,
        "index": "faiss",
    }
    assert run(["bench", "match", "--hours", "ten"]) == 2


def test_options_of_the_benchmarks_exist() -> None:
    """What the commands pass is what the functions take."""
    import inspect

    from eval import bench_ingest, bench_match, bench_search

    for function, names in (
        (bench_ingest.run, {"film", "seconds", "runs", "encoder", "runtime", "peer"}),
        (bench_match.run, {"hours", "dim", "library", "index"}),
        (bench_search.run, {"num_shots", "runs", "encoder", "index", "serve"}),
    ):
        assert names <= set(inspect.signature(function).parameters)


def test_eval_retrieval(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called, loaded = Recorder(), Recorder("the encoder")
    monkeypatch.setattr("eval.retrieval.evaluate_retrieval", called)
    monkeypatch.setattr("retrieval.encoders.load_encoder", loaded)
    assert run(["eval", "retrieval", "--data", str(tmp_path), "--split", "test"]) == 0
    assert called.arguments == ("the encoder", tmp_path)
    assert called.options == {"split": "test", "translations": None}
    assert loaded.options == {"runtime": "auto", "device": "cpu"}


def test_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called = Recorder()
    monkeypatch.setattr("app.demo.run_demo", called)
    assert run(["demo", "--out", str(tmp_path)]) == 0
    assert called.arguments == (tmp_path,)
    assert called.options == {
        "encoder": "builtin",
        "index": "faiss",
        "runtime": "auto",
        "device": "cpu",
    }


class TestTrain:
    def test_figures_and_progress(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        pytest.importorskip("torch")
        import adapters.training.builtin as training

        def train(
            data: Path, out: Path, *, recall: Callable[..., float], progress: Callable[..., None],
            **options: Any,
        ) -> dict[str, float]:  # fmt: skip
            scores = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
            assert recall(scores, np.array([0, 1]), 1) == 0.5
            progress("heads", 1, 2, {"loss": 0.5})
            assert options["config"].num_threads == 1
            return {"test_en_r1": 24.5}

        monkeypatch.setattr(training, "train_builtin", train)
        arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--threads", "1"]
        assert run(["train", "builtin", *arguments]) == 0
        out, err = capsys.readouterr()
        assert "test_en_r1" in out
        assert "24.50" in out
        assert "heads 1/2  loss 0.500" in err

    def test_without_the_extra_it_says_how_to_install_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        for name in [name for name in sys.modules if name.startswith("adapters.training")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "torch", None)
        assert run(["train", "builtin", "--data", str(tmp_path)]) == 3
        assert "sceneprint[train]" in capsys.readouterr().err

    def test_data_that_are_not_there(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        pytest.importorskip("torch")
        arguments = ["--data", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]
        assert run(["train", "builtin", *arguments]) == 2
        assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_aborts_at_once(number: signal.Signals) -> None:
    code = (
        "import os, time\n"
        "from app.cli.cancel import stop_on_interrupt\n"
        "with stop_on_interrupt() as should_stop:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    time.sleep(0.01)\n"
        "    assert should_stop()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    time.sleep(5)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 130
    assert "Ctrl-C again" in result.stderr
    assert "aborted" in result.stderr


def test_train_copy_over_the_builtin_encoder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from retrieval.encoders.builtin import ASSETS

    called = Recorder({"held_out_r1": 91.5})
    monkeypatch.setattr(import_module("adapters.training.copy"), "train_copy_output", called)
    out = str(tmp_path / "out")
    assert run(["train", "copy", "--data", "pictures", "--out", out, "--threads", "1"]) == 0
    assert called.arguments == (Path("pictures"), Path(out))
    assert called.options["source"] == ASSETS
    assert called.options["name"] == "builtin:lite2-minilm/flickr8k+copy"
    assert called.options["config"].num_threads == 1
    assert "held_out_r1               91.50" in capsys.readouterr().out


def test_train_copy_over_another_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fakes import FakeEncoder

    called, fake = Recorder({}), FakeEncoder()
    monkeypatch.setattr(import_module("adapters.training.copy"), "train_adapter", called)
    monkeypatch.setattr("retrieval.encoders.load_encoder", Recorder(fake))
    assert run(["train", "copy", "--data", "pictures", "--encoder", "open_clip:A/b"]) == 0
    assert called.options["base"].hash == fake.hash
    assert called.options["name"] == f"copy:{fake.name}"


def test_train_copy_without_pictures_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["train", "copy", "--data", str(tmp_path / "absent"), "--work", str(tmp_path)]) == 2
    assert "no folder or archive" in capsys.readouterr().err


def test_more_devices_than_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--devices", "4000"]
    assert run(["train", "builtin", *arguments]) == 2
    assert "got 4000 devices, this machine has" in capsys.readouterr().err


def test_batch_and_epochs_of_a_training() -> None:
    pytest.importorskip("torch")
    from app.cli.train_devices import builtin_config, copy_config

    builtin = builtin_config(threads=1, batch=128, epochs=50)
    assert (builtin.heads.batch, builtin.towers.batch, builtin.towers.epochs) == (128, 128, 50)
    assert builtin.heads.epochs == 15
    assert builtin_config(threads=2, batch=None, epochs=None).towers.batch == 256
    copy = copy_config(threads=1, batch=None, epochs=7)
    assert (copy.fit.batch, copy.fit.epochs) == (512, 7)
