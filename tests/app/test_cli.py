"""The command line: journeys over a small library, and no traceback for anybody's mistake."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli import app as program
from app.cli import run
from app.cli.ingest import exit_code
from app.cli.library import short_ids
from retrieval import errors
from retrieval.engine import Engine
from retrieval.types import IngestOutcome, IngestSummary, Progress, Video
from tests import films
from tests.app.shell import Shell, fits
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.usefixtures("fake_encoder")

COMMANDS = (
    ["ingest"], ["list"], ["info"], ["remove"], ["search"], ["match"], ["classify"], ["serve"],
    ["threshold"], ["watch"], ["bank"], ["bank", "add"], ["bank", "list"], ["bank", "remove"],
    ["labels"], ["labels", "import"], ["labels", "list"], ["labels", "export"],
    ["labels", "check"], ["labels", "remove"], ["labels", "group"], ["labels", "add"],
    ["labels", "queue"],
    ["reindex"], ["compare"], ["export"], ["teach"], ["demo"], ["train"], ["train", "builtin"],
    ["train", "copy"],
    ["train", "sound"],
    ["bench"], ["bench", "ingest"], ["bench", "encode"], ["bench", "search"], ["bench", "match"],
    ["eval"], ["eval", "retrieval"], ["eval", "copy"], ["eval", "few-shot"],
    ["eval", "classify"], ["eval", "fusion"], ["eval", "active"],
    ["encoders"], ["encoders", "list"], ["encoders", "info"], ["encoders", "download"],
    ["encoders", "verify"],
    ["compress"], ["compress", "int8"], ["compress", "prune"], ["compress", "distill"],
)  # fmt: skip


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_every_command_has_help_with_an_example(
        self, shell: Shell, command: Sequence[str]
    ) -> None:
        text = shell(*command, "--help")
        assert f"Example: sceneprint {command[0]}" in text
        assert fits(text)

    def test_all_commands_are_tested(self) -> None:
        import typer.main

        group: Any = typer.main.get_command(program)
        names = {command[0] for command in COMMANDS}
        assert set(group.commands) == names

    def test_summaries_are_not_cut(self, shell: Shell) -> None:
        for command in (
            (),
            ("bank",),
            ("bench",),
            ("train",),
            ("eval",),
            ("labels",),
            ("compress",),
            ("encoders",),
        ):
            assert "..." not in shell(*command, "--help").partition("Commands:")[2]

    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from app.cli import run; run(['--help']); "
            "heavy = {'numpy','rich','pydantic','av','faiss','gradio','fastapi','onnxruntime',"
            "'openvino','torch','PIL','uvicorn'} & set(sys.modules); sys.exit(str(heavy or 0))"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert result.stderr.strip() == "0"

    def test_version(self, shell: Shell) -> None:
        assert shell("--version").startswith("sceneprint ")

    def test_no_arguments_shows_help(self, shell: Shell) -> None:
        shell(code=2)
        assert "Commands:" in shell.out + shell.err


class TestIngest:
    def test_folder_twice_then_list_info_remove(
        self, shell: Shell, tmp_path: Path, colour_film: films.Film
    ) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        (folder / "a film [1].mp4").write_bytes(colour_film.path.read_bytes())
        (folder / "notes.txt").write_text("not a film")
        library = tmp_path / "library"

        text = shell("ingest", folder, "--library", library)
        assert "1 added" in text
        assert "a film [1].mp4" in text
        assert "× real time" in text
        assert fits(text)
        assert "a film [1].mp4" in shell.err  # progress

        assert "1 unchanged" in shell("ingest", folder, "--library", library)

        assert "a film [1].mp4" in shell("list", "-l", library)
        (video,) = shell.json("list", "-l", library)
        assert video["path"] == str(folder / "a film [1].mp4")
        assert video["num_shots"] == 3

        state = shell.json("info", "-l", library)
        assert (state["num_videos"], state["num_shots"]) == (1, 3)
        assert state["encoder"]["name"] == "fake:colour/v1"
        assert "3 in" in shell("info", "-l", library)

        details = shell.json("info", "a film [1].mp4", "-l", library)
        assert [shot["start_seconds"] for shot in details["shots"]] == [0.0, 2.0, 4.0]
        assert "00:00:02:00" in shell("info", video["video_id"][:10], "-l", library)

        assert "the file stays" in shell("remove", "a film [1].mp4", "-l", library)
        assert (folder / "a film [1].mp4").exists()
        assert "ingest" in shell("list", "-l", library)
        assert shell.json("list", "-l", library) == []

    def test_a_named_file_that_fails_is_an_error(
        self, shell: Shell, tmp_path: Path, colour_film: films.Film
    ) -> None:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"no film")
        library = tmp_path / "library"
        text = shell("ingest", bad, colour_film.path, "-l", library, code=2)
        assert "bad.mp4" in text
        assert "1 added" in text
        assert "1 failed" in text
        result = shell.json("ingest", bad, "-l", library, code=2)
        assert result["outcomes"][0]["status"] == "failed"
        assert result["outcomes"][0]["path"] == str(bad)

    def test_a_file_that_fails_in_a_folder_is_not(
        self, shell: Shell, tmp_path: Path, colour_film: films.Film
    ) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        (folder / "bad.mp4").write_bytes(b"no film")
        (folder / "good.mp4").write_bytes(colour_film.path.read_bytes())
        text = shell("ingest", folder, "-l", tmp_path / "library")
        assert "1 failed" in text
        assert "bad.mp4" in text

    def test_an_empty_folder(self, shell: Shell, tmp_path: Path) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        assert "nothing to ingest" in shell("ingest", folder, "-l", tmp_path / "l", code=2)

    @pytest.mark.parametrize(
        ("statuses", "named", "code"),
        [
            (["added", "failed"], [], 0),
            (["added", "failed"], ["1"], 2),
            (["unchanged", "unchanged"], ["0", "1"], 0),
            (["failed"], [], 2),
            ([], [], 2),
        ],
    )
    def test_exit_codes(self, statuses: list[Any], named: list[str], code: int) -> None:
        outcomes = tuple(
            IngestOutcome(Path(str(number)), status, None if status == "failed" else "v1")
            for number, status in enumerate(statuses)
        )
        assert exit_code(IngestSummary(outcomes), [Path(name) for name in named]) == code

    def test_a_stopped_ingest_exits_130(self) -> None:
        outcome = IngestOutcome(Path("a"), "added", "v1")
        assert exit_code(IngestSummary((outcome,), was_cancelled=True), []) == 130


class TestSearch:
    def test_text(self, shell: Shell, library: Path) -> None:
        (hit,) = shell.json("search", "a green field", "-k", "1", "-l", library)
        assert hit["video_name"] == "colours.mp4"
        assert Path(hit["video_path"]).is_file()
        assert (hit["start_seconds"], hit["end_seconds"]) == (2.0, 4.0)
        assert hit["start_timecode"] == "00:00:02:00"
        assert hit["start_frame"] == 50
        text = shell("search", "a green field", "-l", library)
        assert fits(text)
        assert "00:00:02:00 – 00:00:04:00" in text
        assert "picture #1" in text

    def test_subtitles_say_so(self, shell: Shell, library: Path) -> None:
        text = shell("search", "bicycles", "-k", "1", "-l", library)
        assert "subtitled.mkv" in text
        assert "subtitle #1" in text

    def test_sound_says_so(self, shell: Shell, library: Path, audio_only: Path) -> None:
        text = shell("search", "--sound", audio_only, "-k", "1", "-l", library)
        assert "made.mp4" in text
        assert "sound #1" in text

    def test_image_and_clip(
        self, shell: Shell, library: Path, tmp_path: Path, colour_film: films.Film
    ) -> None:
        from PIL import Image

        still = tmp_path / "blue.png"
        Image.new("RGB", (32, 18), (40, 70, 200)).save(still)
        (hit,) = shell.json("search", "--image", still, "-k", "1", "-l", library)
        assert (hit["video_name"], hit["number"]) == ("colours.mp4", 2)
        hits = shell.json(
            "search", "blue", "-i", still, "-c", colour_film.path, "-k", "3", "-l", library
        )
        assert {item["query"] for item in hits[0]["provenance"]} == {"text", "image", "clip"}

    def test_thumbnails(self, shell: Shell, library: Path, tmp_path: Path) -> None:
        folder = tmp_path / "thumbs"
        hits = shell.json("search", "red", "-k", "2", "--thumbnails", folder, "-l", library)
        paths = [Path(hit["thumbnail"]) for hit in hits]
        assert paths[0].name == "001-colours-shot0.jpg"
        assert all(path.read_bytes()[:2] == b"\xff\xd8" for path in paths)

    def test_no_hits(self, shell: Shell, library: Path) -> None:
        assert "no hits" in shell("search", "red", "--min-score", "2", "-l", library)
        assert shell.json("search", "red", "--min-score", "2", "-l", library) == []

    def test_video_and_unit(self, shell: Shell, library: Path) -> None:
        hits = shell.json("search", "red", "--video", "made.mp4", "--unit", "scene", "-l", library)
        assert {(hit["video_name"], hit["unit"]) for hit in hits} == {("made.mp4", "scene")}


class TestMatch:
    def test_a_copy(self, shell: Shell, library: Path, made_film: films.Film) -> None:
        (outcome,) = shell.json("match", made_film.path, "-l", library)
        matches = outcome["matches"]
        assert matches[0]["video_name"] == "made.mp4"
        assert matches[0]["speed_ratio"] == pytest.approx(1.0, abs=0.05)
        text = shell("match", made_film.path, "-l", library)
        assert "made.mp4" in text
        assert fits(text)

    def test_nothing_copied(self, shell: Shell, library: Path, carphone: Path) -> None:
        assert "no copied footage" in shell("match", carphone, "-l", library)
        (outcome,) = shell.json("match", carphone, "-l", library)
        assert outcome["matches"] == []


class TestClassify:
    def test_labels_per_shot(self, shell: Shell, library: Path) -> None:
        items = shell.json("classify", "colours.mp4", "--labels", "red,green,blue", "-l", library)
        assert [item["scores"][0]["label"] for item in items] == ["red", "green", "blue"]
        text = shell("classify", "colours.mp4", "--labels", "red,green,blue", "-l", library)
        assert fits(text)
        assert "green" in text

    def test_label_file_and_group_per_video(
        self, shell: Shell, library: Path, tmp_path: Path, colour_film: films.Film
    ) -> None:
        labels = tmp_path / "labels.txt"
        labels.write_text("[colour]\nwarm: red\ncold: blue; cyan\n")
        arguments = ("classify", colour_film.path, "--labels", labels, "--group", "mood")
        items = shell.json(*arguments, "--per", "video", "-l", library)
        assert [item["group"] for item in items] == ["mood", "colour"]
        text = shell(*arguments, "--per", "video", "-l", library)
        assert "%" in text
        assert fits(text)

    def test_a_still_without_a_library(self, shell: Shell, tmp_path: Path) -> None:
        from PIL import Image

        still = tmp_path / "red.jpg"
        Image.new("RGB", (32, 18), (200, 40, 40)).save(still)
        library = tmp_path / "nothing"
        (item,) = shell.json("classify", still, "--labels", "red,blue", "-l", library)
        assert item["scores"][0]["label"] == "red"
        assert not library.exists()

    def test_annotations(self, shell: Shell, library: Path) -> None:
        records = json.loads(shell("classify", "colours.mp4", "--annotations", "-l", library))
        assert len(records) == 3
        expected = {"frame_id", "scene_type", "audio_emotion", "text_description"}
        assert all(set(record) == expected for record in records)


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["search"], "no query"),
            (["search", "  "], "empty"),
            (["search", "red", "--video", "zzz"], "zzz"),
            (["search", "--image", "nothing.png"], "nothing.png"),
            (["search", "--clip", "nothing.mp4"], "nothing.mp4"),
            (["search", "red", "-k", "0"], "-k"),
            (["search", "red", "--unit", "film"], "--unit"),
            (["search", "red", "--encoder", "toaster"], "toaster"),
            (["search", "red", "--device", "toaster"], "--device"),
            (["match", "nothing.mp4"], "nothing.mp4"),
            (["match", "nothing.mp4", "--min-score", "2"], "--min-score"),
            (["classify", "nothing.mp4"], "nothing.mp4"),
            (["classify", "colours.mp4", "--labels", ","], "labels"),
            (["classify", "colours.mp4", "--group", "zzz"], "scene_place"),
            (["remove", "zzz"], "zzz"),
            (["info", "zzz"], "zzz"),
            (["ingest", "nothing.mp4"], "nothing.mp4"),
            (["ingest", "--detector", "zzz", "FILM"], "zzz"),
        ],
        ids=" ".join,
    )
    def test_say_what_is_wrong_and_exit_2(
        self,
        shell: Shell,
        library: Path,
        colour_film: films.Film,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        says: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        used = tmp_path / "new" if arguments[0] == "ingest" else library
        given = [str(colour_film.path) if one == "FILM" else one for one in arguments]
        shell(*given, "-l", used, code=2)
        assert says in shell.err + shell.out

    @pytest.mark.parametrize(
        "arguments", [["list"], ["info"], ["search", "red"], ["remove", "a"], ["match", "a"]]
    )
    def test_no_library(self, shell: Shell, tmp_path: Path, arguments: list[str]) -> None:
        shell(*arguments, "-l", tmp_path / "nothing", code=2)
        assert "nothing" in shell.err
        assert not (tmp_path / "nothing").exists()

    def test_a_bad_setting(
        self, shell: Shell, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SCENEPRINT_SERVER__PORT", "many")
        shell("list", "-l", library, code=2)
        assert "SCENEPRINT_SERVER__PORT" in shell.err

    def test_the_library_comes_from_the_settings(
        self, shell: Shell, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SCENEPRINT_LIBRARY", str(library))
        assert len(shell.json("list")) == 3

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (errors.MissingDependencyError("install the extra `clip`"), 3),
            (errors.CatalogBusyError("process 7 is writing"), 2),
            (errors.OperationCancelled("stopped"), 130),
            (ModuleNotFoundError("No module named 'av'"), 3),
            (KeyError("surprise"), 1),
            (PermissionError(13, "Permission denied", "/x"), 1),
            (KeyboardInterrupt(), 130),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_exit_codes_of_errors(
        self,
        shell: Shell,
        library: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
        code: int,
    ) -> None:
        def fail(self: Engine) -> list[Video]:
            raise error

        monkeypatch.setattr(Engine, "videos", fail)
        shell("list", "-l", library, code=code)
        if str(error):
            assert str(error) in shell.err

    def test_debug_shows_the_traceback(
        self,
        capsys: pytest.CaptureFixture[str],
        library: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(self: Engine) -> list[Video]:
            raise KeyError("surprise")

        monkeypatch.setattr(Engine, "videos", fail)
        assert run(["--debug", "list", "-l", str(library)]) == 1
        assert "Traceback" in capsys.readouterr().err

    def test_a_taken_port(self, shell: Shell, tmp_path: Path) -> None:
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            shell("serve", "-p", port, "--no-ui", "-l", tmp_path / "l", code=2)
        assert port in shell.err


def _video(video_id: str) -> Video:
    return Video(video_id, Path("a.mp4"), 1, 1, 1.0, "mp4")


def test_short_ids_still_tell_videos_apart() -> None:
    assert short_ids([]) == {}
    one, two = "v0123456789abcdef", "v0123456789abcdff"
    assert short_ids([_video(one)]) == {one: one[:8]}
    assert short_ids([_video(one), _video(two)]) == {one: one[:16], two: two[:16]}


def test_progress_in_words() -> None:
    from app.cli.progress import progress_line

    progress = Progress("ingest", "a.mp4", 30.0, 120.0, speed=85.2, eta_seconds=61.0)
    assert progress_line(progress) == "a.mp4  25 %  85 × real time  1:01 left"
    assert progress_line(Progress("scan", "", 0.0, 0.0)) == "scan"


class TestProcess:
    """The real program in a process of its own, with signals."""

    def test_one_interrupt_stops_and_the_library_continues(
        self, tmp_path: Path, made_film: films.Film
    ) -> None:
        folder = tmp_path / "films"
        folder.mkdir()
        data = made_film.path.read_bytes()
        for number in range(16):  # a free box at the end makes each content another
            box = (12).to_bytes(4) + b"free" + number.to_bytes(4)
            (folder / f"{number:02d}.mp4").write_bytes(data + box)
        code = (
            "import sys, retrieval.encoders as e; from tests.fakes import FakeEncoder; "
            "e.load_encoder = lambda *a, **k: FakeEncoder(layout_weight=1.0); "
            "from app.cli import main; main()"
        )
        command = [sys.executable, "-c", code, "ingest", str(folder), "-l", str(tmp_path / "l")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("ingest: 02"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "stopping" in err
        assert "the same command continues" in err
        assert "Traceback" not in err
        with Engine(tmp_path / "l", encoder=FakeEncoder(layout_weight=1.0)) as engine:
            kept = len(engine.videos())
        assert 2 <= kept < 16
        assert f"{kept} added" in out

        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"{16 - kept} added" in done.stdout
        assert f"{kept} unchanged" in done.stdout

    def test_serve_prints_its_address_gets_ready_and_ends_on_sigterm(self, tmp_path: Path) -> None:
        import urllib.request

        code = (
            "import retrieval.encoders as e; from tests.fakes import FakeEncoder; "
            "e.load_encoder = lambda *a, **k: FakeEncoder(); "
            "from app.cli import main; main()"
        )
        arguments = ["serve", "-p", "0", "--no-ui", "-l", str(tmp_path / "l")]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].strip()
        assert process.stdout.readline() == "ready\n"
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
            assert json.load(answer)["status"] == "ready"
        started = time.monotonic()
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - started < 10
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert "GET /ready 200" in err
