"""`sceneprint teach` and `classify --adapter`: from a table of labels to answers about shots."""

import json
import shutil
from pathlib import Path

import pytest

from app.cli import run
from retrieval.errors import InvalidInputError
from tests.films import flat_shot, write_film

CSV = (
    "video,start,end,label,group\n"
    "colours,0,2,warm,tint\ncolours,2,4,cold,tint\ncolours,4,6,cold,tint\n"
)


@pytest.fixture
def own(library: Path, tmp_path: Path, fake_encoder: None) -> Path:
    path = tmp_path / "library"
    shutil.copytree(library, path)
    (tmp_path / "labels.csv").write_text(CSV)
    assert run(["labels", "import", str(tmp_path / "labels.csv"), "--library", str(path)]) == 0
    return path


def test_from_labels_to_answers(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--library", str(own)]
    taught = ["teach", "mine", "--group", "tint", "--method", "anchored-probe", *arguments]
    assert run(taught) == 0
    out = capsys.readouterr().out
    assert "mine/1" in out
    assert "Too few shots to be sure" in out
    assert run(["classify", "colours.mp4", "--adapter", "mine", *arguments, "--json"]) == 0
    shots = json.loads(capsys.readouterr().out)
    assert shots[0]["scores"][0]["label"] == "warm"
    assert shots[0]["labels"] is None
    assert run(["classify", "colours.mp4", "--adapter", "mine/1", *arguments]) == 0
    out = capsys.readouterr().out
    assert "unsure" in out
    assert "picture 100" in out


def test_a_file_outside_of_the_library(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--library", str(own)]
    method = ["--method", "anchored-probe", "--modalities", "picture", "--balance", "smote"]
    assert run(["teach", "mine", "--group", "tint", *method, *arguments]) == 0
    film = write_film(own.parent / "other.mp4", flat_shot("red", 25))
    capsys.readouterr()
    assert run(["classify", str(film), "--adapter", "mine", *arguments, "--json"]) == 0
    (shot,) = json.loads(capsys.readouterr().out)
    assert shot["decided"] == {"picture": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["teach", "mine", "--group", "nothing"], "there is: tint"),
        (["teach", "mine", "--group", "tint", "--method", "magic"], "expected one of"),
        (["teach", "mine", "--group", "tint", "--error-rate", "3"], "error_rate"),
        (
            ["teach", "mine", "--group", "tint", "--modalities", "picture", "--balance", "luck"],
            "expected one of weights, sampling, smote",
        ),
        (["teach", "mine", "--group", "tint", "--modalities", "smell"], "picture, sound, text"),
        (["teach", "mine", "--group", "tint", "--modalities", "sound"], "have no sound"),
        (["teach", "mine", "--group", "tint", "--fusion", "magic"], "expected one of attention"),
        (["teach", "mine", "--group", "tint", "--text-encoder", "magic"], "unknown family"),
        (["teach", "../up", "--group", "tint"], "adapter name"),
        (["classify", "colours.mp4", "--adapter", "nothing"], "sceneprint teach"),
        (["classify", "colours.mp4", "--adapter", "mine", "--group", "mood"], "its own classes"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str], message: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--library", str(own)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_named_sound_encoder_hears_the_film(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(**options: object) -> None:
        asked.append(options["sound_encoder"])
        raise InvalidInputError("enough is known")

    monkeypatch.setattr("app.cli.teach.open_engine", refuse)
    named = ["--sound-encoder", "clap:mine", "--library", str(own)]
    assert run(["classify", "colours.mp4", "--adapter", "mine", *named]) == 2
    assert asked == ["clap:mine"]
